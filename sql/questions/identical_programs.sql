-- title: Identical programs paid for more than once
-- question: Which programs were sent again to the same device, how often, and what did sending them again cost?
-- read: the same program is the same action with the same inputs, as results.json has it (task_results.action_hash); shots may
--   differ. repeated_usd is what all but the first task cost, the dearest first: more shots, or a look at the device's drift, may be
--   worth it, and whether a result could have been kept, only you know. Results of simulators are read by each sync,
--   those of QPUs by `braket-etl recover`: without them a program is not known, and device parameters do not tell it. Program sets
--   are left out. No rows: nothing that is known was paid for twice.
-- limits: first, last, account, region, device, person, tag
-- param rows (default 50): how many to show
-- chapter: Where money can be saved, 64
SELECT
    left(r.action_hash, 12) AS program,
    t.device_name AS device,
    count(*) AS tasks,
    nullif(count(DISTINCT t.created_by), 0) AS people,
    sum(t.shots)::BIGINT AS shots,
    sum(c.cost_usd) AS cost_usd,
    sum(c.cost_usd) - arg_min(c.cost_usd, (t.created_at, t.quantum_task_arn)) AS repeated_usd,
    min(t.created_at) AS first_at,
    max(t.created_at) AS last_at,
    arg_max(t.quantum_task_arn, (t.created_at, t.quantum_task_arn)) AS last_task_arn
FROM task_results AS r
JOIN quantum_tasks AS t ON t.quantum_task_arn = r.quantum_task_arn
JOIN task_costs AS c ON c.quantum_task_arn = r.quantum_task_arn
WHERE r.action_hash IS NOT NULL AND c.cost_usd > 0
    AND (getvariable('first') IS NULL OR t.created_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR t.created_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), t.account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), t.region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), t.device_name))
    AND (getvariable('person') IS NULL OR t.created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(t.tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY r.action_hash, t.device_arn, t.device_name
HAVING count(*) > 1
ORDER BY repeated_usd DESC, r.action_hash, t.device_arn
LIMIT coalesce(getvariable('rows'), 50)::BIGINT
