-- title: What is paid for
-- question: How much goes to fees of tasks, to shots, to run time, to instances and to reservations?
-- read: the parts of the bill: fees of tasks, shots, simulators by run time, instances and volumes of jobs.
-- limits: first, last, account, region, device, person, tag
-- chapter: What it cost, 35
-- report: Spending, 40
-- chart: cost_by_meter
-- empty: Nothing was spent in the period, as far as costs are known.
SELECT
    meter,
    unit,
    sum(cost_usd) AS cost_usd,
    sum(quantity) AS quantity,
    -- of a meter a task has one row, others one a day
    count(*) FILTER (record_kind = 'task') + count(DISTINCT record_arn) FILTER (record_kind <> 'task') AS n_records
FROM charges
WHERE cost_usd > 0
    AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY meter, unit
ORDER BY cost_usd DESC, meter
