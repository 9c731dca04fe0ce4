-- of: job_events
-- severity: error
-- means: Events and their job are stored in one transaction. Stages and waits are made of jobs, so an event without one is
--   in none of them.
-- do: `braket-etl backfill --again --arn ARN` of the job gets both.
SELECT e.job_arn AS found, count(*) AS records
FROM job_events AS e
ANTI JOIN jobs AS j ON j.job_arn = e.job_arn
GROUP BY e.job_arn
ORDER BY found
