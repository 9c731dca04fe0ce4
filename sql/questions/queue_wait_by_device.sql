-- title: How long tasks wait, estimated
-- question: What is the median, the 90th and the 95th percentile of the wait, and how sure is that?
-- read: wait is the estimate; with 90 % confidence it lies between ci_low and ci_high (empty: the data do not bound it).
--   certain_low and certain_high hold the quantile of these tasks whatever the method; where status is not_informative they
--   are the answer (the queue is faster than anybody looked, or than run times are known), and ci_low and ci_high, made of
--   such bounds alone, hold the queue's. rests_on says what the estimate is made
--   of: starts that events told, polls, or turnaround less run time. n_censored tasks still wait or were cancelled
--   waiting: they are counted as having waited longer than seen. n_effective: so many independent tasks tell as much,
--   as those that are sent together wait alike. Below 20 tasks there is no estimate, and none of a quantile that fewer than
--   five batches lie above.
-- limits: device
-- columns: device, quantile, wait_seconds, ci_low_seconds, ci_high_seconds, status, n
-- chapter: How long it waits, 10
-- report: Waits, 30
-- chart: wait_estimates
-- empty: No estimate was computed yet.
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    quantile,
    status,
    wait_seconds,
    ci_lower_seconds AS ci_low_seconds,
    ci_upper_seconds AS ci_high_seconds,
    bound_lower_seconds AS certain_low_seconds,
    bound_upper_seconds AS certain_high_seconds,
    n,
    round(n_effective) AS n_effective,
    n_censored,
    n_bounds_only,
    nullif(concat_ws(
        ', ',
        CASE WHEN share_event > 0 THEN format('events {:.0f} %', 100 * share_event) END,
        CASE WHEN share_polls > 0 THEN format('polls {:.0f} %', 100 * share_polls) END,
        CASE WHEN share_turnaround > 0 THEN format('turnarounds {:.0f} %', 100 * share_turnaround) END
    ), '') AS rests_on
FROM queue_wait_quantiles
WHERE scope = 'device'
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), regexp_extract(device_arn, '[^/]*$')))
ORDER BY max(wait_seconds) FILTER (quantile <= 0.9) OVER (PARTITION BY device_arn) DESC NULLS LAST, device_arn, quantile
