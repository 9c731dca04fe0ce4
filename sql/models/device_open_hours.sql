-- One row a stretch of time in which a device took tasks: ONLINE and inside its execution windows, as polls of the
-- device saw it. What a poll saw holds until the next one; before the first poll the device counts as ONLINE with that
-- poll's windows, back to our first task on it. A device whose windows are not known counts as always open. Where Braket
-- says since when a device is closed, and until when by its estimate, that holds between the polls: it closed then, and
-- opens at the estimated end unless a later poll still saw it closed.
--
-- group: latency
-- key: device_arn, open_from
-- device_arn: the device
-- open_from: when it opened
-- open_to: when it closed; at the latest a week past the newest poll, beyond which nothing is said
-- open_seconds_before: seconds that it was open in all earlier stretches
WITH polls AS (
    SELECT
        device_arn,
        device_status = 'ONLINE' AS is_online,
        coalesce(
            execution_windows,
            [{'execution_day': 'Everyday', 'window_start_hour': '00:00:00', 'window_end_hour': '23:59:59'}]
        ) AS windows,
        observed_at AS polled_at,
        CASE WHEN device_status <> 'ONLINE' AND status_started_at < observed_at
            -- not before the poll before, which saw what it saw
            THEN greatest(status_started_at, lag(last_observed_at) OVER by_time + INTERVAL 1 MICROSECOND)
            ELSE observed_at END AS observed_at,
        CASE WHEN device_status <> 'ONLINE' AND status_estimated_end_at > last_observed_at
            AND coalesce(lead(device_status) OVER by_time = 'ONLINE'
                AND lead(observed_at) OVER by_time > status_estimated_end_at, true)
            THEN status_estimated_end_at END AS reopens_at
    FROM device_observations
    WINDOW by_time AS (PARTITION BY device_arn ORDER BY observed_at)
),
states AS (
    -- the two instants of a poll's state: when it was or began, and when it is expected to be over
    SELECT
        device_arn, polled_at, windows,
        unnest(CASE WHEN reopens_at IS NULL THEN [{'since': observed_at, 'is_online': is_online}]
            ELSE [{'since': observed_at, 'is_online': is_online}, {'since': reopens_at, 'is_online': true}] END) AS state
    FROM polls
),
changes AS (
    -- depths change with every poll, windows rarely: days are only laid out for what is left
    SELECT device_arn, windows, state.since AS observed_at, state.is_online AS is_online
    FROM states
    WINDOW by_time AS (PARTITION BY device_arn ORDER BY state.since)
    QUALIFY row_number() OVER by_time = 1
        OR state.is_online IS DISTINCT FROM lag(state.is_online) OVER by_time
        OR windows IS DISTINCT FROM lag(windows) OVER by_time
),
newest AS (
    SELECT device_arn, min(state.since) AS first_poll_at, max(polled_at) + INTERVAL 7 DAY AS horizon
    FROM states
    GROUP BY device_arn
),
first_created AS (
    SELECT device_arn, min(created_at) AS created_at FROM quantum_tasks GROUP BY device_arn
),
eras AS (
    SELECT
        c.device_arn, c.is_online, c.windows, c.observed_at AS valid_from,
        coalesce(lead(c.observed_at) OVER (PARTITION BY c.device_arn ORDER BY c.observed_at), n.horizon) AS valid_to
    FROM changes AS c
    JOIN newest AS n ON n.device_arn = c.device_arn
    UNION ALL
    SELECT c.device_arn, true, c.windows, f.created_at, c.observed_at
    FROM changes AS c
    JOIN newest AS n ON n.device_arn = c.device_arn AND n.first_poll_at = c.observed_at
    JOIN first_created AS f ON f.device_arn = c.device_arn AND f.created_at < c.observed_at
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
    WHERE e.is_online
),
ordered AS (
    SELECT
        *,
        max(open_to) OVER (
            PARTITION BY device_arn ORDER BY open_from, open_to
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS open_to_before
    FROM openings
    WHERE open_from < open_to
),
numbered AS (
    SELECT
        *,
        count(*) FILTER (open_to_before IS NULL OR open_to_before < open_from) OVER (
            PARTITION BY device_arn ORDER BY open_from, open_to
        ) AS stretch
    FROM ordered
),
stretches AS (
    SELECT device_arn, min(open_from) AS open_from, max(open_to) AS open_to
    FROM numbered
    GROUP BY device_arn, stretch
)
SELECT
    device_arn,
    open_from,
    open_to,
    coalesce(sum((epoch_us(open_to) - epoch_us(open_from)) / 1e6) OVER (
        PARTITION BY device_arn ORDER BY open_from ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS open_seconds_before
FROM stretches
