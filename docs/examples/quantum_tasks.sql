-- How many tasks of each device ended in which status?
SELECT device_name, status, count(*) AS tasks
FROM quantum_tasks
GROUP BY device_name, status
ORDER BY device_name, tasks DESC;

-- Which tasks are open, and since when?
SELECT quantum_task_arn, device_name, status, created_at
FROM quantum_tasks
WHERE NOT is_terminal
ORDER BY created_at;

-- How many shots did each project ask for, and how many of them succeeded? Tags are a map: tags['project'] is one of them.
SELECT coalesce(tags['project'], '(untagged)') AS project, sum(shots) AS shots, sum(num_successful_shots) AS successful_shots
FROM quantum_tasks
GROUP BY project
ORDER BY shots DESC;
