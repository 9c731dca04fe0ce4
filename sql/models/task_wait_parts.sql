-- One row a task that has left the queue or still waits: its wait split into the time in which the device took tasks
-- and the time in which it was closed, and its slowdown. Each is a pair of bounds, as the wait is.
--
-- group: latency
-- key: quantum_task_arn
-- quantum_task_arn: the task
-- device_arn: the device
-- created_at: when it was created
-- open_wait_seconds_lower: it waited at least so long while the device was open; NULL where no poll saw the device
-- open_wait_seconds_upper: at most so long; NULL where the end of its wait was not seen
-- closed_wait_seconds_lower: it waited at least so long while the device was outside its windows or not ONLINE
-- closed_wait_seconds_upper: at most so long
-- slowdown_lower: turnaround by run time, (wait + run) / run, at least; NULL while it is open
-- slowdown_upper: at most; NULL where the run time may be 0
-- bounded_slowdown_lower: the same with run times under 10 seconds taken as 10, at least 1 (Feitelson 1998)
-- bounded_slowdown_upper: at most
-- is_counted: whether queue statistics count the task
WITH
-- What a device was open until an instant grows while it is open and stands still while it is closed. Its stretches are
-- laid out over the UTC days that they or the pauses after them touch, so that an instant finds its own by day: a join
-- on equality, where ASOF would sort all tasks three times.
stretches AS (
    SELECT
        *,
        epoch_us(open_from) AS from_us,
        epoch_us(open_to) - epoch_us(open_from) AS open_us,
        epoch_us(lead(open_from) OVER (PARTITION BY device_arn ORDER BY open_from)) AS next_us
    FROM device_open_hours
),
by_day AS (
    SELECT
        device_arn, from_us, open_us, next_us, open_seconds_before,
        unnest(range(from_us // 86400000000, (next_us - 1) // 86400000000 + 1)) AS day
    FROM stretches
    WHERE next_us IS NOT NULL
),
newest AS (
    SELECT * FROM stretches WHERE next_us IS NULL
),
devices_seen AS (
    SELECT device_arn FROM device_observations GROUP BY device_arn
),
moments AS (
    SELECT
        w.*,
        d.device_arn IS NOT NULL AS is_device_seen,
        epoch_us(w.created_at) AS created_us,
        epoch_us(w.created_at) + (w.wait_seconds_lower * 1e6)::BIGINT AS lower_us,
        epoch_us(w.created_at) + (w.wait_seconds_upper * 1e6)::BIGINT AS upper_us
    FROM waits AS w
    LEFT JOIN devices_seen AS d ON d.device_arn = w.device_arn
    WHERE w.record_kind = 'task'
),
opened AS (
    SELECT
        m.*,
        CASE
            WHEN m.created_us >= n.from_us THEN n.open_seconds_before + least(m.created_us - n.from_us, n.open_us) / 1e6
            ELSE c.open_seconds_before + least(m.created_us - c.from_us, c.open_us) / 1e6
        END AS open_at_creation,
        CASE
            WHEN m.lower_us >= n.from_us THEN n.open_seconds_before + least(m.lower_us - n.from_us, n.open_us) / 1e6
            ELSE l.open_seconds_before + least(m.lower_us - l.from_us, l.open_us) / 1e6
        END AS open_at_lower,
        CASE
            WHEN m.upper_us >= n.from_us THEN n.open_seconds_before + least(m.upper_us - n.from_us, n.open_us) / 1e6
            ELSE u.open_seconds_before + least(m.upper_us - u.from_us, u.open_us) / 1e6
        END AS open_at_upper
    FROM moments AS m
    LEFT JOIN newest AS n ON n.device_arn = m.device_arn
    LEFT JOIN by_day AS c
        ON c.device_arn = m.device_arn AND c.day = m.created_us // 86400000000
        AND m.created_us >= c.from_us AND m.created_us < c.next_us
    LEFT JOIN by_day AS l
        ON l.device_arn = m.device_arn AND l.day = m.lower_us // 86400000000
        AND m.lower_us >= l.from_us AND m.lower_us < l.next_us
    LEFT JOIN by_day AS u
        ON u.device_arn = m.device_arn AND u.day = m.upper_us // 86400000000
        AND m.upper_us >= u.from_us AND m.upper_us < u.next_us
),
split AS (
    SELECT
        *,
        coalesce(open_at_lower, 0) - coalesce(open_at_creation, 0) AS open_lower,
        CASE WHEN wait_seconds_upper IS NOT NULL
            THEN coalesce(open_at_upper, 0) - coalesce(open_at_creation, 0) END AS open_upper
    FROM opened
)
SELECT
    record_arn AS quantum_task_arn,
    device_arn,
    created_at,
    CASE WHEN is_device_seen THEN open_lower END AS open_wait_seconds_lower,
    CASE WHEN is_device_seen THEN open_upper END AS open_wait_seconds_upper,
    CASE WHEN is_device_seen THEN wait_seconds_lower - open_lower END AS closed_wait_seconds_lower,
    CASE WHEN is_device_seen THEN wait_seconds_upper - open_upper END AS closed_wait_seconds_upper,
    CASE WHEN certainty <> 'censored' AND run_seconds_upper > 0 THEN turnaround_seconds / run_seconds_upper
    END AS slowdown_lower,
    CASE WHEN certainty <> 'censored' AND run_seconds_lower > 0 THEN turnaround_seconds / run_seconds_lower
    END AS slowdown_upper,
    CASE WHEN certainty <> 'censored' AND turnaround_seconds IS NOT NULL
        THEN greatest(1, turnaround_seconds / greatest(10, run_seconds_upper)) END AS bounded_slowdown_lower,
    CASE WHEN certainty <> 'censored' AND turnaround_seconds IS NOT NULL
        THEN greatest(1, turnaround_seconds / greatest(10, run_seconds_lower)) END AS bounded_slowdown_upper,
    is_counted
FROM split
