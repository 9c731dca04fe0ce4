-- How long does half of the tasks wait at most, by device?
SELECT device_arn, status, wait_seconds, ci_lower_seconds, ci_upper_seconds, n
FROM queue_wait_quantiles
WHERE scope = 'device' AND quantile = 0.5
ORDER BY wait_seconds NULLS LAST;

-- For which devices is there not enough to say?
SELECT device_arn, n, n_censored, n_bounds_only
FROM queue_wait_quantiles
WHERE scope = 'device' AND quantile = 0.5 AND status <> 'ok'
ORDER BY n DESC;

-- Did the wait of a device change from one week to the next? Intervals that do not overlap say so.
SELECT
    device_arn, week_start, wait_seconds,
    ci_lower_seconds > lag(ci_upper_seconds) OVER by_week AS is_longer,
    ci_upper_seconds < lag(ci_lower_seconds) OVER by_week AS is_shorter
FROM queue_wait_quantiles
WHERE scope = 'device_week' AND quantile = 0.5
WINDOW by_week AS (PARTITION BY device_arn ORDER BY week_start)
ORDER BY device_arn, week_start;
