-- What was spent on each day?
SELECT charge_date, sum(cost_usd) AS cost_usd, sum(n_unknown)::BIGINT AS unknown
FROM daily_costs
GROUP BY charge_date
ORDER BY charge_date DESC;

-- What did each account spend this month? This month: that of the newest day.
SELECT account_id, sum(cost_usd) AS cost_usd, sum(net_usd) AS net_usd
FROM daily_costs
WHERE charge_date >= (SELECT date_trunc('month', max(charge_date)) FROM daily_costs)
GROUP BY account_id
ORDER BY cost_usd DESC;

-- What is committed by open tasks?
SELECT device_name, sum(committed_usd) AS committed_usd, sum(n_open)::BIGINT AS open
FROM daily_costs
GROUP BY device_name
HAVING sum(n_open) > 0
ORDER BY committed_usd DESC;
