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
WITH moments AS (
    SELECT
        *,
        created_at + to_microseconds((wait_seconds_lower * 1e6)::BIGINT) AS waited_to_lower,
        created_at + to_microseconds((wait_seconds_upper * 1e6)::BIGINT) AS waited_to_upper
    FROM task_latency
),
from_creation AS (
    SELECT
        m.*,
        h.open_seconds_before + least(
            date_diff('microsecond', h.open_from, m.created_at), date_diff('microsecond', h.open_from, h.open_to)
        ) / 1e6 AS open_at_creation
    FROM moments AS m
    ASOF LEFT JOIN device_open_hours AS h ON h.device_arn = m.device_arn AND h.open_from <= m.created_at
),
to_lower AS (
    SELECT
        m.*,
        h.open_seconds_before + least(
            date_diff('microsecond', h.open_from, m.waited_to_lower), date_diff('microsecond', h.open_from, h.open_to)
        ) / 1e6 AS open_at_lower
    FROM from_creation AS m
    ASOF LEFT JOIN device_open_hours AS h ON h.device_arn = m.device_arn AND h.open_from <= m.waited_to_lower
),
to_upper AS (
    SELECT
        m.*,
        h.open_seconds_before + least(
            date_diff('microsecond', h.open_from, m.waited_to_upper), date_diff('microsecond', h.open_from, h.open_to)
        ) / 1e6 AS open_at_upper
    FROM to_lower AS m
    ASOF LEFT JOIN device_open_hours AS h ON h.device_arn = m.device_arn AND h.open_from <= m.waited_to_upper
),
devices_seen AS (
    SELECT DISTINCT device_arn FROM device_observations
),
split AS (
    SELECT
        m.*,
        coalesce(m.open_at_lower, 0) - coalesce(m.open_at_creation, 0) AS open_lower,
        CASE WHEN m.wait_seconds_upper IS NOT NULL
            THEN coalesce(m.open_at_upper, 0) - coalesce(m.open_at_creation, 0) END AS open_upper,
        d.device_arn IS NOT NULL AS is_device_seen
    FROM to_upper AS m
    LEFT JOIN devices_seen AS d ON d.device_arn = m.device_arn
)
SELECT
    quantum_task_arn,
    device_arn,
    created_at,
    CASE WHEN is_device_seen THEN open_lower END AS open_wait_seconds_lower,
    CASE WHEN is_device_seen THEN open_upper END AS open_wait_seconds_upper,
    CASE WHEN is_device_seen THEN wait_seconds_lower - open_lower END AS closed_wait_seconds_lower,
    CASE WHEN is_device_seen THEN wait_seconds_upper - open_upper END AS closed_wait_seconds_upper,
    CASE WHEN NOT is_censored AND run_seconds_upper > 0 THEN turnaround_seconds / run_seconds_upper
    END AS slowdown_lower,
    CASE WHEN NOT is_censored AND run_seconds_lower > 0 THEN turnaround_seconds / run_seconds_lower
    END AS slowdown_upper,
    CASE WHEN NOT is_censored AND turnaround_seconds IS NOT NULL
        THEN greatest(1, turnaround_seconds / greatest(10, run_seconds_upper)) END AS bounded_slowdown_lower,
    CASE WHEN NOT is_censored AND turnaround_seconds IS NOT NULL
        THEN greatest(1, turnaround_seconds / greatest(10, run_seconds_lower)) END AS bounded_slowdown_upper,
    is_counted
FROM split
