-- Which device is the cheapest for 1,000 successful shots?
SELECT device_arn, cost_per_1000_shots_usd, hours_per_1000_shots, n_tasks
FROM device_tradeoff
ORDER BY cost_per_1000_shots_usd NULLS LAST;

-- Which device fails most?
SELECT device_arn, n_tasks, failure_rate, cancel_rate, cancelled_in_queue_rate
FROM device_tradeoff
ORDER BY failure_rate DESC;

-- How much of the turnaround is running?
SELECT device_arn, turnaround_hours, run_hours_lower, run_hours_upper
FROM device_tradeoff
ORDER BY turnaround_hours DESC;
