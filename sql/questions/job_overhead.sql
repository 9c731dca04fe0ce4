-- title: Instances beside quantum tasks
-- question: Of what hybrid jobs cost, how much is the classical instance and how much the quantum tasks?
-- read: by the device that a job has priority on and its instance type, over jobs whose whole cost is known; n_unknown
--   more are not. A high instance_share: the instance waits for the device, or is larger than it needs to be.
-- chapter: Where money can be saved, 50
SELECT
    j.device_name AS device,
    j.instance_config_instance_type AS instance_type,
    count(c.cost_usd) AS jobs,
    sum(c.cost_usd) AS cost_usd,
    sum(c.instance_cost_usd) FILTER (c.cost_usd IS NOT NULL) AS instance_cost_usd,
    sum(c.volume_cost_usd) FILTER (c.cost_usd IS NOT NULL) AS volume_cost_usd,
    sum(c.task_cost_usd) FILTER (c.cost_usd IS NOT NULL) AS task_cost_usd,
    round(sum(c.instance_cost_usd) FILTER (c.cost_usd IS NOT NULL) / nullif(sum(c.cost_usd), 0), 3) AS instance_share,
    count(*) FILTER (c.cost_usd IS NULL) AS n_unknown
FROM jobs AS j
JOIN job_costs AS c ON c.job_arn = j.job_arn
WHERE j.is_terminal
GROUP BY device, instance_type
ORDER BY cost_usd DESC NULLS LAST, device, instance_type
