-- of: task_latency
-- severity: error
-- when: daily
-- means: Each task has one row, whose bounds are in order: no wait is negative or exceeds the turnaround.
-- do: do not believe the waits of these tasks, and open an issue with one of them.
SELECT
    concat_ws(' ', t.quantum_task_arn, 'wait', l.wait_seconds_lower, 'to', l.wait_seconds_upper,
        'turnaround', l.turnaround_seconds) AS found,
    count(*) AS records
FROM quantum_tasks AS t
LEFT JOIN task_latency AS l ON l.quantum_task_arn = t.quantum_task_arn
WHERE l.quantum_task_arn IS NULL OR l.wait_seconds_lower < 0 OR l.wait_seconds_lower > l.wait_seconds_upper
    OR l.wait_seconds_upper > l.turnaround_seconds OR l.run_seconds_lower > l.run_seconds_upper
GROUP BY ALL
ORDER BY found
