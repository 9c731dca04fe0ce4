-- title: Slowdown by device
-- question: How much longer does a task take than it runs?
-- read: slowdown is turnaround by run time, bounded slowdown takes run times under 10 seconds as 10 seconds and is at
--   least 1. As run times are intervals, medians are too: they lie between low and high.
-- chapter: How long it waits, 110
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    count(bounded_slowdown_lower) AS n,
    round(quantile_disc(slowdown_lower, 0.5), 1) AS p50_slowdown_low,
    CASE WHEN count(*) FILTER (slowdown_lower IS NOT NULL AND slowdown_upper IS NULL) * 2 < count(slowdown_lower)
        THEN round(quantile_disc(coalesce(slowdown_upper, 1e300), 0.5) FILTER (slowdown_lower IS NOT NULL), 1)
    END AS p50_slowdown_high,
    round(quantile_disc(bounded_slowdown_lower, 0.5), 1) AS p50_bounded_low,
    round(quantile_disc(bounded_slowdown_upper, 0.5), 1) AS p50_bounded_high,
    round(quantile_disc(bounded_slowdown_upper, 0.95), 1) AS p95_bounded_high
FROM task_wait_parts
WHERE is_counted
GROUP BY device_arn
ORDER BY device
