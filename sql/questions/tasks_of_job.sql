-- title: The tasks of a hybrid job
-- question: Which tasks did a job create, what did each cost, how long did it wait, and how did it end?
-- read: of the job that was created last, or last by that name; the first task first. cost_usd is empty where it is not known or
--   the task is open: cost_status says which, and committed_usd what an open one will cost. The wait lies between waited_low and
--   waited_high, which is empty while the task waits. Empty where the job created no task; a job that is not there is an error.
-- param job: name or ARN of the job; without it, the newest
-- columns: created_at, device, status, n_shots, cost_usd, cost_status, waited_high_seconds
-- chapter: What it cost, 62
WITH chosen AS (
    SELECT coalesce(
        arg_max(job_arn, (created_at, job_arn)),
        error('no hybrid job has the name or ARN ' || getvariable('job')::VARCHAR || ': @most_expensive_jobs lists jobs')
    ) AS job_arn
    FROM jobs
    WHERE (getvariable('job') IS NULL OR getvariable('job')::VARCHAR IN (job_arn, job_name))
)
SELECT
    t.created_at,
    t.device_name AS device,
    t.status,
    t.shots AS n_shots,
    c.cost_usd,
    c.cost_status,
    c.committed_usd,
    l.wait_seconds_lower AS waited_low_seconds,
    l.wait_seconds_upper AS waited_high_seconds,
    t.ended_at,
    t.failure_reason,
    t.job_arn,
    t.quantum_task_arn
FROM quantum_tasks AS t
JOIN chosen USING (job_arn)
JOIN task_costs AS c ON c.quantum_task_arn = t.quantum_task_arn
LEFT JOIN task_latency AS l ON l.quantum_task_arn = t.quantum_task_arn
ORDER BY t.created_at, t.quantum_task_arn
