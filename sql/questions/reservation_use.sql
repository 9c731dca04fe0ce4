-- title: How well reservations were used
-- question: What did each reserved window cost, and how much of it did tasks fill?
-- read: busy hours are bounds on the run time of the tasks that named it; used_share is their share of the window.
--   not_in_file: tasks name a reservation that `braket-etl billing reservations FILE` has not been told of, so what
--   it cost is unknown, not 0. Empty where nothing was ever reserved.
-- chapter: Where money can be saved, 90
WITH used AS (
    SELECT
        lower(t.reservation_arn) AS arn,  -- in the file, which people keep, it may be in another case
        min(t.reservation_arn) AS reservation_arn,
        any_value(t.device_name) AS device_name,
        count(*) AS tasks,
        sum(l.run_seconds_lower) / 3600 AS busy_lower,
        sum(l.run_seconds_upper) / 3600 AS busy_upper
    FROM quantum_tasks AS t
    JOIN task_latency AS l ON l.quantum_task_arn = t.quantum_task_arn
    WHERE t.reservation_arn IS NOT NULL
    GROUP BY lower(t.reservation_arn)
)
SELECT
    coalesce(r.reservation_arn, u.reservation_arn) AS reservation_arn,
    coalesce(r.device_name, u.device_name) AS device,
    r.start_at,
    r.hours,
    r.cost_usd,
    r.committed_usd,
    coalesce(r.cost_status, 'not_in_file') AS cost_status,
    coalesce(u.tasks, 0) AS tasks,
    round(coalesce(u.busy_lower, 0), 2) AS busy_hours_low,
    round(CASE WHEN u.tasks IS NULL THEN 0 ELSE u.busy_upper END, 2) AS busy_hours_high,
    round(coalesce(u.busy_lower, 0) / r.hours, 3) AS used_share_low
FROM reservation_costs AS r
FULL JOIN used AS u ON u.arn = lower(r.reservation_arn)
ORDER BY r.start_at DESC NULLS FIRST, reservation_arn
