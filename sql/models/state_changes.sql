-- One row an event of EventBridge: the change of state that it tells, and whether that can be true. Waits are made of the
-- events without a doubt; the others are kept.
--
-- group: latency
-- key: event_id
-- event_id: the event, in state_change_events
-- record_arn: the task or the job
-- quantum_task_arn: the task, for events of tasks
-- job_arn: the job, for events of jobs
-- status: the new status
-- event_time: when the status changed, to the second
-- doubt: why the event cannot be true, else NULL: another `source` than Braket; another `account`, `region` or `kind` than
--   its ARN's; a time in the `future` of when it was read, `before creation` or `after end` of its record
WITH known AS (
    SELECT quantum_task_arn AS arn, created_at, ended_at, is_terminal, fetched_at FROM quantum_tasks
    UNION ALL
    SELECT job_arn, created_at, ended_at, is_terminal, fetched_at FROM jobs
)
SELECT
    e.event_id,
    e.record_arn,
    e.quantum_task_arn,
    e.job_arn,
    e.status,
    e.event_time,
    CASE
        -- EventBridge takes events of any source from anyone who may put them; older versions did not keep theirs
        WHEN e.source <> 'aws.braket' THEN 'source'
        WHEN e.account_id <> split_part(e.record_arn, ':', 5) THEN 'account'
        WHEN e.region <> split_part(e.record_arn, ':', 4) THEN 'region'
        WHEN split_part(split_part(e.record_arn, ':', 6), '/', 1)
            <> CASE WHEN e.detail_type = 'Braket Job State Change' THEN 'job' ELSE 'quantum-task' END THEN 'kind'
        -- read by this machine's clock, which may be some minutes off
        WHEN e.event_time > e.fetched_at + INTERVAL 5 MINUTE THEN 'future'
        -- times of events are whole seconds, and two clocks of Braket's differ a little
        WHEN e.event_time < k.created_at - INTERVAL 5 SECOND THEN 'before creation'
        -- what it was before its end cannot begin after it; that it ended may be told some minutes late
        WHEN k.is_terminal AND e.event_time > coalesce(k.ended_at, k.fetched_at) + CASE
            WHEN e.status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN INTERVAL 5 MINUTE ELSE INTERVAL 5 SECOND
        END THEN 'after end'
    END AS doubt
FROM state_change_events AS e
LEFT JOIN known AS k ON k.arn = e.record_arn
