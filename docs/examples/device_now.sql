-- Which devices take no tasks now, why, and when are they expected back?
SELECT device_name, device_status, status_reason, closed_since, expected_back_at, seen_at
FROM device_now
WHERE device_status <> 'ONLINE'
ORDER BY expected_back_at NULLS LAST, device_name;

-- Which of our tasks wait for a device that is closed?
SELECT t.quantum_task_arn, d.device_name, d.status_reason, d.expected_back_at
FROM quantum_tasks AS t
JOIN device_now AS d ON d.device_arn = t.device_arn
WHERE NOT t.is_terminal AND d.device_status <> 'ONLINE'
ORDER BY t.created_at;

-- Are the devices still looked at? A state is as old as the newest poll.
SELECT device_name, seen_at
FROM device_now
ORDER BY seen_at, device_name;
