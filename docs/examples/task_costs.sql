-- What did all tasks cost, by device?
SELECT t.device_name, sum(c.cost_usd) AS cost_usd, sum(c.committed_usd) AS committed_usd, count(*) AS tasks
FROM task_costs AS c
JOIN quantum_tasks AS t ON t.quantum_task_arn = c.quantum_task_arn
GROUP BY t.device_name
ORDER BY cost_usd DESC NULLS LAST;

-- For how many tasks is the cost not known, and why?
SELECT cost_status, count(*) AS tasks, sum(cost_usd_lower) AS at_least, sum(cost_usd_upper) AS at_most
FROM task_costs
WHERE cost_usd IS NULL
GROUP BY cost_status
ORDER BY tasks DESC;

-- By which rules were tasks priced?
SELECT cost_rule, price_source, count(*) AS tasks, sum(cost_usd) AS cost_usd
FROM task_costs
GROUP BY cost_rule, price_source
ORDER BY tasks DESC;
