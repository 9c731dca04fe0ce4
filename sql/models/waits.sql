-- One row a quantum task and one a hybrid job: the wait as it counts. Everything that counts or sums up waits reads this,
-- so all agree on what counts, on the bounds and on the reservations, as all that sums costs reads charges.
-- A quantile of a wait is the discrete one, quantile_disc, of wait_seconds_lower and of wait_seconds_at_most. The k-th
-- smallest lower bound is never above the k-th smallest wait, and the k-th smallest upper bound never below, so the
-- two hold for certain. An interpolated quantile lies between the bounds of two tasks, and is lost
-- where one of them has no upper bound.
--
-- group: latency
-- key: record_arn
-- record_kind: task or job
-- record_arn: ARN of the task or job
-- account_id: account that owns it
-- region: Region in which it was created
-- device_arn: the device; of a job, the one it has priority on
-- device_name: last part of the device ARN
-- device_type: QPU or SIMULATOR; NULL for a job
-- created_at: when it was created, and its wait began
-- ended_at: when it ended; NULL while it has not
-- wait_seconds_lower: it waited at least so long, in seconds from creation
-- wait_seconds_upper: it waited at most so long; NULL where nothing bounds it
-- wait_seconds_at_most: the same as a number to sum up by quantiles: infinity where nothing bounds it
-- certainty: exact (the two bounds are one, to the second), bounded (it lies between the two bounds), or censored (it is only
--   known to exceed wait_seconds_lower: it still waits, or was cancelled waiting)
-- is_waiting: whether it waits still, as far as it was seen
-- end_kind: completed, failed, cancelled, or cancelled_in_queue; NULL while it is open
-- basis: how its start is known, as in task_latency and job_latency
-- is_counted: whether statistics of waits count it
-- left_out: why they do not: reservation (it waited for its window), or end_not_seen (nothing tells when its wait ended);
--   NULL where they do
-- is_estimated_from: whether estimates rest on it: it counts, and is not one first seen when it had ended, over a day after
--   its creation, whose turnaround is not known. Such a one says nothing of its wait, and when it was first seen does not
--   depend on that wait, so to leave it out is fair. To leave it out because it had ended would not be
-- stat_seconds_lower: last sight of it waiting, in seconds from creation; estimates read this and the next
-- stat_seconds_upper: first sight of it started; NULL where it may never have started
-- queue_seconds: of a job, the part of the wait before its instance was started; NULL where no event tells
-- startup_seconds: of a job, the part of the wait in which its instance started; NULL where no event tells
-- run_seconds_lower: it ran at least so long; NULL while it waits
-- run_seconds_upper: it ran at most so long; NULL while it waits, and for a task that runs
-- turnaround_seconds: from creation to end; NULL while it has not ended
-- shots: of a task, those that were asked for
-- job_arn: of a task, the hybrid job that sent it
-- tags: its tags
-- created_by: who created it, where that is kept; of a task in a job, who created the job
WITH
-- Jobs are sorted, and come before the tasks, for clients of DuckDB 1.4, as in charges: there a result that is streamed
-- waits for ever where a UNION ALL begins with rows that are made on the way.
jobs_sorted AS (
    SELECT
        'job' AS record_kind,
        job_arn AS record_arn,
        account_id,
        region,
        device_arn,
        device_name,
        NULL AS device_type,
        created_at,
        ended_at,
        wait_seconds_lower,
        wait_seconds_upper,
        is_censored,
        end_kind,
        basis,
        is_reservation,
        NOT is_reservation AS is_counted,
        NOT is_reservation AS is_estimated_from,
        wait_seconds_lower AS stat_seconds_lower,
        wait_seconds_upper AS stat_seconds_upper,
        queue_seconds,
        startup_seconds,
        run_seconds AS run_seconds_lower,
        run_seconds AS run_seconds_upper,
        turnaround_seconds,
        NULL AS shots,
        NULL AS task_job_arn,
        tags,
        created_by
    FROM job_latency
    ORDER BY record_arn
),
records AS (
    SELECT * FROM jobs_sorted
    UNION ALL
    SELECT
        'task',
        quantum_task_arn,
        account_id,
        region,
        device_arn,
        device_name,
        device_type,
        created_at,
        ended_at,
        wait_seconds_lower,
        wait_seconds_upper,
        is_censored,
        end_kind,
        basis,
        is_reservation,
        is_counted,
        is_counted AND NOT (
            basis = 'bounds_only' AND coalesce(stat_seconds_upper > 86400, false) AND wait_and_overhead_seconds IS NULL
            AND (turnaround_seconds IS NULL OR end_kind <> 'completed' OR device_type <> 'QPU')
        ),
        stat_seconds_lower,
        stat_seconds_upper,
        NULL,
        NULL,
        run_seconds_lower,
        run_seconds_upper,
        turnaround_seconds,
        shots,
        job_arn,
        tags,
        created_by
    FROM task_latency
)
SELECT
    record_kind,
    record_arn,
    account_id,
    region,
    device_arn,
    device_name,
    device_type,
    created_at,
    ended_at,
    wait_seconds_lower,
    wait_seconds_upper,
    coalesce(wait_seconds_upper, 'infinity'::DOUBLE) AS wait_seconds_at_most,
    CASE
        WHEN is_censored THEN 'censored'
        WHEN wait_seconds_lower = wait_seconds_upper THEN 'exact'
        ELSE 'bounded'
    END AS certainty,
    is_censored AND end_kind IS NULL AS is_waiting,
    end_kind,
    basis,
    is_counted,
    CASE WHEN is_reservation THEN 'reservation' WHEN NOT is_counted THEN 'end_not_seen' END AS left_out,
    is_estimated_from,
    stat_seconds_lower,
    stat_seconds_upper,
    queue_seconds,
    startup_seconds,
    run_seconds_lower,
    run_seconds_upper,
    turnaround_seconds,
    shots,
    task_job_arn AS job_arn,
    tags,
    created_by
FROM records
