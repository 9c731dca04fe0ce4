-- What does a task and a shot on each QPU cost, by the newest price?
SELECT device_name, product_family, price_usd, unit, effective_from, source
FROM prices
WHERE product_family IN ('Quantum Task', 'Quantum Task-Shot')
QUALIFY row_number() OVER (PARTITION BY device_key, product_family, region ORDER BY published_at DESC, effective_from DESC) = 1
ORDER BY device_name, product_family;

-- Which publications of the price list are loaded?
SELECT published_at, is_seed, count(*) AS prices, any_value(loaded_from) AS loaded_from
FROM prices
GROUP BY published_at, is_seed
ORDER BY published_at DESC;

-- What does an hour of each instance type cost?
SELECT instance_type, region, price_usd, unit, effective_from
FROM prices
WHERE product_family = 'Braket Managed Jobs Instance' AND is_used
ORDER BY instance_type, region, effective_from DESC;
