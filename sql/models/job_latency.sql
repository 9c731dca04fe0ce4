-- One row a hybrid job: how long it waited, started up and ran. Exact, as Braket gives a job its start.
--
-- group: latency
-- key: job_arn
-- job_arn: the job
-- device_arn: the device it has priority on, or local:provider/simulator
-- created_at: when it was created
-- started_at: when it started to run; from its RUNNING event where Braket gives no startedAt; NULL while it has not
-- ended_at: when it ended; NULL while it has not
-- wait_seconds_lower: from creation to start; for a job that has not started, to the last sight of it
-- wait_seconds_upper: the same; NULL where it has not started (is_censored)
-- queue_seconds: the part of the wait before the instance was started; NULL where no event tells
-- startup_seconds: the part of the wait in which the instance started and data was loaded; NULL where no event tells
-- run_seconds: from start to end, or to the last sight of it while it runs
-- deprioritized_seconds: the part of run_seconds without priority on the device
-- upload_seconds: the part of run_seconds in which results were uploaded
-- turnaround_seconds: from creation to end; NULL while it has not ended
-- is_reservation: whether it ran in a reserved window, for which it waited
-- is_censored: whether its wait is only known to exceed wait_seconds_lower
-- end_kind: completed, failed, cancelled, or cancelled_in_queue (it never started); NULL while it has not ended
-- basis: exact, or events where only an event tells the start; NULL where it has not started
-- account_id: account that owns it
-- region: Region in which it was created
-- device_name: last part of the device ARN
-- tags: its tags
-- created_by: who created it, where that is kept
WITH phases AS (
    SELECT
        *,
        list_min([s.started_at FOR s IN stages IF s.stage = 'RUNNING']) AS running_at,
        len([s.stage FOR s IN stages IF s.stage NOT IN ('CREATED', 'RUNNING')]) > 0 AS has_events,
        list_sum([s.seconds FOR s IN stages IF s.phase = 'queue']) AS queue_seconds,
        coalesce(list_sum([s.seconds FOR s IN stages IF s.phase = 'startup']), 0) AS startup_seconds,
        coalesce(list_sum([s.seconds FOR s IN stages IF s.phase = 'deprioritized']), 0) AS deprioritized_seconds,
        coalesce(list_sum([s.seconds FOR s IN stages IF s.phase = 'upload']), 0) AS upload_seconds
    FROM job_timelines
),
started AS (
    SELECT
        * REPLACE (coalesce(started_at, running_at) AS started_at),
        CASE WHEN started_at IS NOT NULL THEN 'exact' WHEN running_at IS NOT NULL THEN 'events' END AS basis
    FROM phases
)
SELECT
    job_arn,
    device_arn,
    created_at,
    started_at,
    ended_at,
    greatest(0, (epoch_us(coalesce(started_at, last_seen_at)) - epoch_us(created_at)) / 1e6)
        AS wait_seconds_lower,
    CASE WHEN started_at IS NOT NULL
        THEN greatest(0, (epoch_us(started_at) - epoch_us(created_at)) / 1e6)
    END AS wait_seconds_upper,
    CASE WHEN has_events THEN queue_seconds END AS queue_seconds,
    CASE WHEN has_events THEN startup_seconds END AS startup_seconds,
    CASE WHEN started_at IS NOT NULL
        THEN greatest(0, (epoch_us(coalesce(ended_at, last_seen_at)) - epoch_us(started_at)) / 1e6)
    END AS run_seconds,
    CASE WHEN started_at IS NOT NULL THEN deprioritized_seconds END AS deprioritized_seconds,
    CASE WHEN started_at IS NOT NULL THEN upload_seconds END AS upload_seconds,
    CASE WHEN ended_at IS NOT NULL
        THEN greatest(0, (epoch_us(ended_at) - epoch_us(created_at)) / 1e6)
    END AS turnaround_seconds,
    is_reservation,
    started_at IS NULL AS is_censored,
    CASE
        WHEN status = 'CANCELLED' AND started_at IS NULL THEN 'cancelled_in_queue'
        WHEN status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN lower(status)
    END AS end_kind,
    basis,
    account_id,
    region,
    device_name,
    tags,
    created_by
FROM started
