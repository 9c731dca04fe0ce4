-- How much of each limit is left?
SELECT device_name, spending_limit, total_spend, queued_spend, spending_limit - total_spend - queued_spend AS left_usd
FROM spending_limits
ORDER BY left_usd;

-- Which limits end soon?
SELECT device_name, spending_limit, time_period_end_at
FROM spending_limits
WHERE time_period_end_at IS NOT NULL
ORDER BY time_period_end_at;

-- Which devices that we used have no limit?
SELECT t.account_id, t.device_arn, count(*) AS tasks
FROM quantum_tasks AS t
ANTI JOIN spending_limits AS l ON l.device_arn = t.device_arn AND l.account_id = t.account_id
WHERE t.device_type = 'QPU'
GROUP BY t.account_id, t.device_arn
ORDER BY tasks DESC;
