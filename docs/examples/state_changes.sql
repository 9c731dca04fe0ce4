-- Which events cannot be true, and why?
SELECT doubt, count(*) AS events, min(event_time) AS first, max(event_time) AS last
FROM state_changes
WHERE doubt IS NOT NULL
GROUP BY doubt
ORDER BY events DESC;

-- Which tasks have a start that is known to the second?
SELECT quantum_task_arn, min(event_time) AS started_at
FROM state_changes
WHERE status = 'RUNNING' AND doubt IS NULL AND quantum_task_arn IS NOT NULL
GROUP BY quantum_task_arn
ORDER BY started_at;

-- What was told of the newest task of which anything was?
SELECT event_time, status, doubt
FROM state_changes
WHERE record_arn = (SELECT max_by(record_arn, event_time) FROM state_changes)
ORDER BY event_time;
