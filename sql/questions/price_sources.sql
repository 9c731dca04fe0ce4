-- title: Where the prices come from
-- question: Which price lists are the costs made of?
-- read: a seed is what came with this version: (evidenced) where a dated public source has the price at that time,
--   (assumed) where none has; @costs_assumed lists these costs, with the sources.
-- limits: first, last, account, region, device, person, tag
-- chapter: What is not known, 15
-- report: What these numbers leave out, 20
-- empty: Nothing was priced.
SELECT
    price_source,
    sum(cost_usd) AS cost_usd,
    count(*) FILTER (is_record AND record_kind = 'task')
    + count(DISTINCT record_arn) FILTER (record_kind <> 'task') AS n_records
FROM charges
WHERE cost_usd > 0
    AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY price_source
ORDER BY cost_usd DESC, price_source
LIMIT 15
