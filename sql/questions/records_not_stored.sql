-- title: Records that could not be had
-- question: Which tasks and jobs does Braket list that are not in the tables, and why?
-- read: a record is `rejected` where its answer could not become a row (`braket-etl rejects show ARN` prints it), and
--   `listed` where a search shows it but it could not be got. The next sync asks for all of them again; costs and waits
--   leave them out. No rows: whatever was listed is stored.
-- chapter: What is not known, 60
SELECT
    table_name, state, arn, account_id, region, created_at, problem
FROM (
    SELECT table_name, 'listed' AS state, arn, account_id, region, created_at, problem
    FROM etl.unsettled_records
    WHERE state = 'not_stored'
    UNION ALL
    SELECT
        CASE operation WHEN 'GetJob' THEN 'jobs' WHEN 'GetQuantumTask' THEN 'quantum_tasks' ELSE operation END,
        'rejected', arn, account_id, region, NULL, error
    FROM etl.rejected_records
)
ORDER BY table_name, state, created_at DESC, arn;
