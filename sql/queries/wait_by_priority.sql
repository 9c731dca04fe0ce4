-- title: What priority does to waiting
-- question: Do tasks with priority wait less than normal ones?
-- read: bounds on medians, in minutes, over tasks that were seen in a queue; high is empty where so many still wait, or
--   were cancelled waiting, that nothing bounds it. Who waits long is seen more often, so compare the two rows of a
--   device with each other, not with @queue_wait_by_device. Tasks of hybrid jobs have priority on the job's device.
WITH seen AS (
    SELECT quantum_task_arn, max_by(queue_priority, observed_at) AS queue_priority
    FROM task_observations
    WHERE queue_priority IS NOT NULL
    GROUP BY quantum_task_arn
)
SELECT
    l.device_arn,
    s.queue_priority,
    count(*) AS n,
    count(*) FILTER (l.is_censored) AS n_censored,
    round(quantile_disc(l.wait_seconds_lower, 0.5) / 60, 1) AS p50_low_minutes,
    CASE WHEN isfinite(quantile_disc(coalesce(l.wait_seconds_upper, 'infinity'::DOUBLE), 0.5))
        THEN round(quantile_disc(coalesce(l.wait_seconds_upper, 'infinity'::DOUBLE), 0.5) / 60, 1)
    END AS p50_high_minutes
FROM seen AS s
JOIN task_latency AS l ON l.quantum_task_arn = s.quantum_task_arn
WHERE NOT l.is_reservation
GROUP BY l.device_arn, s.queue_priority
ORDER BY l.device_arn, s.queue_priority
