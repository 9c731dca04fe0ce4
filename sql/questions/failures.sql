-- title: What fails, and why
-- question: Which reasons make tasks fail, and how much time and work goes with them?
-- read: failed tasks are not billed, so what is lost is their time: hours from creation to end, queue included.
--   share is of all tasks of the device that have ended. @failure_reasons has those of jobs too.
-- param device (default all, of @choices): name of one device, or all
-- chapter: Where money can be saved, 70
WITH ended AS (
    SELECT device_name, count(*) AS n FROM quantum_tasks WHERE is_terminal GROUP BY device_name
)
SELECT
    t.device_name AS device,
    coalesce(t.failure_reason, '(no reason given)') AS failure_reason,
    count(*) AS tasks,
    round(count(*) / any_value(e.n), 4) AS share,
    sum(t.shots)::BIGINT AS shots,
    round(sum(date_diff('second', t.created_at, t.ended_at)) / 3600, 1) AS hours,
    max(t.ended_at) AS last_seen_at
FROM quantum_tasks AS t
JOIN ended AS e ON e.device_name = t.device_name
WHERE t.status = 'FAILED' AND coalesce(getvariable('device'), 'all') IN ('all', t.device_name)
GROUP BY t.device_name, failure_reason
ORDER BY tasks DESC, device, failure_reason
