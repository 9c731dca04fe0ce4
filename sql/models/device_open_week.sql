-- One row a device, weekday and hour (UTC): how much of that hour lies in the device's newest execution windows. Only
-- of devices whose windows are known; a device that is OFFLINE still has its windows.
--
-- group: latency
-- key: device_arn, weekday, hour_utc
-- device_arn: the device
-- weekday: 1 is Monday, 7 is Sunday
-- hour_utc: hour of the day, 0 to 23
-- open_share: share of the hour, 0 to 1
WITH newest_windows AS (
    SELECT device_arn, execution_windows
    FROM device_observations
    WHERE execution_windows IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY device_arn ORDER BY observed_at DESC) = 1
),
window_days AS (
    -- laid out over a week of 2024 that begins on a Monday, and the Sunday before, for windows that pass midnight
    SELECT n.device_arn, n.w, d.utc_day
    FROM (SELECT device_arn, unnest(execution_windows) AS w FROM newest_windows) AS n
    CROSS JOIN (
        SELECT unnest(generate_series(TIMESTAMP '2023-12-31', TIMESTAMP '2024-01-07', INTERVAL 1 DAY)) AS utc_day
    ) AS d
    WHERE CASE n.w.execution_day
        WHEN 'Everyday' THEN true
        WHEN 'Weekdays' THEN isodow(d.utc_day) <= 5
        WHEN 'Weekend' THEN isodow(d.utc_day) > 5
        ELSE dayname(d.utc_day) = n.w.execution_day
    END
),
openings AS (
    SELECT
        device_arn,
        utc_day + TRY_CAST(w.window_start_hour AS INTERVAL) AS open_from,
        utc_day + TRY_CAST(w.window_end_hour AS INTERVAL) + INTERVAL 1 SECOND
            + CASE WHEN w.window_end_hour < w.window_start_hour THEN INTERVAL 1 DAY ELSE INTERVAL 0 DAY END AS open_to
    FROM window_days
),
hours AS (
    SELECT
        n.device_arn,
        1 + h.week_hour // 24 AS weekday,
        h.week_hour % 24 AS hour_utc,
        TIMESTAMP '2024-01-01' + to_hours(h.week_hour) AS begins_at,
        TIMESTAMP '2024-01-01' + to_hours(h.week_hour + 1) AS ends_at
    FROM newest_windows AS n
    CROSS JOIN (SELECT unnest(range(168)) AS week_hour) AS h
)
SELECT
    h.device_arn,
    h.weekday,
    h.hour_utc,
    least(1, coalesce(
        sum(date_diff('second', greatest(o.open_from, h.begins_at), least(o.open_to, h.ends_at)))
            FILTER (o.device_arn IS NOT NULL) / 3600,  -- greatest and least pass over NULL
        0
    )) AS open_share
FROM hours AS h
LEFT JOIN openings AS o
    ON o.device_arn = h.device_arn AND o.open_from < h.ends_at AND o.open_to > h.begins_at
GROUP BY h.device_arn, h.weekday, h.hour_utc
