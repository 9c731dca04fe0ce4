-- What did the last runs do?
SELECT started_at, kind, outcome, ended_at - started_at AS took, summary
FROM etl.runs
ORDER BY started_at DESC
LIMIT 20;
