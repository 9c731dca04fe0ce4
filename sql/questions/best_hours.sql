-- title: When to send a task
-- question: At which hour of the week did tasks wait least?
-- read: bounds on the median wait of tasks sent in that hour (UTC); hours with fewer than 5 tasks are left out.
--   open_share is the part of the hour inside the device's execution windows. @wait_heatmap is a week of the busiest
--   QPUs, of a period of your own.
-- param device (default all, of @choices): name of one device, or all
-- chapter: How long it waits, 50
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    weekday,
    hour_utc,
    n,
    round(p50_wait_seconds_lower / 60, 1) AS p50_low_minutes,
    round(p50_wait_seconds_upper / 60, 1) AS p50_high_minutes,
    open_share
FROM queue_heatmap
WHERE p50_wait_seconds_lower IS NOT NULL
    AND coalesce(getvariable('device'), 'all') IN ('all', string_split(device_arn, '/')[-1])
ORDER BY device, p50_wait_seconds_upper NULLS LAST, weekday, hour_utc
