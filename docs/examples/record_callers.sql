-- Who created how many tasks and jobs? Nobody is named unless `BRAKET_ETL_CREATED_BY` says so.
SELECT caller, caller_kind, count(*) AS records, max(event_time) AS last_at
FROM record_callers
GROUP BY caller, caller_kind
ORDER BY records DESC, caller;

-- What did each person's tasks cost? A task in a job counts for whoever created the job.
SELECT r.caller, count(*) AS tasks, sum(c.cost_usd) AS cost_usd
FROM quantum_tasks AS t
JOIN task_costs AS c USING (quantum_task_arn)
JOIN record_callers AS r ON r.record_arn = coalesce(t.job_arn, t.quantum_task_arn)
GROUP BY r.caller
ORDER BY cost_usd DESC NULLS LAST, r.caller;

-- With which roles were tasks and jobs created?
SELECT split_part(caller_arn, '/', 2) AS role, count(*) AS records
FROM record_callers
WHERE caller_kind = 'session'
GROUP BY role
ORDER BY records DESC, role;
