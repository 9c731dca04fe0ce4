-- of: quantum_tasks, jobs, job_events, task_observations, job_observations
-- severity: error
-- reads: keys
-- means: One row for each key of the table; a record that stands twice is counted and paid for twice.
-- do: `braket-etl maintain --repair` makes one row of those that share a key.
SELECT concat_ws(' ', {key}) AS found, count(*) AS records
FROM {table}
GROUP BY {key}
HAVING count(*) > 1
ORDER BY found
