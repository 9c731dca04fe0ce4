-- On which weekdays do tasks wait least?
SELECT device_arn, weekday, sum(n)::BIGINT AS tasks, median(p50_wait_seconds_lower) AS p50_seconds
FROM queue_heatmap
GROUP BY device_arn, weekday
HAVING sum(n) > 0
ORDER BY device_arn, p50_seconds NULLS LAST;

-- At which hours is a device open?
SELECT device_arn, weekday, hour_utc, open_share
FROM queue_heatmap
WHERE open_share > 0
ORDER BY device_arn, weekday, hour_utc;

-- How many tasks are sent while the device is closed?
SELECT device_arn, sum(n) FILTER (open_share = 0)::BIGINT AS while_closed, sum(n)::BIGINT AS tasks
FROM queue_heatmap
GROUP BY device_arn
ORDER BY while_closed DESC NULLS LAST;
