-- What is paid for, by meter?
SELECT product_family, meter, unit, sum(quantity) AS quantity, sum(cost_usd) AS cost_usd
FROM charges
GROUP BY product_family, meter, unit
ORDER BY cost_usd DESC NULLS LAST;

-- What does one job cost, line by line, its tasks included? Here: the most expensive one.
SELECT record_kind, record_arn, meter, quantity, unit, cost_status, cost_usd
FROM charges
WHERE job_arn = (SELECT job_arn FROM job_costs ORDER BY cost_usd DESC NULLS LAST LIMIT 1)
ORDER BY record_kind, cost_usd DESC NULLS LAST;

-- How much do discounts take off?
SELECT product_family, any_value(discount_rate) AS rate, sum(discount_usd) AS discount_usd, sum(net_usd) AS net_usd
FROM charges
WHERE discount_usd > 0
GROUP BY product_family;
