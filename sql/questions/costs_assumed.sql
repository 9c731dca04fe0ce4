-- title: Costs at an assumed price
-- question: Which costs rest on a price that no source attests for their time, and what is known of it?
-- read: one row a record, meter and day. A seed price is evidenced from the first day to the last on which a public source
--   has it; before and after, and of simulators and instances, whose Region no source names, it is
--   assumed. evidence names the sources. A loaded price
--   list that covers the day takes its place. No rows: no cost rests on an assumed price.
-- limits: first, last, account, person, tag
-- chapter: What is not known, 16
SELECT
    c.charge_date,
    c.record_kind,
    c.record_arn,
    coalesce(c.instance_type, c.device_name) AS thing,
    c.meter,
    c.quantity,
    p.price_usd,
    p.unit,
    c.cost_usd,
    p.price_source,
    s.description AS evidence
FROM charges AS c
JOIN price_periods AS p
    ON p.product_family = c.product_family AND p.item = coalesce(c.instance_type, c.device_key, '') AND p.region = c.region
    AND c.charged_at >= p.valid_from AND c.charged_at < p.valid_to
JOIN prices AS s ON s.is_seed AND s.sku = p.sku AND s.effective_from = p.price_effective_from
WHERE c.cost_usd > 0 AND c.price_source LIKE '%assumed%' AND p.price_source LIKE '%assumed%'
    AND (getvariable('first') IS NULL OR c.charge_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR c.charge_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), c.account_id))
    AND (getvariable('person') IS NULL OR c.created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(c.tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
ORDER BY c.charge_date DESC, c.record_arn, c.meter
