-- Which instance types do jobs use, and how did they end?
SELECT instance_config_instance_type AS instance_type, status, count(*) AS jobs
FROM jobs
GROUP BY instance_type, status
ORDER BY jobs DESC, instance_type;

-- Why did jobs fail?
SELECT job_name, ended_at, failure_reason
FROM jobs
WHERE status = 'FAILED'
ORDER BY ended_at DESC;

-- How many tasks did each job create?
SELECT j.job_name, j.status, count(t.quantum_task_arn) AS tasks
FROM jobs AS j
LEFT JOIN quantum_tasks AS t ON t.job_arn = j.job_arn
GROUP BY j.job_arn, j.job_name, j.status
ORDER BY tasks DESC;
