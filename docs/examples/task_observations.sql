-- What did polls see of a task, in order? Here: of the one with the most rows.
SELECT observed_at, last_observed_at, n_polls, status, position_raw
FROM task_observations
WHERE quantum_task_arn = (
    SELECT quantum_task_arn FROM task_observations GROUP BY quantum_task_arn ORDER BY count(*) DESC LIMIT 1)
ORDER BY observed_at;

-- Which positions do waiting tasks have? The newest row of each task that is still open.
SELECT quantum_task_arn, queue, queue_priority, position, is_capped, last_observed_at
FROM task_observations
QUALIFY row_number() OVER (PARTITION BY quantum_task_arn ORDER BY observed_at DESC) = 1
    AND status IN ('CREATED', 'QUEUED')
ORDER BY position;

-- How many tasks were seen waiting, how many running?
SELECT status, count(DISTINCT quantum_task_arn) AS tasks, sum(n_polls) AS polls
FROM task_observations
GROUP BY status
ORDER BY tasks DESC;
