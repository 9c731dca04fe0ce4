-- title: What program sets save
-- question: How much would the same circuits have cost as one task each?
-- read: a program set pays one task fee for all its executables; saved is that fee times the other executables. Shots
--   cost the same either way. Sets in a reservation pay no fee and are left out. n_unknown sets have no price or do not
--   tell their count, and are not in the sums.
-- chapter: Where money can be saved, 40
SELECT
    t.device_name AS device,
    count(*) AS program_sets,
    sum(t.action_metadata_executable_count)::BIGINT AS executables,
    sum(c.cost_usd) AS cost_usd,
    sum(c.task_fee_usd * greatest(t.action_metadata_executable_count - 1, 0))::DECIMAL(38, 12) AS saved_usd,
    count(*) FILTER (c.cost_usd IS NULL OR t.action_metadata_executable_count IS NULL) AS n_unknown
FROM quantum_tasks AS t
JOIN task_costs AS c ON c.quantum_task_arn = t.quantum_task_arn
WHERE t.action_metadata_action_type ILIKE '%program_set%' AND t.status = 'COMPLETED'
    AND t.reservation_arn IS NULL
GROUP BY t.device_name
ORDER BY saved_usd DESC NULLS LAST, device
