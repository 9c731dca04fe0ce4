-- What does Braket send that this version does not know?
SELECT table_name, kind, path, value, first_seen_at
FROM etl.schema_drift
ORDER BY first_seen_at DESC;
