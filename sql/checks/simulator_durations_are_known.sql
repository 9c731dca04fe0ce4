-- of: task_costs
-- means: The run time of tasks that are paid by it, such as on simulators, is not known: results.json could not be read.
-- do: allow to read their bucket; `braket-etl init` prints the policy.
SELECT concat_ws(' ', device_name, 'in', region) AS found, count(*) AS records
FROM priced_tasks
WHERE cost_status = 'no_duration'
GROUP BY device_name, region
ORDER BY found
