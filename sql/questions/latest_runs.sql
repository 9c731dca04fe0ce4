-- title: Latest runs
-- question: When did the last runs begin, how long did they take, and how did they end?
-- read: warning: rejects, unknown members, S3 or the price list out of reach; failure: a Region or account could not be
--   searched.
-- chapter: What is not known, 80
-- report: What these numbers leave out, 70
-- form: wide
-- empty: None.
SELECT kind, started_at, epoch(ended_at) - epoch(started_at) AS took_seconds, outcome, version
FROM etl.runs
ORDER BY started_at DESC, run_id
LIMIT 8
