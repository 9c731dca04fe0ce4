-- One row a device: what 1,000 successful shots cost and how long they took, queue included, with how many tasks
-- failed. Over all terminal tasks that did not run in a reservation (its hours are billed apart); tasks on simulators
-- with 0 shots count as tasks, but bring no shots.
--
-- group: latency
-- key: device_arn
-- device_arn: the device
-- n_tasks: tasks that ended
-- n_completed: those of them that completed
-- failure_rate: share that failed, 0 to 1
-- cancel_rate: share that was cancelled
-- cancelled_in_queue_rate: share that was cancelled and was seen waiting but never running
-- successful_shots: shots that succeeded; where Braket gives no number, those requested of completed tasks
-- cost_usd: list price of these tasks; NULL where none of them has a price
-- n_unpriced: tasks without a price or duration, left out of cost_usd; where there are any, the cost is too low
-- cost_per_1000_shots_usd: dollars per 1,000 successful shots; NULL without shots, or while n_unpriced is not 0
-- turnaround_hours: hours from creation to end, summed over the tasks
-- hours_per_1000_shots: hours per 1,000 successful shots, if tasks are sent one after the other
-- run_hours_lower: hours of running, summed, at least
-- run_hours_upper: at most
WITH
-- each of the three is summed up by itself: to bring them together task by task would cost more than all the rest
tasks AS (
    SELECT
        device_arn,
        count(*) AS n_tasks,
        count(*) FILTER (status = 'COMPLETED') AS n_completed,
        count(*) FILTER (status = 'FAILED') AS n_failed,
        count(*) FILTER (status = 'CANCELLED') AS n_cancelled,
        sum(CASE WHEN status = 'COMPLETED' THEN coalesce(num_successful_shots, shots) ELSE 0 END::DOUBLE)
            AS successful_shots
    FROM quantum_tasks
    WHERE is_terminal AND reservation_arn IS NULL
    GROUP BY device_arn
),
times AS (
    SELECT
        device_arn,
        count(*) FILTER (end_kind = 'cancelled_in_queue') AS n_cancelled_in_queue,
        sum(turnaround_seconds) / 3600 AS turnaround_hours,
        sum(run_seconds_lower) / 3600 AS run_hours_lower,
        sum(run_seconds_upper) / 3600 AS run_hours_upper
    FROM task_latency
    WHERE end_kind IS NOT NULL AND NOT is_reservation
    GROUP BY device_arn
),
costs AS (
    SELECT
        device_arn,
        -- one absurd price must not overflow the sum
        TRY_CAST(sum(cost_usd) FILTER (abs(cost_usd) < 1e15) AS DECIMAL(38, 12)) AS cost_usd,
        count(*) FILTER (coalesce(abs(cost_usd) >= 1e15, true)) AS n_unpriced
    FROM priced_tasks
    WHERE is_terminal AND reservation_arn IS NULL
    GROUP BY device_arn
),
totals AS (
    SELECT t.*, l.* EXCLUDE (device_arn), c.* EXCLUDE (device_arn)
    FROM tasks AS t
    JOIN times AS l ON l.device_arn = t.device_arn
    JOIN costs AS c ON c.device_arn = t.device_arn
)
SELECT
    device_arn,
    n_tasks,
    n_completed,
    n_failed / n_tasks AS failure_rate,
    n_cancelled / n_tasks AS cancel_rate,
    n_cancelled_in_queue / n_tasks AS cancelled_in_queue_rate,
    TRY_CAST(successful_shots AS BIGINT) AS successful_shots,
    cost_usd,
    n_unpriced,
    -- a mean, not a sum to be billed: it is computed in floating point and shown with the digits of money
    CASE WHEN n_unpriced = 0 AND successful_shots > 0
        THEN TRY_CAST(cost_usd::DOUBLE * (1000 / successful_shots) AS DECIMAL(38, 12))
    END AS cost_per_1000_shots_usd,
    turnaround_hours,
    CASE WHEN successful_shots > 0 THEN turnaround_hours * (1000 / successful_shots) END AS hours_per_1000_shots,
    run_hours_lower,
    run_hours_upper
FROM totals
