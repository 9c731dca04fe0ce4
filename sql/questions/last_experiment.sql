-- title: The last experiment
-- question: What came of the work that was sent last: is it back, what did it cost, how long did it wait?
-- read: the newest job with its tasks, or else the newest task and those of the same account and tags before it with no more
--   than minutes between one and the next. cost_usd is of what has ended and has a known cost; n_unknown counts what has
--   none, and committed_usd is what is still open. back_at is the end of the last record, empty while one is open. Empty where there are no
--   tasks and jobs.
-- limits: account, region, device, person, tag
-- param minutes (default 60): the longest time between two tasks of one experiment
-- columns: what, devices, began_at, back_at, n_open, n_failed, n_shots, cost_usd, committed_usd, n_unknown
-- chapter: What it cost, 64
WITH records AS (
    SELECT quantum_task_arn AS arn, job_arn, account_id, region, device_name, created_by, tags, status, created_at, ended_at,
        shots
    FROM quantum_tasks
    UNION ALL
    SELECT job_arn, job_arn, account_id, region, device_name, created_by, tags, status, created_at, ended_at, NULL
    FROM jobs
),
newest AS (
    SELECT arn, job_arn, account_id, tags
    FROM records
    WHERE (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
        AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
        AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
        AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
    ORDER BY created_at DESC, arn DESC
    LIMIT 1
),
alike AS (
    SELECT r.arn, r.created_at,
        epoch(r.created_at) - lag(epoch(r.created_at)) OVER (ORDER BY r.created_at, r.arn)
            > 60 * coalesce(getvariable('minutes'), 60) AS is_first
    FROM records AS r
    JOIN newest AS n ON n.job_arn IS NULL AND r.job_arn IS NULL AND r.account_id = n.account_id
        AND r.tags IS NOT DISTINCT FROM n.tags
        AND (getvariable('person') IS NULL OR r.created_by = getvariable('person')::VARCHAR)
),
members AS (
    SELECT arn FROM alike
    WHERE created_at >= coalesce((SELECT max(created_at) FROM alike WHERE is_first), (SELECT min(created_at) FROM alike))
    UNION
    SELECT r.arn FROM records AS r JOIN newest AS n ON n.job_arn = r.job_arn
),
costs AS (
    SELECT quantum_task_arn AS arn, cost_usd, committed_usd, cost_status FROM task_costs
    UNION ALL
    SELECT job_arn, coalesce(instance_cost_usd, 0) + coalesce(volume_cost_usd, 0), NULL,
        CASE WHEN instance_cost_status IN ('no_price', 'no_duration') OR volume_cost_status IN ('no_price', 'no_duration')
            THEN 'no_price' ELSE instance_cost_status END
    FROM job_costs
),
found AS (
    SELECT r.*, c.cost_usd, c.committed_usd, c.cost_status, w.wait_seconds_lower, w.wait_seconds_upper,
        coalesce(r.status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED'), true) AS is_open
    FROM records AS r
    JOIN members USING (arn)
    LEFT JOIN costs AS c USING (arn)
    LEFT JOIN task_latency AS w ON w.quantum_task_arn = r.arn
)
SELECT
    coalesce(
        'job ' || (SELECT job_name FROM jobs JOIN newest ON jobs.job_arn = newest.job_arn),
        CASE WHEN cardinality(any_value(tags)) > 0 THEN any_value(tags)::VARCHAR ELSE 'tasks without tags' END
    ) AS what,
    array_to_string(list_sort(list(DISTINCT device_name)), ', ') AS devices,
    min(created_at) AS began_at,
    CASE WHEN NOT bool_or(is_open) THEN max(ended_at) END AS back_at,
    count(shots) AS n_tasks,
    count(*) FILTER (is_open) AS n_open,
    count(*) FILTER (status IN ('FAILED', 'CANCELLED')) AS n_failed,
    sum(shots)::BIGINT AS n_shots,
    coalesce(sum(cost_usd), 0)::DECIMAL(38, 12) AS cost_usd,
    coalesce(sum(committed_usd), 0)::DECIMAL(38, 12) AS committed_usd,
    count(*) FILTER (cost_status IN ('no_price', 'no_duration')) AS n_unknown,
    max(wait_seconds_lower) AS longest_wait_at_least_seconds,
    max(wait_seconds_upper) AS longest_wait_at_most_seconds
FROM found
HAVING count(*) > 0
