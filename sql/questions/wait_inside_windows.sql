-- title: Waiting while the device was open
-- question: How much of the wait was the device being closed, and how much the queue?
-- read: hours summed over tasks. open is the wait while the device was inside its execution windows and ONLINE,
--   closed the rest; both are bounds, and high covers only tasks whose wait ended.
-- chapter: How long it waits, 80
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    count(*) AS n,
    round(sum(open_wait_seconds_lower) / 3600, 1) AS open_hours_low,
    round(sum(open_wait_seconds_upper) / 3600, 1) AS open_hours_high,
    round(sum(closed_wait_seconds_lower) / 3600, 1) AS closed_hours_low,
    round(sum(closed_wait_seconds_upper) / 3600, 1) AS closed_hours_high
FROM task_wait_parts
WHERE is_counted AND open_wait_seconds_lower IS NOT NULL
GROUP BY device_arn
ORDER BY device
