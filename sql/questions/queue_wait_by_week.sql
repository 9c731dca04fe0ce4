-- title: How waits change from week to week
-- question: Is a device's queue getting longer?
-- read: one row a device and week. Weeks overlap if their confidence intervals do: then the change may be chance.
-- param quantile (default 0.5): 0.5, 0.75, 0.9, 0.95 or 0.99
-- chapter: How long it waits, 20
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    week_start,
    status,
    round(wait_seconds / 60, 1) AS wait_minutes,
    round(ci_lower_seconds / 60, 1) AS ci_low_minutes,
    round(ci_upper_seconds / 60, 1) AS ci_high_minutes,
    n,
    n_censored
FROM queue_wait_quantiles
WHERE scope = 'device_week' AND quantile = coalesce(getvariable('quantile')::DOUBLE, 0.5)
ORDER BY device, week_start
