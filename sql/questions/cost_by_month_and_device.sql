-- title: Spending by month and device
-- question: How much went to which device, month by month?
-- read: dollars at list price by the UTC day on which tasks ended and jobs ran; net_usd is less agreed discounts. Where
--   n_unknown is not 0, the month cost more than is shown. @cost_by_device says it of a period, by what is paid for.
-- chapter: What it cost, 10
SELECT
    date_trunc('month', charge_date)::DATE AS month,
    coalesce(device_name, '(no device)') AS device,
    sum(cost_usd) AS cost_usd,
    sum(net_usd) AS net_usd,
    sum(committed_usd) AS committed_usd,
    sum(n_tasks)::BIGINT AS tasks,
    sum(n_jobs)::BIGINT AS jobs,
    sum(n_unknown)::BIGINT AS n_unknown
FROM daily_costs
GROUP BY month, device
ORDER BY month DESC, cost_usd DESC, device
