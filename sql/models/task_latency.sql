-- One row a quantum task: how long it waited in the queue, as the interval that is known, and how long it ran.
-- Braket gives a task no start time. (lower, upper] is what polls, events and results leave possible; lower = upper
-- means known to the second, the resolution of Braket's clock in events and polls. What needs no look at the task narrows
-- it too, for tasks that ran: none starts outside its device's windows (device_closures), none of a reservation before that
-- begins, and on a QPU, which runs one task at a time, one that was there already when an own one completed before it had
-- waited until then. Where two own tasks were seen running at once on a QPU, the last is not used for it.
--
-- group: latency
-- key: quantum_task_arn
-- quantum_task_arn: the task
-- device_arn: the device it was sent to
-- created_at: when it was created
-- ended_at: when it ended; NULL while it has not
-- wait_seconds_lower: it waited at least so long, in seconds from creation
-- wait_seconds_upper: it waited at most so long; NULL where the end of its wait was not seen (is_censored)
-- run_seconds_lower: it ran at least so long, in seconds from its start; NULL while it waits
-- run_seconds_upper: it ran at most so long; NULL while it runs or waits
-- turnaround_seconds: from creation to end, whatever came between; NULL while it has not ended
-- is_reservation: whether it ran in a reserved window: it waited for that, so it is no measure of a queue
-- is_censored: whether its wait is only known to exceed wait_seconds_lower: it still waits, or was cancelled waiting
-- end_kind: completed, failed, cancelled, or cancelled_in_queue (seen waiting, never running); NULL while it is open
-- basis: exact (start known from an event), polled (seen open at least once), bounds_only (first seen after its end)
-- lower_from: what wait_seconds_lower rests on: event, poll, own_task (one of ours completed on the QPU), device_closed (its
--   windows), device_closed_assumed (the windows of its first poll, which is later), reservation, creation (nothing: 0)
-- upper_from: what wait_seconds_upper rests on: event, poll, result (a simulator's duration), or its end; NULL where it is NULL
-- stat_seconds_lower: last sight of it waiting, in seconds from creation; queue_wait_quantiles reads this and the next
-- stat_seconds_upper: first sight of it started, in seconds from creation; NULL where it may never have started. Unlike
--   wait_seconds_upper it is not cut at the task's end: when we looked does not depend on the wait, when it ended does
-- wait_and_overhead_seconds: on simulators, turnaround less execution: the wait plus the service's own overhead
-- overhead_seconds: on simulators, the least wait_and_overhead_seconds of the device, that is, of an idle one
-- is_counted: whether queue statistics count it: no reservation, and something is known of when its wait ended
-- shots: shots that were asked for
-- job_arn: the hybrid job that sent it
-- account_id: account that owns it
-- region: Region in which it was created
-- device_name: last part of the device ARN
-- device_type: QPU or SIMULATOR
-- tags: its tags
-- created_by: who created it, where that is kept; of a task in a job, who created the job
WITH sights AS (
    -- who saw which status, from when to when: polls, events, and the stored record of an open task itself
    SELECT
        quantum_task_arn, status, observed_at AS first_seen_at, last_observed_at AS last_seen_at,
        NULL::TIMESTAMPTZ AS event_time
    FROM task_observations
    UNION ALL
    SELECT quantum_task_arn, status, event_time, event_time, event_time
    FROM state_changes
    WHERE quantum_task_arn IS NOT NULL AND doubt IS NULL
    UNION ALL
    SELECT quantum_task_arn, status, fetched_at, fetched_at, NULL
    FROM quantum_tasks
    WHERE NOT is_terminal
),
watched AS (
    -- CANCELLING is no sign of a start: a task may be cancelled while it waits
    SELECT
        quantum_task_arn,
        max(last_seen_at) FILTER (status IN ('CREATED', 'QUEUED')) AS last_waiting_at,
        min(first_seen_at) FILTER (status IN ('RUNNING', 'COMPLETED', 'FAILED')) AS first_left_at,
        max(first_seen_at) FILTER (status IN ('RUNNING', 'COMPLETED', 'FAILED')) AS last_left_at,
        max(last_seen_at) FILTER (status = 'RUNNING') AS last_running_at,
        min(event_time) FILTER (status = 'RUNNING') AS started_at
    FROM sights
    GROUP BY quantum_task_arn
    HAVING count(*) FILTER (status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')) > 0
),
parallel AS (
    -- QPUs on which an own task was seen running, by over two seconds, before another one that was seen running had ended
    SELECT device_arn
    FROM (
        SELECT
            t.device_arn,
            r.running_us,
            max(epoch_us(t.ended_at)) OVER (
                PARTITION BY t.device_arn ORDER BY r.running_us, t.quantum_task_arn
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS ended_us
        FROM (
            SELECT quantum_task_arn, min(seen_us) AS running_us
            FROM (
                SELECT quantum_task_arn, epoch_us(observed_at) AS seen_us FROM task_observations WHERE status = 'RUNNING'
                UNION ALL
                SELECT quantum_task_arn, epoch_us(event_time) FROM state_changes WHERE status = 'RUNNING' AND doubt IS NULL
            )
            GROUP BY quantum_task_arn
        ) AS r
        JOIN quantum_tasks AS t ON t.quantum_task_arn = r.quantum_task_arn
        WHERE t.device_type = 'QPU' AND t.status = 'COMPLETED'
    )
    WHERE ended_us > running_us + 2000000
    GROUP BY device_arn
),
endings AS (
    -- Each instant at which own tasks completed on a QPU, and the one before. By order of ending, not of creation: tasks that
    -- are sent together need not run in that order. One row an instant: of tasks that ended at once one has an earlier one
    -- before it. A device's hash is sorted and joined by in half the time that its ARN takes
    SELECT
        hash(device_arn) AS device,
        epoch_us(ended_at) AS ended_us,
        lag(ended_us) OVER (PARTITION BY device ORDER BY ended_us) AS before_us
    FROM quantum_tasks
    WHERE device_type = 'QPU' AND status = 'COMPLETED' AND ended_at IS NOT NULL
    QUALIFY before_us < ended_us
),
-- made of the tables, not of `timed`: what is read twice is kept whole, with every column of all tasks
overheads AS (
    SELECT
        t.device_arn,
        min(greatest(0, greatest(0, (epoch_us(t.ended_at) - epoch_us(t.created_at)) / 1e6) - r.execution_duration_ms / 1e3))
            AS overhead
    FROM quantum_tasks AS t
    JOIN task_results AS r ON r.quantum_task_arn = t.quantum_task_arn
    WHERE t.device_type = 'SIMULATOR' AND t.is_terminal AND t.ended_at IS NOT NULL
        AND r.execution_duration_ms IS NOT NULL
    GROUP BY t.device_arn
),
closures AS (
    SELECT
        hash(device_arn) AS device,
        epoch_us(closed_from) AS from_us,
        epoch_us(closed_to) AS to_us,
        CASE WHEN is_assumed THEN 'device_closed_assumed' ELSE 'device_closed' END AS why,
        unnest(range(epoch_us(closed_from) // 86400000000, epoch_us(closed_to) // 86400000000 + 1)) AS day
    FROM device_closures
),
-- From here on times are seconds since the task's creation. A clock that shows whole seconds can be behind the
-- creation time, hence greatest(0, …), which passes over NULL: each has its guard. epoch_us, not date_diff, which asks
-- a calendar for each row.
timed AS (
    SELECT
        t.quantum_task_arn,
        t.device_arn,
        t.device_name,
        t.device_type,
        t.account_id,
        t.region,
        t.tags,
        t.created_by,
        t.created_at,
        t.ended_at,
        t.status,
        t.shots,
        t.job_arn,
        t.reservation_arn IS NOT NULL AS is_reservation,
        CASE WHEN t.reservation_arn IS NOT NULL AND v.start_at > t.created_at
            THEN (epoch_us(v.start_at) - epoch_us(t.created_at)) / 1e6 END AS reservation_start,
        CASE WHEN l.device_arn IS NULL AND t.status = 'COMPLETED' AND e.before_us > epoch_us(t.created_at)
            THEN (e.before_us - epoch_us(t.created_at)) / 1e6 END AS own_task_ended,
        hash(t.device_arn) AS device,
        o.overhead,
        w.quantum_task_arn IS NOT NULL AS is_watched,
        CASE WHEN t.is_terminal AND t.ended_at IS NOT NULL
            THEN greatest(0, (epoch_us(t.ended_at) - epoch_us(t.created_at)) / 1e6) END AS turnaround,
        CASE WHEN w.last_waiting_at IS NOT NULL
            THEN greatest(0, (epoch_us(w.last_waiting_at) - epoch_us(t.created_at)) / 1e6) END AS last_waiting,
        CASE WHEN w.last_running_at IS NOT NULL
            THEN greatest(0, (epoch_us(w.last_running_at) - epoch_us(t.created_at)) / 1e6) END AS last_running,
        CASE WHEN w.started_at IS NOT NULL
            THEN greatest(0, (epoch_us(w.started_at) - epoch_us(t.created_at)) / 1e6) END AS known_start,
        w.last_running_at IS NOT NULL OR t.status IN ('RUNNING', 'COMPLETED') AS has_started,
        CASE
            WHEN w.first_left_at IS NOT NULL
                THEN greatest(0, (epoch_us(
                    -- a task seen waiting after it was seen started went back to the queue, or that answer was old
                    CASE WHEN w.first_left_at <= w.last_waiting_at THEN w.last_left_at ELSE w.first_left_at END
                ) - epoch_us(t.created_at)) / 1e6)
            WHEN t.is_terminal
                THEN greatest(0, (epoch_us(
                    CASE WHEN w.quantum_task_arn IS NULL THEN t.first_seen_at ELSE t.fetched_at END
                ) - epoch_us(t.created_at)) / 1e6)
        END AS left_queue,
        CASE WHEN t.device_type = 'SIMULATOR' THEN r.execution_duration_ms / 1e3 END AS execution
    FROM quantum_tasks AS t
    LEFT JOIN watched AS w ON w.quantum_task_arn = t.quantum_task_arn
    LEFT JOIN task_results AS r ON r.quantum_task_arn = t.quantum_task_arn
    LEFT JOIN overheads AS o ON o.device_arn = t.device_arn
    LEFT JOIN parallel AS l ON l.device_arn = t.device_arn
    LEFT JOIN endings AS e ON e.device = hash(t.device_arn) AND e.ended_us = epoch_us(t.ended_at)
    LEFT JOIN reservations AS v ON v.reservation_arn = t.reservation_arn
),
classified AS (
    SELECT
        t.*,
        CASE WHEN t.turnaround IS NOT NULL AND t.execution IS NOT NULL
            THEN greatest(0, t.turnaround - t.execution) END AS wait_and_overhead,
        -- it may have run between the last sight of it waiting and its end; that it had waited so far stays true
        NOT t.has_started AND t.last_waiting IS NOT NULL AND t.status = 'CANCELLED' AS is_cancelled_in_queue,
        NOT t.has_started AND t.status <> 'FAILED' AND (t.status <> 'CANCELLED' OR t.last_waiting IS NOT NULL)
            AS is_censored,
        -- at least so long it waited for others of ours or for its reservation, if it ran
        CASE WHEN t.has_started AND t.known_start IS NULL AND t.device_type = 'QPU'
            THEN greatest(coalesce(t.last_waiting, 0), t.own_task_ended, t.reservation_start)
        END AS bound_lower
    FROM timed AS t
),
watched_bounds AS (
    SELECT
        *,
        CASE
            WHEN is_censored THEN NULL
            WHEN known_start IS NOT NULL THEN least(known_start, turnaround)
            ELSE least(left_queue, turnaround, wait_and_overhead)  -- least and greatest pass over NULL
        END AS wait_upper,
        CASE WHEN known_start IS NULL THEN least(coalesce(last_waiting, 0), turnaround, wait_upper)
            ELSE wait_upper END AS seen_lower
    FROM classified
),
moments AS (
    SELECT
        *,
        epoch_us(created_at) AS created_us,
        CASE WHEN NOT is_reservation THEN epoch_us(created_at) + (bound_lower * 1e6)::BIGINT END AS lower_us
    FROM watched_bounds
),
opened AS (
    SELECT m.*, coalesce((c.to_us - m.created_us) / 1e6, m.bound_lower) AS open_lower, c.why
    FROM moments AS m
    LEFT JOIN closures AS c
        ON c.device = m.device AND c.day = m.lower_us // 86400000000
        AND m.lower_us >= c.from_us AND m.lower_us < c.to_us
),
bounds AS (
    -- what contradicts what was seen of the task counts for nothing
    SELECT *, CASE WHEN open_lower <= wait_upper THEN open_lower ELSE seen_lower END AS wait_lower
    FROM opened
)
SELECT
    quantum_task_arn,
    device_arn,
    created_at,
    ended_at,
    wait_lower::DOUBLE AS wait_seconds_lower,
    wait_upper::DOUBLE AS wait_seconds_upper,
    CASE
        WHEN execution IS NOT NULL THEN execution
        WHEN turnaround IS NOT NULL AND is_censored THEN 0
        WHEN turnaround IS NOT NULL THEN greatest(0, turnaround - wait_upper)
        WHEN has_started AND last_running IS NOT NULL THEN greatest(0, last_running - wait_upper)
    END::DOUBLE AS run_seconds_lower,
    CASE
        WHEN execution IS NOT NULL THEN execution
        WHEN turnaround IS NOT NULL THEN turnaround - wait_lower
    END::DOUBLE AS run_seconds_upper,
    turnaround::DOUBLE AS turnaround_seconds,
    is_reservation,
    is_censored,
    CASE
        WHEN is_cancelled_in_queue THEN 'cancelled_in_queue'
        WHEN status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN lower(status)
    END AS end_kind,
    CASE
        WHEN known_start IS NOT NULL THEN 'exact'
        WHEN is_watched THEN 'polled'
        ELSE 'bounds_only'
    END AS basis,
    CASE
        WHEN known_start IS NOT NULL THEN 'event'
        WHEN wait_lower > seen_lower
            THEN coalesce(why, CASE WHEN own_task_ended = wait_lower THEN 'own_task' ELSE 'reservation' END)
        WHEN last_waiting > 0 THEN 'poll'
        ELSE 'creation'
    END AS lower_from,
    CASE
        WHEN wait_upper IS NULL THEN NULL
        WHEN known_start IS NOT NULL THEN 'event'
        WHEN wait_upper < turnaround AND wait_upper = wait_and_overhead THEN 'result'
        WHEN wait_upper = turnaround THEN 'end'
        ELSE 'poll'
    END AS upper_from,
    CASE
        WHEN known_start IS NOT NULL THEN wait_lower
        WHEN wait_and_overhead IS NOT NULL THEN wait_and_overhead - overhead
        WHEN is_censored THEN wait_lower
        ELSE coalesce(last_waiting, 0)
    END::DOUBLE AS stat_seconds_lower,
    CASE
        WHEN NOT has_started THEN NULL  -- also a failed task that was never seen running: it may have been refused
        WHEN known_start IS NOT NULL THEN wait_upper
        WHEN wait_and_overhead IS NOT NULL THEN wait_and_overhead - overhead
        ELSE greatest(left_queue, last_waiting)
    END::DOUBLE AS stat_seconds_upper,
    wait_and_overhead::DOUBLE AS wait_and_overhead_seconds,
    overhead::DOUBLE AS overhead_seconds,
    NOT is_reservation AND (has_started OR last_waiting IS NOT NULL) AS is_counted,
    shots,
    job_arn,
    account_id,
    region,
    device_name,
    device_type,
    tags,
    created_by
FROM bounds
