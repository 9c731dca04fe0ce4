-- On which days was far more spent than as a rule?
SELECT charge_date, scope, name, spent_usd, expected_usd, most_usd
FROM spend_anomalies
ORDER BY charge_date DESC, spent_usd DESC;

-- How many days stood out in each month?
SELECT date_trunc('month', charge_date) AS month, count(DISTINCT charge_date) AS days
FROM spend_anomalies
GROUP BY month
ORDER BY month;

-- On which device do days stand out, and by how much in all?
SELECT name AS device, count(*) AS days, sum(spent_usd - expected_usd::DECIMAL(38, 12)) AS above_usd
FROM spend_anomalies
WHERE scope = 'device'
GROUP BY name
ORDER BY above_usd DESC;
