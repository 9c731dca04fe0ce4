-- title: Rows of price lists that are not used
-- question: Which rows of the loaded price lists count for nothing, and why?
-- read: AWS publishes rows that lack a product family, a device or a Region, and families that are not Braket's usage. They
--   are kept as they came; no cost rests on them. What lacks even a price or a date is only told when the list is loaded. No rows: all of the
--   loaded lists counts.
-- chapter: What is not known, 18
SELECT
    published_at::DATE AS published,
    sku,
    product_family,
    coalesce(device_name, instance_type, usage_type) AS thing,
    region,
    price_usd,
    unit,
    why_not_used
FROM prices
WHERE NOT is_used
ORDER BY published_at DESC, product_family, sku, rate_code, effective_from
