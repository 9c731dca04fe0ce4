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
WITH stages AS (
    SELECT job_arn, is_terminal, len(stages) AS n_stages, unnest(stages) AS s, generate_subscripts(stages, 1) AS place
    FROM job_timelines
)
SELECT
    job_arn,
    place - 1 AS stage_index,
    s.stage AS stage,
    s.phase AS phase,
    s.started_at AS started_at,
    s.ended_at AS ended_at,
    s.seconds AS seconds,
    place = n_stages AND NOT is_terminal AS is_open
FROM stages
