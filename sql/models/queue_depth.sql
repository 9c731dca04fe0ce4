-- One row a queue and run of polls that saw the same: how many were ahead, on a device for all customers, and for each
-- of our own tasks and jobs that waited. AWS calls these numbers approximate.
--
-- group: latency
-- key: device_arn, kind, queue, record_arn, observed_at
-- device_arn: the device; for a job, the device it has priority on
-- kind: device_depth (all customers), task_position or job_position (one own record)
-- queue: normal_tasks, priority_tasks (tasks of hybrid jobs, which run first) or jobs
-- record_arn: our task or job; NULL for device_depth
-- observed_at: first poll that saw this
-- last_observed_at: last poll that saw this
-- ahead: how many were in the queue, or ahead of the own record; NULL where Braket showed no number
-- is_capped: whether ahead is only a lower bound, as in >2000
-- drained_per_hour: how fast the number fell since the row before, of the same queue or record; NULL for the first one,
--   next to a capped one, and where it grew
WITH depths AS (
    SELECT
        device_arn, 'normal_tasks' AS queue, observed_at, last_observed_at,
        normal_tasks_queue_size AS ahead, normal_tasks_queue_is_capped AS is_capped, normal_tasks_queue_raw AS raw
    FROM device_observations
    UNION ALL
    SELECT
        device_arn, 'priority_tasks', observed_at, last_observed_at,
        priority_tasks_queue_size, priority_tasks_queue_is_capped, priority_tasks_queue_raw
    FROM device_observations
    UNION ALL
    SELECT
        device_arn, 'jobs', observed_at, last_observed_at,
        jobs_queue_size, jobs_queue_is_capped, jobs_queue_raw
    FROM device_observations
),
sights AS (
    SELECT
        device_arn, 'device_depth' AS kind, queue, NULL AS record_arn, observed_at, last_observed_at, ahead, is_capped
    FROM depths
    WHERE raw IS NOT NULL
    UNION ALL
    SELECT
        t.device_arn, 'task_position',
        CASE WHEN o.queue_priority = 'Priority' THEN 'priority_tasks' ELSE 'normal_tasks' END,
        o.quantum_task_arn, o.observed_at, o.last_observed_at, o.position, o.is_capped
    FROM task_observations AS o
    JOIN quantum_tasks AS t ON t.quantum_task_arn = o.quantum_task_arn
    WHERE o.position IS NOT NULL
    UNION ALL
    SELECT
        j.device_config_device, 'job_position', 'jobs', o.job_arn, o.observed_at, o.last_observed_at, o.position,
        o.is_capped
    FROM job_observations AS o
    JOIN jobs AS j ON j.job_arn = o.job_arn
    WHERE o.position IS NOT NULL
),
followed AS (
    SELECT
        *,
        lag(ahead) OVER before AS ahead_before,
        lag(is_capped) OVER before AS was_capped,
        lag(observed_at) OVER before AS observed_before
    FROM sights
    WINDOW before AS (PARTITION BY device_arn, kind, queue, record_arn ORDER BY observed_at)
)
SELECT
    device_arn,
    kind,
    queue,
    record_arn,
    observed_at,
    last_observed_at,
    ahead,
    is_capped,
    CASE
        WHEN NOT is_capped AND NOT was_capped AND ahead <= ahead_before
            THEN (ahead_before - ahead) * 3.6e9 / (epoch_us(observed_at) - epoch_us(observed_before))
    END AS drained_per_hour
FROM followed
