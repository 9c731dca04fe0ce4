-- title: What each task cost
-- question: What did every task cost, by which price and which rule?
-- read: cost_usd is at list price; where it is empty, cost_status says why and the bounds say what is known.
--   `braket-etl sql @cost_by_task --format csv` makes a spreadsheet of it.
-- param device (default all, of @choices): name of one device, or all
-- columns: created_at, device_name, status, cost_usd, cost_status, billed_shots
-- chapter: What it cost, 40
SELECT
    t.account_id,
    t.device_name,
    t.status,
    t.created_at,
    t.ended_at,
    c.cost_usd,
    c.cost_status,
    c.committed_usd,
    c.cost_usd_lower,
    c.cost_usd_upper,
    c.billed_shots,
    c.billed_seconds,
    c.cost_rule,
    c.price_effective_from,
    c.price_source,
    t.job_arn,
    t.quantum_task_arn
FROM task_costs AS c
JOIN quantum_tasks AS t ON t.quantum_task_arn = c.quantum_task_arn
WHERE coalesce(getvariable('device'), 'all') IN ('all', t.device_name)
ORDER BY t.created_at DESC, t.quantum_task_arn
