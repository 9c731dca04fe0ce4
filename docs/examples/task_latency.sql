-- How long did each task wait, and how is that known? Newest first.
SELECT quantum_task_arn, device_arn, wait_seconds_lower, wait_seconds_upper, basis, lower_from, end_kind
FROM task_latency
ORDER BY created_at DESC
LIMIT 100;

-- How well are waits known, by device?
SELECT device_arn, basis, count(*) AS tasks, median(wait_seconds_upper - wait_seconds_lower) AS usual_width_seconds
FROM task_latency
GROUP BY device_arn, basis
ORDER BY device_arn, tasks DESC;

-- How long does a task take from creation to end?
SELECT device_arn, count(*) AS tasks, median(turnaround_seconds) AS p50, quantile_cont(turnaround_seconds, 0.95) AS p95
FROM task_latency
WHERE turnaround_seconds IS NOT NULL AND NOT is_reservation
GROUP BY device_arn
ORDER BY p50;
