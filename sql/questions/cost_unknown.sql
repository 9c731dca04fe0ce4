-- title: Without a known cost
-- question: Which ended tasks, jobs and reservations of a period are in no total, and why?
-- read: why is no_price where no price list covers it, no_duration where the run time is not known. Each record counts
--   once; @prices_missing names the prices, @cost_not_known counts by what is paid for, with what is open.
-- limits: first, last, account, region, device, person, tag
-- chapter: What is not known, 5
-- report: What these numbers leave out, 10
-- empty: Every ended task, job and reservation of the period has a cost.
SELECT
    cost_status AS why,
    record_kind AS kind,
    coalesce(device_name, '(no device)') AS device,
    count(DISTINCT record_arn) AS n_records,
    min(charge_date) AS first_day,
    max(charge_date) AS last_day
FROM charges
WHERE cost_status IN ('no_price', 'no_duration')
    AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY ALL
ORDER BY n_records DESC, why, kind, device
LIMIT 15
