-- title: Cost per experiment
-- question: What did each program cost in all, on which devices, and how much is that a task and a thousand shots?
-- read: an experiment is one program with its inputs, wherever and however often it ran (task_results.action_hash); the same circuit
--   with another angle is another. The last row is every task whose program is not known: results of QPUs are read by `braket-etl
--   recover` alone, program sets hold many programs, and device parameters tell none. So the rows sum up to all tasks,
--   without the instances of jobs and without reservations. Where n_unknown is not 0, it cost more.
-- limits: first, last, account, region, device, person, tag
-- param rows (default 50): how many programs to show, the dearest; the others are one row
-- chapter: What it cost, 36
WITH tasks AS (
    SELECT
        r.action_hash,
        t.device_name,
        t.shots,
        t.created_by,
        t.created_at,
        c.cost_usd,
        c.cost_status IN ('no_price', 'no_duration') AS is_unknown
    FROM quantum_tasks AS t
    JOIN task_costs AS c ON c.quantum_task_arn = t.quantum_task_arn
    LEFT JOIN task_results AS r ON r.quantum_task_arn = t.quantum_task_arn
    WHERE (getvariable('first') IS NULL OR t.created_date >= getvariable('first')::DATE)
        AND (getvariable('last') IS NULL OR t.created_date <= getvariable('last')::DATE)
        AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), t.account_id))
        AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), t.region))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), t.device_name))
        AND (getvariable('person') IS NULL OR t.created_by = getvariable('person')::VARCHAR)
        AND (getvariable('tag') IS NULL OR list_has_all(map_entries(t.tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
),
ranked AS (
    SELECT
        action_hash,
        row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, action_hash) <= coalesce(getvariable('rows'), 50)::BIGINT AS is_shown
    FROM tasks
    WHERE action_hash IS NOT NULL
    GROUP BY action_hash
),
named AS (
    SELECT
        CASE
            WHEN t.action_hash IS NULL THEN '(not known)'
            WHEN k.is_shown THEN left(t.action_hash, 12)
            ELSE '(all other programs)'
        END AS program,
        CASE WHEN k.is_shown THEN t.action_hash END AS experiment,
        t.*
    FROM tasks AS t
    LEFT JOIN ranked AS k ON k.action_hash = t.action_hash
)
SELECT
    program,
    string_agg(DISTINCT device_name, ', ' ORDER BY device_name) AS devices,
    count(*) AS tasks,
    nullif(count(DISTINCT created_by), 0) AS people,
    sum(shots)::BIGINT AS shots,
    coalesce(sum(cost_usd), 0)::DECIMAL(38, 12) AS cost_usd,
    round(sum(cost_usd)::DOUBLE / nullif(count(*) FILTER (cost_usd > 0), 0), 9) AS a_task_usd,
    round(1000 * sum(cost_usd)::DOUBLE / nullif(sum(shots) FILTER (cost_usd > 0), 0), 9) AS a_thousand_shots_usd,
    count(*) FILTER (is_unknown) AS n_unknown,
    min(created_at) AS first_at,
    max(created_at) AS last_at
FROM named
GROUP BY program, experiment
ORDER BY experiment IS NULL, program = '(not known)', cost_usd DESC, program, experiment
