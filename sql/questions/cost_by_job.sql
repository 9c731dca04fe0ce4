-- title: What each hybrid job cost, in all
-- question: What did a job cost: its instances, its volumes and its tasks?
-- read: cost_usd is empty while any part is not known; cost_status says which. Parts that are known stand by themselves.
-- chapter: What it cost, 50
SELECT
    j.job_name,
    j.job_arn,
    j.status,
    c.cost_usd,
    c.cost_status,
    c.instance_cost_usd,
    c.volume_cost_usd,
    c.task_cost_usd,
    c.n_tasks,
    c.n_unpriced_tasks,
    c.billed_seconds,
    j.instance_config_instance_type AS instance_type,
    c.price_source
FROM job_costs AS c
JOIN jobs AS j ON j.job_arn = c.job_arn
ORDER BY j.created_at DESC, j.job_arn
