-- One row a stretch of time in which no task of ours can have started on a device: it lay outside the execution windows that
-- its polls saw. Where two polls saw other windows, only what lies outside of both is closed between them; before its first
-- poll a device counts as having had that poll's windows. A task of ours that lived and ran wholly inside such a stretch
-- refutes it: then nothing is said of the device before that task's end. A device that was not ONLINE
-- (device_open_hours) may have come back between two polls, so that says nothing here.
--
-- group: latency
-- key: device_arn, closed_from
-- device_arn: the device
-- closed_from: when its windows closed
-- closed_to: when they opened again
-- is_assumed: whether this lies before the first poll of the device
WITH seen AS (
    SELECT
        device_arn,
        coalesce(
            execution_windows,
            [{'execution_day': 'Everyday', 'window_start_hour': '00:00:00', 'window_end_hour': '23:59:59'}]
        ) AS windows,
        observed_at,
        last_observed_at
    FROM device_observations
),
changes AS (
    SELECT device_arn, windows, observed_at, lag(last_observed_at) OVER by_time AS seen_before_at
    FROM seen
    WINDOW by_time AS (PARTITION BY device_arn ORDER BY observed_at)
    QUALIFY row_number() OVER by_time = 1 OR windows IS DISTINCT FROM lag(windows) OVER by_time
),
polled AS (
    SELECT device_arn, min(observed_at) AS first_poll_at, max(last_observed_at) + INTERVAL 7 DAY AS horizon
    FROM seen
    GROUP BY device_arn
),
eras AS (
    -- a change lies between the last sight of the old windows and the first of the new ones: there both count
    SELECT
        c.device_arn,
        c.windows,
        coalesce(c.seen_before_at, TIMESTAMPTZ '-infinity') AS valid_from,
        coalesce(lead(c.observed_at) OVER (PARTITION BY c.device_arn ORDER BY c.observed_at), p.horizon) AS valid_to
    FROM changes AS c
    JOIN polled AS p ON p.device_arn = c.device_arn
),
openings AS (
    SELECT
        e.device_arn,
        greatest(e.valid_from, w.open_from) AS open_from,
        least(e.valid_to, w.open_to) AS open_to
    FROM eras AS e
    JOIN window_openings AS w
        ON w.device_arn = e.device_arn AND w.windows = e.windows
        AND w.open_to > e.valid_from AND w.open_from < e.valid_to
),
gaps AS (
    SELECT
        device_arn,
        max(open_to) OVER (
            PARTITION BY device_arn ORDER BY open_from, open_to ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS closed_from,
        open_from AS closed_to
    FROM openings
),
closures AS (
    SELECT g.device_arn, g.closed_from, g.closed_to, p.first_poll_at
    FROM gaps AS g
    JOIN polled AS p ON p.device_arn = g.device_arn
    WHERE g.closed_from < g.closed_to
),
by_day AS (
    SELECT
        device_arn, closed_from, closed_to,
        unnest(range(epoch_us(closed_from) // 86400000000, epoch_us(closed_to) // 86400000000 + 1)) AS day
    FROM closures
),
refuted AS (
    SELECT t.device_arn, max(t.ended_at) AS refuted_at
    FROM quantum_tasks AS t
    JOIN by_day AS c
        ON c.device_arn = t.device_arn AND c.day = epoch_us(t.created_at) // 86400000000
        AND t.created_at >= c.closed_from AND t.ended_at < c.closed_to
    WHERE t.status = 'COMPLETED' AND t.reservation_arn IS NULL
    GROUP BY t.device_arn
)
SELECT c.device_arn, c.closed_from, c.closed_to, c.closed_from < c.first_poll_at AS is_assumed
FROM closures AS c
LEFT JOIN refuted AS r ON r.device_arn = c.device_arn
WHERE r.refuted_at IS NULL OR c.closed_from >= r.refuted_at
