-- title: The most expensive tasks
-- question: Which single tasks cost most, whose were they, and what was paid for?
-- read: tasks that ended in the period, at list price; of tasks without a known cost nothing is shown here,
--   @cost_not_known counts them.
-- also: dearest_tasks
-- limits: first, last, account, region, device, person, tag
-- param tasks (default 20): how many to show
-- param key (default team, of @tag_keys): the tag's key that says whose a task is
-- columns: cost_usd, device, tag_value, status, created_at, billed_shots
-- chapter: What it cost, 60
-- report: Spending, 50
-- with: tasks=15
-- form: wide
-- empty: No task of a known cost ended in the period.
WITH most AS (
    SELECT
        record_arn,
        sum(cost_usd) AS cost_usd,
        coalesce(sum(cost_usd) FILTER (meter = 'task'), 0) AS task_fee_usd,
        coalesce(sum(cost_usd) FILTER (meter = 'shot'), 0) AS shot_fee_usd,
        coalesce(sum(cost_usd) FILTER (meter = 'run_time'), 0) AS run_fee_usd,
        sum(quantity) FILTER (meter = 'shot')::BIGINT AS billed_shots,
        sum(quantity) FILTER (meter = 'run_time') AS billed_seconds
    FROM charges
    WHERE record_kind = 'task'
        AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
        AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
        AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
        AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
        AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
        AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
    GROUP BY record_arn
    HAVING sum(cost_usd) > 0
    ORDER BY cost_usd DESC, record_arn
    LIMIT coalesce(getvariable('tasks')::INTEGER, 20)
)
SELECT
    m.cost_usd,
    t.device_name AS device,
    coalesce(t.tags[coalesce(getvariable('key'), 'team')], '(untagged)') AS tag_value,
    t.status,
    t.created_at,
    t.ended_at,
    m.task_fee_usd,
    m.shot_fee_usd,
    m.run_fee_usd,
    m.billed_shots,
    m.billed_seconds,
    coalesce(t.tags::VARCHAR, '') AS tags,
    t.job_arn,
    t.quantum_task_arn
FROM most AS m
JOIN quantum_tasks AS t ON t.quantum_task_arn = m.record_arn
ORDER BY m.cost_usd DESC, t.quantum_task_arn
