-- How long did each job wait, and what for?
SELECT job_arn, wait_seconds_lower, queue_seconds, startup_seconds, run_seconds, end_kind
FROM job_latency
ORDER BY created_at DESC;

-- Which jobs wait now?
SELECT job_arn, device_arn, created_at, wait_seconds_lower
FROM job_latency
WHERE is_censored AND end_kind IS NULL
ORDER BY wait_seconds_lower DESC;

-- How much of their run time did jobs spend without priority?
SELECT device_arn, sum(deprioritized_seconds) / nullif(sum(run_seconds), 0) AS share
FROM job_latency
GROUP BY device_arn
ORDER BY share DESC NULLS LAST;
