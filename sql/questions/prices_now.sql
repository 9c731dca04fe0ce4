-- title: Prices that count now
-- question: What does each device charge at this moment, and where does the price come from?
-- read: list prices by thing and unit; the Regions in which it is that. price_source says the publication or the seed.
--   A price that is empty is contradicted by the list itself and is not used.
-- chapter: What it will cost, 50
SELECT
    product_family,
    item,
    price_usd,
    unit,
    string_agg(region, ', ' ORDER BY region) AS regions,
    price_effective_from,
    price_source
FROM price_periods
WHERE valid_from <= now() AND valid_to > now()
GROUP BY product_family, item, price_usd, unit, price_effective_from, price_source
ORDER BY product_family, item, price_usd, regions
