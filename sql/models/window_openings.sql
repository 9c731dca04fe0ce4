-- One row a stretch of time that lies in an execution window, for each list of windows that polls of a device saw: from a day
-- before our first task on it to a week past its newest poll. Which list held when is said by device_open_hours and
-- device_closures, which clip these.
--
-- group: latency
-- key: device_arn, windows, open_from
-- device_arn: the device
-- windows: the list of windows as a poll saw it; one that was not told counts as always open
-- open_from: when the window begins
-- open_to: when it ends, past its last second
WITH lists AS (
    SELECT
        device_arn,
        coalesce(
            execution_windows,
            [{'execution_day': 'Everyday', 'window_start_hour': '00:00:00', 'window_end_hour': '23:59:59'}]
        ) AS windows,
        min(observed_at) AS first_poll_at
    FROM device_observations
    GROUP BY ALL
),
newest AS (
    SELECT device_arn, max(last_observed_at) + INTERVAL 7 DAY AS horizon FROM device_observations GROUP BY device_arn
),
first_created AS (
    SELECT device_arn, min(created_at) AS created_at FROM quantum_tasks GROUP BY device_arn
),
days AS (
    -- UTC days, from a week before, since what is closed as the first task is sent began when the last window ended
    SELECT
        l.device_arn,
        l.windows,
        unnest(l.windows) AS w,
        n.horizon,
        date_trunc('day', least(l.first_poll_at, f.created_at) AT TIME ZONE 'UTC') - INTERVAL 8 DAY AS first_day
    FROM lists AS l
    JOIN newest AS n ON n.device_arn = l.device_arn
    LEFT JOIN first_created AS f ON f.device_arn = l.device_arn
),
laid_out AS (
    SELECT
        device_arn,
        windows,
        w,
        unnest(generate_series(first_day, horizon AT TIME ZONE 'UTC', INTERVAL 1 DAY)) AS utc_day
    FROM days
),
openings AS (
    -- both ends of a window are in it, to the second
    SELECT
        device_arn,
        windows,
        (utc_day + TRY_CAST(w.window_start_hour AS INTERVAL)) AT TIME ZONE 'UTC' AS open_from,
        (
            utc_day + TRY_CAST(w.window_end_hour AS INTERVAL) + INTERVAL 1 SECOND
            + CASE WHEN w.window_end_hour < w.window_start_hour THEN INTERVAL 1 DAY ELSE INTERVAL 0 DAY END
        ) AT TIME ZONE 'UTC' AS open_to
    FROM laid_out
    WHERE CASE w.execution_day
        WHEN 'Everyday' THEN true
        WHEN 'Weekdays' THEN isodow(utc_day) <= 5
        WHEN 'Weekend' THEN isodow(utc_day) > 5
        ELSE dayname(utc_day) = w.execution_day
    END
)
SELECT device_arn, windows, open_from, max(open_to) AS open_to
FROM openings
WHERE open_from IS NOT NULL AND open_to IS NOT NULL
GROUP BY device_arn, windows, open_from
