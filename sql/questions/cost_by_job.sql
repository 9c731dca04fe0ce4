-- title: What each hybrid job cost, in all
-- question: What did a job cost: its instances, its volumes and its tasks?
-- read: the most expensive first, of those created in the period, with the tasks that they created. cost_usd is empty
--   while any part is not known; cost_status says which. Parts that are known stand by themselves.
-- limits: first, last, account, region, device, person, tag
-- param rows: how many to show; without it, all
-- columns: job_name, cost_usd, cost_status, instance_cost_usd, task_cost_usd, n_tasks
-- chapter: What it cost, 50
-- report: Spending, 60
-- with: rows=15
-- form: wide
-- empty: No job was created in the period.
SELECT
    j.job_name,
    c.cost_usd,
    j.device_name AS device,
    j.status,
    j.instance_config_instance_type AS instance_type,
    c.billed_seconds,
    c.instance_cost_usd,
    c.volume_cost_usd,
    c.task_cost_usd,
    c.n_tasks,
    c.n_unpriced_tasks,
    c.cost_status,
    c.price_source,
    j.job_arn
FROM job_costs AS c
JOIN jobs AS j ON j.job_arn = c.job_arn
WHERE (getvariable('first') IS NULL OR j.created_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR j.created_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), j.account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), j.region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), j.device_name))
    AND (getvariable('person') IS NULL OR j.created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(j.tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
ORDER BY coalesce(c.cost_usd, c.task_cost_usd) DESC NULLS LAST, j.job_arn
LIMIT getvariable('rows')::BIGINT
