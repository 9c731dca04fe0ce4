-- What was spent in each month, in the words of FOCUS?
SELECT BillingPeriodStart, ServiceName, sum(EffectiveCost) AS cost
FROM focus_costs
GROUP BY BillingPeriodStart, ServiceName
ORDER BY BillingPeriodStart DESC;

-- Which resources cost most?
SELECT ResourceType, ResourceName, sum(EffectiveCost) AS cost
FROM focus_costs
GROUP BY ResourceType, ResourceName
ORDER BY cost DESC
LIMIT 20;

-- What was consumed, by unit?
SELECT x_BraketProductFamily, ConsumedUnit, sum(ConsumedQuantity) AS quantity, sum(BilledCost) AS cost
FROM focus_costs
GROUP BY x_BraketProductFamily, ConsumedUnit
ORDER BY cost DESC;
