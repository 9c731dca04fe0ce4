-- of: charge_sums
-- severity: error
-- when: daily
-- means: The sums of charges, which a file keeps by day of creation, are those of the charges, to the last digit, and of as
--   many of them. Days, tags and shares are held against these sums.
-- do: open an issue with what was found; until then believe task_costs and job_costs, and no sum of costs.
WITH summed AS (
    SELECT record_kind, sum(cost_usd) AS usd, sum(net_usd) AS net, sum(committed_usd) AS committed,
        sum(accrued_usd) AS accrued, sum(n_charges) AS n
    FROM charge_sums
    GROUP BY record_kind
),
charged AS (
    SELECT record_kind, sum(cost_usd) AS usd, sum(net_usd) AS net, sum(committed_usd) AS committed,
        sum(accrued_usd) AS accrued, count(*) AS n
    FROM charges
    GROUP BY record_kind
)
SELECT
    concat_ws(
        ' ', coalesce(s.record_kind, c.record_kind), 'summed', s.usd, s.net, s.committed, s.accrued, 'charged', c.usd, c.net,
        c.committed, c.accrued
    ) AS found,
    greatest(abs(coalesce(s.n, 0) - coalesce(c.n, 0)), 1)::BIGINT AS records
FROM summed AS s
FULL JOIN charged AS c ON c.record_kind = s.record_kind
WHERE (s.usd, s.net, s.committed, s.accrued, s.n) IS DISTINCT FROM (c.usd, c.net, c.committed, c.accrued, c.n)
ORDER BY found
