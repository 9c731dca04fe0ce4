-- of: open_records
-- means: Tasks and jobs that are open for longer than the device makes plausible: three times the longest that a completed
--   task took there and at least three days, a week where fewer than twenty completed; jobs a week and their run time.
--   Perhaps they are stuck, or their account is out of reach: what is shown of them may be old.
-- do: look at them in the console of Braket; `braket-etl doctor` tells which account cannot be reached.
--
-- Three days at least, since devices close over weekends. A job: a week and its longest allowed run time, five days where
-- Braket names none. "Now" is the newest answer stored, so that equal data give an equal finding.
WITH now AS (
    SELECT max(fetched_at) AS at
    FROM (SELECT fetched_at FROM quantum_tasks UNION ALL SELECT fetched_at FROM jobs)
),
history AS (
    SELECT device_arn, count(*) AS n, max(epoch_us(ended_at) - epoch_us(created_at)) / 1e6 AS longest
    FROM quantum_tasks
    WHERE status = 'COMPLETED'
    GROUP BY device_arn
),
still_open AS (
    SELECT t.quantum_task_arn AS arn, t.created_at, t.fetched_at,
        CASE WHEN h.n >= 20 THEN greatest(3 * 86400, 3 * h.longest) ELSE 7 * 86400 END AS plausible
    FROM quantum_tasks AS t
    LEFT JOIN history AS h ON h.device_arn = t.device_arn
    WHERE NOT t.is_terminal AND t.expired_at IS NULL
    UNION ALL
    SELECT job_arn, created_at, fetched_at,
        7 * 86400 + coalesce(stopping_condition_max_runtime_in_seconds, 5 * 86400)
    FROM jobs
    WHERE NOT is_terminal AND expired_at IS NULL
)
SELECT concat_ws(' ', o.arn, 'open since', o.created_at, 'last seen', o.fetched_at) AS found, 1 AS records
FROM still_open AS o
CROSS JOIN now
WHERE date_diff('second', o.created_at, now.at) > o.plausible
ORDER BY o.created_at, found
