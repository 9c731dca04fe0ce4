-- title: Spent in the period
-- question: How much was spent, on how many tasks and jobs?
-- read: estimates at list price, on the UTC day a task ended or a job ran; credits, taxes, free tier are not known.
-- limits: first, last, account, region, device, person, tag
-- chapter: What it cost, 5
-- report: At a glance, 10
-- form: figures
SELECT
    coalesce(sum(cost_usd), 0) AS cost_usd,
    coalesce(sum(net_usd), 0) AS after_discounts_usd,
    coalesce(sum(n_records) FILTER (record_kind = 'task' AND cost_status <> 'pending'), 0)::BIGINT AS n_tasks_ended,
    coalesce(sum(n_records) FILTER (record_kind = 'job' AND cost_status <> 'pending'), 0)::BIGINT AS n_jobs_ended,
    count(DISTINCT unknown_arn) AS n_without_a_known_cost
FROM charge_sums
WHERE (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
