-- title: Prices that are missing
-- question: What was used that has no price, in which product family, and why?
-- read: one row a device or instance type, Region and product family by which something would be paid; records are those
--   that have no cost for it, or one by the seed although price lists are loaded. Unknown prices are never 0.
--   `braket-etl prices refresh` loads what AWS publishes now, `braket-etl prices import` an older list; doctor names the
--   same. No rows: all that was used has a price.
-- chapter: What is not known, 12
WITH used AS (
    SELECT
        c.product_family,
        CASE r.item WHEN 'device' THEN c.device_key WHEN 'instance_type' THEN c.instance_type ELSE '' END AS item,
        CASE r.item WHEN 'device' THEN c.device_name WHEN 'instance_type' THEN c.instance_type ELSE 'volumes' END AS thing,
        c.region,
        c.charged_at,
        c.charge_date,
        c.record_arn
    FROM charges AS c
    JOIN price_rules AS r ON r.product_family = c.product_family
    WHERE c.cost_status IN ('no_price', 'no_duration', 'pending') OR c.price_source LIKE '%seed%'
),
loaded AS (
    SELECT min(effective_from) AS since FROM prices WHERE is_used AND NOT is_seed
),
unpriced AS (
    SELECT u.*, p.is_contradictory, p.price_usd IS NOT NULL AS is_by_seed
    FROM used AS u
    CROSS JOIN loaded AS l
    LEFT JOIN price_periods AS p
        ON p.product_family = u.product_family AND p.item = u.item AND p.region = u.region
        AND u.charged_at >= p.valid_from AND u.charged_at < p.valid_to
    WHERE p.price_usd IS NULL OR (p.is_seed AND u.charged_at >= l.since)
),
known AS (
    SELECT product_family, item, list_sort(list(DISTINCT region)) AS regions, min(valid_from)::DATE AS first_day
    FROM price_periods
    GROUP BY product_family, item
)
SELECT
    u.thing,
    u.product_family,
    u.region,
    CASE
        WHEN u.is_by_seed THEN 'the loaded price lists lack it: the seed has one, and that is taken'
        WHEN u.is_contradictory THEN 'the price list gives two prices'
        WHEN k.item IS NULL THEN 'no loaded price list has it, and the seed knows no public source of its price'
        WHEN NOT list_contains(k.regions, u.region) THEN 'its price is known elsewhere only: ' || array_to_string(k.regions, ', ')
        ELSE 'its first known price holds from ' || k.first_day
    END AS why,
    count(DISTINCT u.record_arn) AS n_records,
    min(u.charge_date) AS first_day,
    max(u.charge_date) AS last_day
FROM unpriced AS u
LEFT JOIN known AS k ON k.product_family = u.product_family AND k.item = u.item
GROUP BY ALL
ORDER BY n_records DESC, u.thing, u.product_family, u.region, why
