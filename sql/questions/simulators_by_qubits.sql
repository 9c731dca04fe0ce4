-- title: Simulators by size of circuit
-- question: How do run time and cost of simulator tasks grow with the number of qubits?
-- read: qubits are those that the task declares in its device parameters (empty: it declares none). Times are the
--   execution, in seconds, of completed tasks; 3 s at least are paid. n_unknown have no run time, so no cost.
-- chapter: What it cost, 90
SELECT
    t.device_name AS device,
    CASE WHEN json_valid(t.device_parameters)
        THEN (t.device_parameters ->> '$.paradigmParameters.qubitCount')::BIGINT END AS qubits,
    count(*) AS tasks,
    round(median(r.execution_duration_ms) / 1e3, 2) AS p50_run_seconds,
    round(max(r.execution_duration_ms) / 1e3, 2) AS longest_run_seconds,
    sum(c.cost_usd) AS cost_usd,
    round(sum(c.cost_usd) / nullif(count(c.cost_usd), 0), 6) AS usd_per_task,
    count(*) FILTER (c.cost_usd IS NULL) AS n_unknown
FROM quantum_tasks AS t
JOIN task_costs AS c ON c.quantum_task_arn = t.quantum_task_arn
LEFT JOIN task_results AS r ON r.quantum_task_arn = t.quantum_task_arn
WHERE t.device_type = 'SIMULATOR' AND t.status = 'COMPLETED'
GROUP BY device, qubits
ORDER BY device, qubits NULLS LAST
