-- title: What simulators take besides computing
-- question: How much of a simulator task's time is neither execution nor its own doing?
-- read: wait_and_overhead is turnaround less execution; the least of it on a device is what even an idle device takes
--   (overhead), so what is above that is queueing.
-- chapter: How long it waits, 120
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    count(*) AS n,
    round(any_value(overhead_seconds), 2) AS overhead_seconds,
    round(median(wait_and_overhead_seconds), 2) AS p50_wait_and_overhead_seconds,
    round(quantile_cont(wait_and_overhead_seconds, 0.95), 2) AS p95_wait_and_overhead_seconds
FROM task_latency
WHERE wait_and_overhead_seconds IS NOT NULL
GROUP BY device_arn
ORDER BY device
