-- of: tag_costs
-- severity: error
-- means: The values of each tag, with what is untagged, sum up to the charges to the last digit.
-- do: do not believe sums by tag, and open an issue with what was found.
WITH tagged AS (
    SELECT tag_key, sum(cost_usd) AS usd, sum(committed_usd) AS committed, sum(accrued_usd) AS accrued
    FROM tag_costs
    GROUP BY tag_key
),
charged AS (
    SELECT coalesce(sum(cost_usd), 0) AS usd, coalesce(sum(committed_usd), 0) AS committed,
        coalesce(sum(accrued_usd), 0) AS accrued
    FROM charge_sums
)
SELECT
    concat_ws(' ', t.tag_key, t.usd, t.committed, t.accrued, 'charges', c.usd, c.committed, c.accrued) AS found,
    1 AS records
FROM tagged AS t
CROSS JOIN charged AS c
WHERE t.usd <> c.usd OR t.committed <> c.committed OR t.accrued <> c.accrued
ORDER BY found
