-- title: How well waits are watched
-- question: How narrow are the intervals that waits are known to, and where would watching more closely help?
-- read: exact starts come from events, polled ones from tasks seen open, bounds_only from tasks that had ended before
--   anyone looked. width is the median distance between the bounds, in minutes; poll_every the median time between
--   looks at an open task. A wide interval and a high share of bounds_only: let the daemon run, or use events.
-- chapter: What is not known, 40
WITH polls AS (
    SELECT
        t.device_arn,
        median(date_diff('second', o.observed_at, o.last_observed_at) / (o.n_polls - 1)) / 60 AS poll_every
    FROM task_observations AS o
    JOIN quantum_tasks AS t ON t.quantum_task_arn = o.quantum_task_arn
    WHERE o.n_polls > 1
    GROUP BY t.device_arn
)
SELECT
    w.device_name AS device,
    count(*) AS tasks,
    count(*) FILTER (w.basis = 'exact') AS exact,
    count(*) FILTER (w.basis = 'polled') AS polled,
    count(*) FILTER (w.basis = 'bounds_only') AS bounds_only,
    round(median(w.wait_seconds_upper - w.wait_seconds_lower) / 60, 1) AS p50_width_minutes,
    round(any_value(p.poll_every), 1) AS poll_every_minutes
FROM waits AS w
LEFT JOIN polls AS p ON p.device_arn = w.device_arn
WHERE w.record_kind = 'task' AND w.left_out IS DISTINCT FROM 'reservation'
GROUP BY w.device_name
ORDER BY device
