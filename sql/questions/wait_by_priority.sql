-- title: What priority does to waiting
-- question: Do tasks with priority wait less than normal ones?
-- read: bounds on medians, in minutes, over tasks that were seen in a queue; high is empty where too many still wait, or
--   were cancelled waiting, that nothing bounds it. Who waits long is seen more often, so compare the two rows of a
--   device with each other, not with @queue_wait_by_device. Tasks of hybrid jobs have priority on the job's device.
-- chapter: How long it waits, 90
WITH seen AS (
    SELECT quantum_task_arn, max_by(queue_priority, observed_at) AS queue_priority
    FROM task_observations
    WHERE queue_priority IS NOT NULL
    GROUP BY quantum_task_arn
)
SELECT
    w.device_name AS device,
    s.queue_priority,
    count(*) AS n,
    count(*) FILTER (w.certainty = 'censored') AS n_censored,
    round(quantile_disc(w.wait_seconds_lower, 0.5) / 60, 1) AS p50_low_minutes,
    round(nullif(quantile_disc(w.wait_seconds_at_most, 0.5), 'infinity'::DOUBLE) / 60, 1) AS p50_high_minutes
FROM seen AS s
JOIN waits AS w ON w.record_arn = s.quantum_task_arn
WHERE w.record_kind = 'task' AND w.is_counted
GROUP BY w.device_name, s.queue_priority
ORDER BY device, s.queue_priority
