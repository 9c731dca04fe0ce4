-- One row a hybrid job with its stages as a list: what job_stages and job_latency read, so that events are put in order
-- in one place. For questions read those, which say what each value means.
--
-- group: latency
-- key: job_arn
-- job_arn: the job
-- device_arn: the device it has priority on, or local:provider/simulator
-- status: status of the job
-- is_terminal: whether it has ended
-- is_reservation: whether it ran in a reserved window
-- created_at: when it was created
-- started_at: startedAt of Braket; NULL where it gives none
-- ended_at: when it ended; NULL while it has not
-- last_seen_at: its end, or when it was last seen; never before created_at
-- account_id: account that owns it
-- region: Region in which it was created
-- device_name: last part of the device ARN
-- tags: its tags
-- created_by: who created it, where that is kept
-- stages: its stages in order, each with stage, phase, started_at, ended_at and seconds, without a gap from created_at to
--   last_seen_at
WITH last_seen AS (
    SELECT job_arn, max(last_observed_at) AS last_observed_at FROM job_observations GROUP BY job_arn
),
-- A job has few events: as a list of its own they are put in order sooner than by windows over all events.
told AS (
    SELECT
        job_arn,
        list({'at': time_of_event, 'event_index': event_index, 'stage': event_type}) AS events,
        bool_or(event_type = 'RUNNING') AS is_seen_running
    FROM job_events
    WHERE event_type IS NOT NULL AND time_of_event IS NOT NULL
    GROUP BY job_arn
),
spans AS (
    SELECT
        j.*,
        CASE WHEN t.is_seen_running THEN NULL ELSE j.started_at END AS started_without_event_at,
        greatest(
            j.created_at,
            CASE WHEN j.is_terminal THEN coalesce(j.ended_at, j.fetched_at)
                ELSE greatest(j.fetched_at, s.last_observed_at) END
        ) AS last_seen_at,
        t.events
    FROM jobs AS j
    LEFT JOIN last_seen AS s ON s.job_arn = j.job_arn
    LEFT JOIN told AS t ON t.job_arn = j.job_arn
),
-- the creation comes first even where an event bears the same time
ordered AS (
    SELECT
        *,
        [{'at': created_at, 'event_index': -1::BIGINT, 'stage': 'CREATED'}] || list_sort(list_concat(
            [
                {
                    'at': greatest(created_at, least(e.at, last_seen_at)),
                    'event_index': e.event_index,
                    'stage': e.stage
                }
                FOR e IN events
            ],
            CASE WHEN started_without_event_at IS NOT NULL THEN [{
                'at': greatest(created_at, least(started_without_event_at, last_seen_at)),
                'event_index': -1::BIGINT,
                'stage': 'RUNNING'
            }] END
        )) AS beginnings
    FROM spans
),
changes AS (
    SELECT
        *,
        [b FOR b, i IN beginnings IF i = 1 OR b.stage <> beginnings[i - 1].stage] AS changes
    FROM ordered
),
-- beside each stage its place, when the next one begins, and the place of the first run
placed AS (
    SELECT
        *,
        list_zip(changes, range(1, len(changes) + 1), [c.at FOR c IN changes[2:]] || [last_seen_at]) AS places,
        list_position([c.stage FOR c IN changes], 'RUNNING') AS run_place
    FROM changes
),
phased AS (
    SELECT
        *,
        [
            {
                'stage': p[1].stage,
                'phase': CASE
                    WHEN p[1].stage IN ('DEPRIORITIZED_DUE_TO_INACTIVITY', 'WAITING_FOR_PRIORITY')
                        AND p[2] > run_place
                        THEN 'deprioritized'  -- its program runs on, its tasks no longer go first
                    WHEN p[1].stage IN ('CREATED', 'WAITING_FOR_PRIORITY', 'QUEUED_FOR_EXECUTION') THEN 'queue'
                    WHEN p[1].stage IN ('STARTING_INSTANCE', 'DOWNLOADING_DATA') THEN 'startup'
                    WHEN p[1].stage = 'RUNNING' THEN 'run'
                    WHEN p[1].stage = 'UPLOADING_RESULTS' THEN 'upload'
                    WHEN p[1].stage IN ('COMPLETED', 'FAILED', 'CANCELLED', 'MAX_RUNTIME_EXCEEDED') THEN 'end'
                    ELSE 'other'
                END,
                'started_at': p[1].at,
                'ended_at': p[3],
                'seconds': (epoch_us(p[3]) - epoch_us(p[1].at)) / 1e6
            }
            FOR p IN places
        ] AS stages
    FROM placed
)
SELECT
    job_arn,
    device_config_device AS device_arn,
    status,
    is_terminal,
    reservation_arn IS NOT NULL AS is_reservation,
    created_at,
    started_at,
    CASE WHEN is_terminal THEN ended_at END AS ended_at,
    last_seen_at,
    account_id,
    region,
    device_name,
    tags,
    created_by,
    stages
FROM phased
