-- How long did simulators compute?
SELECT device_arn, count(*) AS tasks, round(sum(execution_duration_ms) / 1000, 1) AS seconds
FROM task_results
WHERE execution_duration_ms IS NOT NULL
GROUP BY device_arn
ORDER BY seconds DESC;

-- Which results could not be read, and why?
SELECT quantum_task_arn, problem, attempts, fetched_at
FROM task_results
WHERE problem IS NOT NULL
ORDER BY fetched_at DESC;

-- How many executables of program sets failed?
SELECT quantum_task_arn, program_count, executable_count, failed_executables, requested_shots, successful_shots
FROM task_results
WHERE executable_count IS NOT NULL
ORDER BY failed_executables DESC;
