-- title: Money in jobs that did not complete
-- question: What did hybrid jobs cost that failed or were cancelled, and why did they end?
-- read: a failed job pays for its instance and for the tasks that completed in it. n_unknown of the jobs have no known
--   cost, so that a sum is then too low; cost_usd is empty where none is known. No rows: no job failed or was cancelled.
-- chapter: Where money can be saved, 60
SELECT
    j.status,
    coalesce(j.failure_reason, '(no reason given)') AS failure_reason,
    count(*) AS jobs,
    sum(c.cost_usd) AS cost_usd,
    sum(c.instance_cost_usd) AS instance_cost_usd,
    sum(c.task_cost_usd) AS task_cost_usd,
    round(sum(c.billed_seconds) / 3600, 1) AS billed_hours,
    count(*) FILTER (c.cost_usd IS NULL) AS n_unknown
FROM jobs AS j
JOIN job_costs AS c ON c.job_arn = j.job_arn
WHERE j.status IN ('FAILED', 'CANCELLED')
GROUP BY j.status, failure_reason
ORDER BY cost_usd DESC NULLS LAST, jobs DESC, failure_reason
