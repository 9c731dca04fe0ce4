-- title: What becomes of the programs in program sets
-- question: How many executables of program sets succeed, and why do the others fail?
-- read: an executable is one program with one set of its inputs. Braket tells for each whether it failed, why and whether it
--   may be tried again, and the successful shots of all together only: shots are those requested, in equal parts.
-- param device (default all, of @choices): name of one device, or all
-- columns: device, outcome, failure_reason, is_retryable, executables, program_sets
-- chapter: Where money can be saved, 72
SELECT
    t.device_name AS device,
    r.outcome,
    coalesce(r.failure_category, '') AS failure_category,
    coalesce(r.failure_reason, '') AS failure_reason,
    r.is_retryable,
    count(*) AS executables,
    count(DISTINCT t.quantum_task_arn) AS program_sets,
    sum(r.requested_shots // r.executable_count)::BIGINT AS shots,
    max(t.ended_at) AS last_seen_at
FROM (
    SELECT
        quantum_task_arn,
        requested_shots,
        executable_count,
        unnest(executables, max_depth := 2)
    FROM task_results
) AS r
JOIN quantum_tasks AS t ON t.quantum_task_arn = r.quantum_task_arn
WHERE coalesce(getvariable('device'), 'all') IN ('all', t.device_name)
GROUP BY ALL
ORDER BY executables DESC, device, outcome, failure_category, failure_reason, is_retryable
