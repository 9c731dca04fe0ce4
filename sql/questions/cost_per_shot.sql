-- title: What a shot costs, fees included
-- question: What did 1,000 shots cost on each device, month by month?
-- read: fees for tasks are included: many small tasks make a shot more expensive. Only tasks with a known cost that was paid
--   by the shot count; n_unknown ended in that month without one, and reservations and simulators are not in here.
-- chapter: What it cost, 80
SELECT
    date_trunc('month', c.charged_at AT TIME ZONE 'UTC')::DATE AS month,
    t.device_name AS device,
    count(*) FILTER (c.cost_status = 'priced') AS tasks,
    sum(c.billed_shots) FILTER (c.cost_status = 'priced')::BIGINT AS shots,
    sum(c.cost_usd) AS cost_usd,
    round(1000 * sum(c.cost_usd) / nullif(sum(c.billed_shots) FILTER (c.cost_status = 'priced'), 0), 2)
        AS usd_per_1000_shots,
    round(sum(c.task_fee_usd) / nullif(sum(c.cost_usd), 0), 3) AS share_of_task_fees,
    count(*) FILTER (c.cost_status = 'no_price') AS n_unknown
FROM task_costs AS c
JOIN quantum_tasks AS t ON t.quantum_task_arn = c.quantum_task_arn
WHERE t.device_type = 'QPU' AND c.cost_status IN ('priced', 'no_price')
GROUP BY month, device
ORDER BY month DESC, usd_per_1000_shots DESC NULLS LAST, device
