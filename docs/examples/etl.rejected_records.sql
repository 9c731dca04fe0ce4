-- What could not become a row, and why?
SELECT operation, arn, error, attempts, last_seen_at
FROM etl.rejected_records
ORDER BY last_seen_at DESC;
