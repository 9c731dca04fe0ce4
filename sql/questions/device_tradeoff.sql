-- title: Dollars and hours by device
-- question: What do 1,000 successful shots cost on each device, in money and in time?
-- read: list prices; hours are turnaround, queue included, for tasks sent one after the other. Failed and cancelled
--   tasks cost nothing but their time, which is in the hours.
-- chapter: Where money can be saved, 20
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    n_tasks,
    round(failure_rate, 3) AS failure_rate,
    round(cancel_rate, 3) AS cancel_rate,
    successful_shots,
    cost_per_1000_shots_usd,
    round(hours_per_1000_shots, 3) AS hours_per_1000_shots,
    n_unpriced
FROM device_tradeoff
ORDER BY cost_per_1000_shots_usd NULLS LAST, device
