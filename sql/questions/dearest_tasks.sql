-- title: The dearest tasks
-- question: Which single tasks cost most, whose were they, and what was paid for?
-- read: list price; of tasks without a known cost nothing is shown here, @cost_not_known counts them.
-- param tasks (default 20): how many to show
-- param key (default team): the tag's key that says whose a task is
-- chapter: What it cost, 60
SELECT
    t.quantum_task_arn,
    coalesce(t.tags[coalesce(getvariable('key'), 'team')], '(untagged)') AS tag_value,
    t.device_name AS device,
    t.ended_at,
    c.cost_usd,
    c.task_fee_usd,
    c.shot_fee_usd,
    c.run_fee_usd,
    c.billed_shots,
    c.billed_seconds,
    t.job_arn
FROM task_costs AS c
JOIN quantum_tasks AS t ON t.quantum_task_arn = c.quantum_task_arn
WHERE c.cost_usd > 0
ORDER BY c.cost_usd DESC, t.quantum_task_arn
LIMIT coalesce(getvariable('tasks')::INTEGER, 20)
