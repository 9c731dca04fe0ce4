-- of: allocated_charges
-- severity: error
-- when: daily
-- means: For each owner key the shares of all owners sum up to the charges to the last digit; so does what runs and what
--   is committed.
-- do: do not believe statements and budgets, and open an issue with what was found.
WITH allocated AS (
    SELECT owner_key, sum(amount_usd) AS usd, sum(accrued_usd) AS accrued, sum(committed_usd) AS committed
    FROM allocated_charges
    GROUP BY owner_key
),
charged AS (
    SELECT sum(net_usd) AS usd, sum(accrued_usd) AS accrued, sum(committed_usd) AS committed
    FROM charge_sums
)
SELECT
    concat_ws(
        ' ', a.owner_key, a.usd, a.accrued, a.committed, 'charges', c.usd, c.accrued, c.committed
    ) AS found,
    1 AS records
FROM allocated AS a
CROSS JOIN charged AS c
WHERE coalesce(a.usd, 0) <> coalesce(c.usd, 0) OR coalesce(a.accrued, 0) <> coalesce(c.accrued, 0)
    OR coalesce(a.committed, 0) <> coalesce(c.committed, 0)
ORDER BY found
