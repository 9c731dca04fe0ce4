-- title: Spending by device
-- question: How much went to which device, and for which part of its use?
-- read: what is paid for on each device. Jobs on an embedded simulator stand under its name. Where unknown is not 0, the
--   device cost more than is shown. @cost_by_month_and_device says it month by month.
-- limits: first, last, account, region, device, person, tag
-- columns: device, cost_usd, n_tasks, n_jobs, tasks_and_shots_usd, run_time_usd, job_instances_usd
-- chapter: What it cost, 14
-- report: Spending, 20
-- chart: cost_by_device
-- empty: No task, job or reservation was charged in the period.
SELECT
    coalesce(device_name, '(no device)') AS device,
    coalesce(sum(cost_usd), 0) AS cost_usd,
    coalesce(sum(cost_usd) FILTER (meter IN ('task', 'shot')), 0) AS tasks_and_shots_usd,
    coalesce(sum(cost_usd) FILTER (meter = 'run_time'), 0) AS run_time_usd,
    coalesce(sum(cost_usd) FILTER (meter IN ('instance', 'volume')), 0) AS job_instances_usd,
    coalesce(sum(cost_usd) FILTER (meter = 'reservation'), 0) AS reservations_usd,
    coalesce(sum(n_records) FILTER (record_kind = 'task'), 0)::BIGINT AS n_tasks,
    coalesce(sum(n_records) FILTER (record_kind = 'job'), 0)::BIGINT AS n_jobs,
    count(DISTINCT unknown_arn) AS n_unknown
FROM charge_sums
WHERE (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY device
ORDER BY cost_usd DESC, device
