-- title: How long hybrid jobs wait
-- question: From creation to start, how long do jobs wait, and how much of it is start-up?
-- read: medians in minutes over jobs that started; jobs that still wait or were cancelled waiting are in n_censored
--   only, so where there are many of them the wait is understated.
SELECT
    device_arn,
    count(*) AS n,
    count(*) FILTER (is_censored) AS n_censored,
    round(median(wait_seconds_upper) / 60, 1) AS p50_wait_minutes,
    round(quantile_cont(wait_seconds_upper, 0.9) / 60, 1) AS p90_wait_minutes,
    round(median(queue_seconds) FILTER (NOT is_censored) / 60, 1) AS p50_queue_minutes,
    round(median(startup_seconds) FILTER (NOT is_censored) / 60, 1) AS p50_startup_minutes
FROM job_latency
WHERE NOT is_reservation
GROUP BY device_arn
ORDER BY device_arn
