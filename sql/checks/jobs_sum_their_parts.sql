-- of: job_costs
-- severity: error
-- when: daily
-- means: The cost of a job is that of its instances, volumes and tasks, to the last digit.
-- do: do not believe the cost of these jobs, and open an issue with one of them.
WITH tasks AS (
    SELECT t.job_arn, coalesce(sum(c.cost_usd), 0) AS usd
    FROM quantum_tasks AS t
    JOIN task_costs AS c ON c.quantum_task_arn = t.quantum_task_arn
    WHERE t.job_arn IS NOT NULL
    GROUP BY t.job_arn
)
SELECT
    concat_ws(' ', j.job_arn, j.cost_usd, 'parts', j.instance_cost_usd, j.volume_cost_usd, t.usd) AS found,
    1 AS records
FROM job_costs AS j
LEFT JOIN tasks AS t ON t.job_arn = j.job_arn
WHERE j.task_cost_usd <> coalesce(t.usd, 0)
    OR j.cost_usd <> j.instance_cost_usd + j.volume_cost_usd + j.task_cost_usd
ORDER BY found
