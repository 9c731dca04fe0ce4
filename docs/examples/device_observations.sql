-- How long are the queues now?
SELECT device_arn, device_status, normal_tasks_queue_raw, priority_tasks_queue_raw, jobs_queue_raw, last_observed_at
FROM device_observations
QUALIFY row_number() OVER (PARTITION BY device_arn ORDER BY observed_at DESC) = 1
ORDER BY device_arn;

-- How long was a device's queue at most, on each day?
SELECT device_arn, timezone('UTC', observed_at)::DATE AS day, max(normal_tasks_queue_size) AS longest
FROM device_observations
GROUP BY device_arn, day
ORDER BY device_arn, day;

-- When does each device run tasks? One row a window.
SELECT device_arn, w.execution_day, w.window_start_hour, w.window_end_hour
FROM (
    SELECT device_arn, unnest(execution_windows) AS w
    FROM device_observations
    QUALIFY row_number() OVER (PARTITION BY device_arn ORDER BY observed_at DESC) = 1)
ORDER BY device_arn, w.execution_day;
