-- How much of the wait was the device being closed?
SELECT device_arn, round(sum(closed_wait_seconds_lower) / 3600, 1) AS closed_hours, round(sum(open_wait_seconds_lower) / 3600, 1) AS open_hours
FROM task_wait_parts
WHERE is_counted
GROUP BY device_arn
ORDER BY closed_hours DESC NULLS LAST;

-- Which tasks waited longest while the device was open?
SELECT quantum_task_arn, device_arn, created_at, open_wait_seconds_lower, open_wait_seconds_upper
FROM task_wait_parts
ORDER BY open_wait_seconds_lower DESC NULLS LAST
LIMIT 20;

-- How much longer do tasks take than they run?
SELECT device_arn, median(bounded_slowdown_lower) AS at_least, median(bounded_slowdown_upper) AS at_most
FROM task_wait_parts
WHERE bounded_slowdown_lower IS NOT NULL
GROUP BY device_arn;
