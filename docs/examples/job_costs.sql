-- Which jobs were the most expensive?
SELECT j.job_name, c.cost_usd, c.instance_cost_usd, c.volume_cost_usd, c.task_cost_usd
FROM job_costs AS c
JOIN jobs AS j ON j.job_arn = c.job_arn
ORDER BY c.cost_usd DESC NULLS LAST
LIMIT 20;

-- Which unit was inferred for the billable duration, and where does it not fit?
SELECT duration_unit, is_duration_plausible, count(*) AS jobs
FROM job_costs
GROUP BY duration_unit, is_duration_plausible;

-- How much of what jobs cost is their tasks?
SELECT cost_status, count(*) AS jobs, sum(task_cost_usd) AS task_cost_usd, sum(cost_usd) AS cost_usd
FROM job_costs
GROUP BY cost_status
ORDER BY jobs DESC;
