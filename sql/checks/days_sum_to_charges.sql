-- of: daily_costs
-- severity: error
-- means: The days sum up, to the last digit, to the charges, and the parts of each day to its cost.
-- do: do not believe sums by day, and open an issue with what was found.
WITH days AS MATERIALIZED (SELECT * FROM daily_costs),
summed AS (
    SELECT coalesce(sum(cost_usd), 0) AS usd, coalesce(sum(net_usd), 0) AS net,
        coalesce(sum(committed_usd), 0) AS committed, coalesce(sum(accrued_usd), 0) AS accrued
    FROM days
),
charged AS (
    SELECT coalesce(sum(cost_usd), 0) AS usd, coalesce(sum(net_usd), 0) AS net,
        coalesce(sum(committed_usd), 0) AS committed, coalesce(sum(accrued_usd), 0) AS accrued
    FROM charge_sums
)
SELECT
    concat_ws(' ', 'days', d.usd, d.net, d.committed, d.accrued, 'charges', c.usd, c.net, c.committed, c.accrued) AS found,
    1 AS records
FROM summed AS d
CROSS JOIN charged AS c
WHERE d.usd <> c.usd OR d.net <> c.net OR d.committed <> c.committed OR d.accrued <> c.accrued
UNION ALL
SELECT concat_ws(' ', charge_date, account_id, region, device_name, cost_usd), 1
FROM days
WHERE cost_usd <> net_usd + discount_usd
    OR cost_usd <> task_fee_usd + shot_fee_usd + run_fee_usd + instance_cost_usd + volume_cost_usd + reservation_cost_usd
ORDER BY found
