-- title: Tasks and jobs that nobody is named for
-- question: Of which tasks and jobs is it not known who created them, why not, and what did they cost?
-- read: of a task in a job it is the call that created the job that counts. `too old`: created before the 90 days that CloudTrail
--   remembered when it was first asked; a trail's files in the feed may have it. `not asked`: BRAKET_ETL_CREATED_BY was off, or
--   the call is younger than the last look. `not reached`: the next syncs go on there. `refused`: problem says why.
--   `no call`: CloudTrail tells of none, or it comes late. Where n_unknown is not 0, cost_usd is more. No rows: all are known.
-- chapter: What is not known, 85
WITH records AS (
    SELECT
        'task' AS kind,
        t.quantum_task_arn AS arn,
        t.account_id,
        t.region,
        coalesce(j.created_at, t.created_at) AS called_at,
        CASE WHEN t.job_arn IS NULL THEN 'CreateQuantumTask' ELSE 'CreateJob' END AS event_name
    FROM quantum_tasks AS t
    LEFT JOIN jobs AS j ON j.job_arn = t.job_arn
    WHERE t.created_by IS NULL
    UNION ALL
    SELECT 'job', job_arn, account_id, region, created_at, 'CreateJob'
    FROM jobs
    WHERE created_by IS NULL
),
names AS (
    SELECT DISTINCT account, account_id
    FROM etl.coverage
    WHERE account_id IS NOT NULL
),
looks AS (
    SELECT
        n.account_id,
        l.region,
        l.event_name,
        min(l.since) AS since,
        max(l.until) AS until,
        max(l.problem) AS problem,
        list({'since': l.since, 'until': l.until, 'reached': l.reached}) AS stretches
    FROM etl.caller_lookups AS l
    JOIN names AS n ON n.account = l.account
    GROUP BY n.account_id, l.region, l.event_name
),
told AS (
    SELECT
        r.kind,
        r.arn,
        r.called_at,
        l.problem,
        CASE
            WHEN l.account_id IS NULL OR r.called_at > l.until THEN 'not asked'
            WHEN r.called_at < l.since THEN 'too old'
            WHEN len(list_filter(l.stretches, lambda s: s.reached <= r.called_at AND r.called_at <= s.until)) > 0 THEN 'no call'
            WHEN l.problem IS NOT NULL THEN 'refused'
            ELSE 'not reached'
        END AS reason
    FROM records AS r
    LEFT JOIN looks AS l ON l.account_id = r.account_id AND l.region = r.region AND l.event_name = r.event_name
),
costs AS (
    SELECT
        record_arn,
        sum(cost_usd) AS cost_usd,
        max((cost_status IN ('no_price', 'no_duration'))::INTEGER) AS is_unknown
    FROM charges
    GROUP BY record_arn
)
SELECT
    reason,
    count(*) FILTER (kind = 'task') AS tasks,
    count(*) FILTER (kind = 'job') AS jobs,
    coalesce(sum(c.cost_usd), 0)::DECIMAL(38, 12) AS cost_usd,
    coalesce(sum(c.is_unknown), 0)::BIGINT AS n_unknown,
    min(called_at) AS first_at,
    max(called_at) AS last_at,
    CASE WHEN reason = 'refused' THEN any_value(problem) END AS problem
FROM told
LEFT JOIN costs AS c ON c.record_arn = told.arn
GROUP BY reason
ORDER BY cost_usd DESC, tasks DESC, reason
