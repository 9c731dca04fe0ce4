-- title: Open now
-- question: How many tasks and jobs have not ended, and what will they cost?
-- read: what had not ended when the newest answer came, and what it will cost if all its shots succeed; coming
--   reservations are included. accrued: what is running had cost when last seen. @open_by_device and @open_by_tag list it.
-- limits: account, region, device, person, tag
-- only: open
-- chapter: What it will cost, 25
-- report: At a glance, 20
-- form: figures
SELECT
    coalesce(sum(committed_usd), 0) AS committed_usd,
    coalesce(sum(accrued_usd), 0) AS accrued_usd,
    count(*) FILTER (is_record AND record_kind = 'task') AS n_open_tasks,
    count(*) FILTER (is_record AND record_kind = 'job') AS n_open_jobs
FROM charges
-- by the cost's status alone, what has ended would be priced first
WHERE cost_status = 'pending' AND coalesce(status, '') NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
