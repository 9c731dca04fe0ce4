-- Which price holds now?
SELECT product_family, item, region, price_usd, unit, price_source
FROM price_periods
WHERE valid_from <= now() AND now() < valid_to
ORDER BY product_family, item, region;

-- Which prices changed, and when?
SELECT product_family, item, region, valid_from, price_usd
FROM price_periods
QUALIFY count(*) OVER (PARTITION BY product_family, item, region) > 1
ORDER BY product_family, item, region, valid_from;

-- Where does a publication contradict itself?
SELECT product_family, item, region, valid_from, published_at
FROM price_periods
WHERE is_contradictory;
