-- title: How many give up waiting
-- question: What share of tasks was cancelled in the queue by the time half, nine tenths, … of them start?
-- read: cancelled_share is a cumulative incidence (Aalen-Johansen): starting and being cancelled compete, and tasks
--   that still wait count as long as they were watched.
-- chapter: How long it waits, 100
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    quantile,
    round(wait_seconds / 60, 1) AS wait_minutes,
    round(cancelled_in_queue_share, 4) AS cancelled_share,
    n
FROM queue_wait_quantiles
WHERE scope = 'device' AND status = 'ok'
ORDER BY device, quantile
