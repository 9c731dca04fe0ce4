-- title: How prices changed
-- question: Which prices went up or down, when, and by how much?
-- read: one row a change that the loaded price lists show; the seed, which attests single dates, is left out. Load
--   older lists with `braket-etl prices import` to see further back. No rows: no loaded price has changed.
-- chapter: What it will cost, 60
WITH spans AS (
    SELECT
        product_family,
        item,
        region,
        unit,
        valid_from,
        price_usd,
        lag(price_usd) OVER (PARTITION BY product_family, item, region ORDER BY valid_from) AS before_usd
    FROM price_periods
    WHERE NOT is_seed
)
SELECT
    product_family,
    item,
    unit,
    valid_from,
    before_usd,
    price_usd AS after_usd,
    round((price_usd - before_usd) / nullif(before_usd, 0), 4) AS change,
    string_agg(region, ', ' ORDER BY region) AS regions
FROM spans
WHERE price_usd <> before_usd
GROUP BY product_family, item, unit, valid_from, before_usd, price_usd
ORDER BY valid_from DESC, product_family, item, regions
