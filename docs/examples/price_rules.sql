-- What is paid for a task on each type of device?
SELECT device_type, is_in_job, meter, product_family, unit, least_ms
FROM price_rules
WHERE device_type IS NOT NULL
ORDER BY device_type, is_in_job, product_family;

-- Which families of the loaded price lists does no rule use?
SELECT DISTINCT p.product_family
FROM prices AS p
ANTI JOIN price_rules AS r ON r.product_family = p.product_family
ORDER BY p.product_family;

-- How many prices stand in each family?
SELECT r.kind, r.meter, r.product_family, count(p.sku) AS prices
FROM price_rules AS r
LEFT JOIN prices AS p ON p.product_family = r.product_family
GROUP BY r.kind, r.meter, r.product_family
ORDER BY r.product_family;
