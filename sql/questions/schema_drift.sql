-- title: What Braket said that is new or not believed
-- question: Which members, values and dates of Braket's answers does this version not know or not believe?
-- read: members and values that this version does not know (they are stored); dates that no clock bears out; times of
--   creation that moved.
-- chapter: What is not known, 70
-- report: What these numbers leave out, 40
-- empty: None.
SELECT table_name AS kind, kind AS what, path, value, first_seen_at
FROM etl.schema_drift
ORDER BY first_seen_at DESC, kind, path, value
LIMIT 15
