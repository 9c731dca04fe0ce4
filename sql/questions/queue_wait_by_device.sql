-- title: How long tasks wait, by device
-- question: What is the median, the 90th and the 95th percentile of the wait, and how sure is that?
-- read: wait is the estimate, in minutes; with 90 % confidence it lies between ci_low and ci_high (NULL: the data do
--   not bound it). certain_low and certain_high hold whatever the method. n_censored tasks still wait or were
--   cancelled waiting: they are counted as having waited longer than seen, not dropped.
-- chapter: How long it waits, 10
SELECT
    device_arn,
    quantile,
    status,
    round(wait_seconds / 60, 1) AS wait_minutes,
    round(ci_lower_seconds / 60, 1) AS ci_low_minutes,
    round(ci_upper_seconds / 60, 1) AS ci_high_minutes,
    round(bound_lower_seconds / 60, 1) AS certain_low_minutes,
    round(bound_upper_seconds / 60, 1) AS certain_high_minutes,
    n,
    n_censored,
    n_bounds_only
FROM queue_wait_quantiles
WHERE scope = 'device'
ORDER BY device_arn, quantile
