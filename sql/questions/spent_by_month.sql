-- title: Spent, month by month
-- question: How much did this UTC month and those before it cost, on how many tasks and jobs?
-- read: dollars at list price; committed is what open tasks will cost, accrued what is running had cost
--   when last seen. Where n_unknown is not 0, the month cost more than is shown. @cost_by_month_and_device says it by device.
-- param months (default 2): how many months, this one with them
-- chapter: What it cost, 8
WITH months AS (
    SELECT (date_trunc('month', timezone('UTC', now())) - to_months(i))::DATE AS month
    FROM range(coalesce(getvariable('months'), 2)::BIGINT) AS r(i)
)
SELECT
    m.month,
    coalesce(sum(d.cost_usd), 0) AS cost_usd,
    coalesce(sum(d.committed_usd), 0) AS committed_usd,
    coalesce(sum(d.accrued_usd), 0) AS accrued_usd,
    coalesce(sum(d.n_tasks), 0)::BIGINT AS n_tasks,
    coalesce(sum(d.n_jobs), 0)::BIGINT AS n_jobs,
    coalesce(sum(d.n_unknown), 0)::BIGINT AS n_unknown
FROM months AS m
LEFT JOIN (
    FROM daily_costs
    -- what is older is not priced at all
    WHERE charge_date >= (date_trunc('month', timezone('UTC', now())) - to_months(coalesce(getvariable('months'), 2)::INTEGER - 1))::DATE
) AS d ON date_trunc('month', d.charge_date) = m.month
GROUP BY m.month
ORDER BY m.month DESC
