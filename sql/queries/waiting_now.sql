-- title: What waits now
-- question: Which tasks and jobs wait at this moment, how long have they, and how many are ahead of them?
-- read: waited is up to the last poll; ahead is what Braket showed then ("at least" where it is capped).
SELECT
    l.quantum_task_arn AS arn,
    l.device_arn,
    l.created_at,
    round(l.wait_seconds_lower / 60, 1) AS waited_minutes,
    d.ahead,
    d.is_capped AS at_least,
    d.last_observed_at
FROM task_latency AS l
LEFT JOIN (
    SELECT * FROM queue_depth
    WHERE record_arn IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY record_arn ORDER BY observed_at DESC) = 1
) AS d ON d.record_arn = l.quantum_task_arn
WHERE l.is_censored AND l.end_kind IS NULL
UNION ALL
SELECT
    l.job_arn, l.device_arn, l.created_at, round(l.wait_seconds_lower / 60, 1), d.ahead, d.is_capped, d.last_observed_at
FROM job_latency AS l
LEFT JOIN (
    SELECT * FROM queue_depth
    WHERE record_arn IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY record_arn ORDER BY observed_at DESC) = 1
) AS d ON d.record_arn = l.job_arn
WHERE l.is_censored AND l.end_kind IS NULL
ORDER BY waited_minutes DESC, arn
