-- title: How long queues are
-- question: How many tasks of all customers wait at a device, by hour, and how fast does the queue ahead of ours shrink?
-- read: depth is the mean over the polls of the hour; a capped number counts as what it is at least. drained is the
--   median over our own tasks' positions, an hour.
-- param device (default all): name of one device, or all
-- chapter: How long it waits, 70
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    queue,
    date_trunc('hour', observed_at AT TIME ZONE 'UTC') AS hour_utc,
    round(avg(ahead) FILTER (kind = 'device_depth'), 1) AS mean_depth,
    round(median(drained_per_hour) FILTER (kind = 'task_position'), 1) AS drained_per_hour
FROM queue_depth
WHERE coalesce(getvariable('device'), 'all') IN ('all', string_split(device_arn, '/')[-1])
GROUP BY ALL
ORDER BY device, queue, hour_utc
