-- title: Spending by account and Region
-- question: Which account spent how much, where, month by month?
-- read: dollars at list price by the UTC month in which tasks ended and jobs ran. Where n_unknown is not 0, it was more.
-- chapter: What it cost, 20
SELECT
    date_trunc('month', charge_date)::DATE AS month,
    account_id,
    region,
    sum(cost_usd) AS cost_usd,
    sum(committed_usd) AS committed_usd,
    sum(n_tasks)::BIGINT AS tasks,
    sum(n_jobs)::BIGINT AS jobs,
    sum(n_unknown)::BIGINT AS n_unknown
FROM daily_costs
GROUP BY month, account_id, region
ORDER BY month DESC, cost_usd DESC, account_id, region
