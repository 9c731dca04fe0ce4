-- of: quantum_tasks
-- means: Tasks name a job that is not stored, although jobs of their account and Region were searched from two weeks before
--   the task on: the cost of the job's instances is missing.
-- do: `braket-etl backfill --arn ARN` gets a job that Braket still knows.
--
-- A job may be older than the first day that was searched and create tasks while it runs, five days at most, after it
-- waited: hence the two weeks.
WITH accounts AS (
    SELECT DISTINCT account, account_id FROM etl.coverage WHERE account_id IS NOT NULL
),
searched AS (
    SELECT a.account_id, c.region, min(c.day) AS first_day
    FROM etl.coverage AS c
    JOIN accounts AS a ON a.account = c.account
    WHERE c.table_name = 'jobs'
    GROUP BY a.account_id, c.region
),
missing AS (
    SELECT t.*
    FROM quantum_tasks AS t
    ANTI JOIN jobs AS j ON j.job_arn = t.job_arn
    WHERE t.job_arn IS NOT NULL
)
SELECT m.job_arn AS found, count(*) AS records
FROM missing AS m
JOIN searched AS s
    ON s.account_id = m.account_id AND s.region = m.region AND m.created_date >= s.first_day + 14
ANTI JOIN etl.rejected_records AS r ON r.arn = m.job_arn
GROUP BY m.job_arn
ORDER BY found
