-- title: Fees for small tasks
-- question: Where would fewer, larger tasks have saved task fees?
-- read: tasks on QPUs by how many shots were paid. fee_share is what went to the fee for the task: near 1, the same
--   shots in one task or one program set would have cost far less. Tasks without a known cost (n_unknown) are apart.
-- chapter: Where money can be saved, 30
SELECT
    t.device_name AS device,
    CASE
        WHEN c.billed_shots < 100 THEN 'below 100'
        WHEN c.billed_shots < 1000 THEN '100 to 999'
        WHEN c.billed_shots < 10000 THEN '1,000 to 9,999'
        WHEN c.billed_shots >= 10000 THEN '10,000 and more'
    END AS shots_paid,
    count(*) AS tasks,
    sum(c.cost_usd) AS cost_usd,
    sum(c.task_fee_usd) AS task_fees_usd,
    round(sum(c.task_fee_usd) / nullif(sum(c.cost_usd), 0), 3) AS fee_share,
    count(*) FILTER (c.cost_usd IS NULL) AS n_unknown
FROM task_costs AS c
JOIN quantum_tasks AS t ON t.quantum_task_arn = c.quantum_task_arn
WHERE t.device_type = 'QPU' AND c.cost_status IN ('priced', 'no_price')
GROUP BY device, shots_paid
ORDER BY device, min(c.billed_shots) NULLS LAST
