-- One row a stage of a hybrid job, from creation to end without a gap: the seconds of a job's stages add up to its
-- turnaround. A stage begins with an event and lasts until the next event of another kind. Events without time or
-- kind say nothing and are passed over; events out of order are put in order of time; one before the creation or
-- after the end is moved to it. The stage before the first event is called CREATED. A job without a RUNNING event
-- runs from its startedAt.
--
-- group: latency
-- key: job_arn, stage_index
-- job_arn: the job
-- stage_index: order of the stage in the job, from 0
-- stage: CREATED, or the kind of the event that began it
-- phase: queue (waiting for the device), startup, run, deprioritized (runs without priority on the device), upload, end
-- started_at: when the stage began
-- ended_at: when it ended; for the last stage of an open job, when the job was last seen
-- seconds: from started_at to ended_at
-- is_open: whether the stage goes on
WITH last_seen AS (
    SELECT job_arn, max(last_observed_at) AS last_observed_at FROM job_observations GROUP BY job_arn
),
spans AS (
    SELECT
        j.job_arn,
        j.created_at,
        j.started_at,
        NOT j.is_terminal AS is_open,
        greatest(
            j.created_at,
            CASE WHEN j.is_terminal THEN coalesce(j.ended_at, j.fetched_at)
                ELSE greatest(j.fetched_at, s.last_observed_at) END
        ) AS ended_at
    FROM jobs AS j
    LEFT JOIN last_seen AS s ON s.job_arn = j.job_arn
),
timed_events AS (
    SELECT job_arn, event_type, time_of_event, event_index
    FROM job_events
    WHERE event_type IS NOT NULL AND time_of_event IS NOT NULL
),
jobs_seen_running AS (
    SELECT DISTINCT job_arn FROM timed_events WHERE event_type = 'RUNNING'
),
beginnings AS (
    SELECT job_arn, 'CREATED' AS stage, created_at AS begins_at, -1 AS event_index FROM spans
    UNION ALL
    SELECT e.job_arn, e.event_type, greatest(s.created_at, least(e.time_of_event, s.ended_at)), e.event_index
    FROM timed_events AS e
    JOIN spans AS s ON s.job_arn = e.job_arn
    UNION ALL
    SELECT s.job_arn, 'RUNNING', greatest(s.created_at, least(s.started_at, s.ended_at)), -1
    FROM spans AS s
    ANTI JOIN jobs_seen_running AS r ON r.job_arn = s.job_arn
    WHERE s.started_at IS NOT NULL
),
changes AS (
    -- the creation comes first even where an event bears the same time
    SELECT
        *,
        lag(stage) OVER (PARTITION BY job_arn ORDER BY begins_at, stage <> 'CREATED', event_index) AS stage_before
    FROM beginnings
),
stages AS (
    SELECT
        job_arn,
        stage,
        begins_at AS started_at,
        row_number() OVER by_time - 1 AS stage_index,
        lead(begins_at) OVER by_time AS next_at,
        count(*) FILTER (stage = 'RUNNING') OVER by_time > 0 AS has_run
    FROM changes
    WHERE stage IS DISTINCT FROM stage_before
    WINDOW by_time AS (PARTITION BY job_arn ORDER BY begins_at, stage <> 'CREATED', event_index)
)
SELECT
    g.job_arn,
    g.stage_index,
    g.stage,
    CASE
        WHEN g.stage IN ('DEPRIORITIZED_DUE_TO_INACTIVITY', 'WAITING_FOR_PRIORITY') AND g.has_run
            THEN 'deprioritized'  -- its program runs on, its tasks no longer go first
        WHEN g.stage IN ('CREATED', 'WAITING_FOR_PRIORITY', 'QUEUED_FOR_EXECUTION') THEN 'queue'
        WHEN g.stage IN ('STARTING_INSTANCE', 'DOWNLOADING_DATA') THEN 'startup'
        WHEN g.stage = 'RUNNING' THEN 'run'
        WHEN g.stage = 'UPLOADING_RESULTS' THEN 'upload'
        WHEN g.stage IN ('COMPLETED', 'FAILED', 'CANCELLED', 'MAX_RUNTIME_EXCEEDED') THEN 'end'
        ELSE 'other'
    END AS phase,
    g.started_at,
    coalesce(g.next_at, s.ended_at) AS ended_at,
    (epoch_us(coalesce(g.next_at, s.ended_at)) - epoch_us(g.started_at)) / 1e6 AS seconds,
    g.next_at IS NULL AND s.is_open AS is_open
FROM stages AS g
JOIN spans AS s ON s.job_arn = g.job_arn
