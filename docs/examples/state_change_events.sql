-- What was told of tasks and jobs, newest first?
SELECT event_time, detail_type, status, record_arn
FROM state_change_events
ORDER BY event_time DESC
LIMIT 100;

-- How long was an event on its way? Events are read once a run, so this is at most the time between two runs.
SELECT detail_type, median(fetched_at - event_time) AS usual, max(fetched_at - event_time) AS longest
FROM state_change_events
GROUP BY detail_type;

-- Which tasks have a start that is known to the second?
SELECT quantum_task_arn, min(event_time) AS started_at
FROM state_change_events
WHERE status = 'RUNNING' AND quantum_task_arn IS NOT NULL
GROUP BY quantum_task_arn
ORDER BY started_at;
