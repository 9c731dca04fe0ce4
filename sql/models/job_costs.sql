-- One row a hybrid job: what it costs at list price: its instances, their volumes and its tasks, each by itself. A
-- cost that is not known is NULL, and cost_status says why. Prices are those valid when the job ended.
-- The unit of billableDuration is not documented: it is inferred from all jobs, by comparing it with
-- endedAt - startedAt, and used only where it fits the job as well.
--
-- group: costs
-- key: job_arn
-- job_arn: the job
-- cost_usd: what it costs in all; NULL unless each part is known
-- cost_status: priced; not_billed (no instance ran); pending (not ended); no_price; no_duration (no billable duration,
--   or one that fits neither seconds nor milliseconds); unpriced_tasks (the cost of a task of it is not known)
-- instance_cost_usd: instance price x billed time x instances
-- volume_cost_usd: volume price x GB x billed time x instances; a month is 30 days
-- task_cost_usd: what its tasks cost, as far as known
-- task_committed_usd: what its open tasks on QPUs will cost
-- n_tasks: tasks that it created
-- n_unpriced_tasks: tasks of it whose cost is not known, open ones included
-- billed_seconds: billable duration in seconds, of one instance
-- instance_count: instances
-- duration_unit: unit of billableDuration that was inferred: seconds, milliseconds; NULL where neither fits
-- is_duration_plausible: whether the duration in that unit fits this job's own run time
-- instance_cost_status: priced, not_billed, pending, no_price or no_duration, of its instances alone
-- volume_cost_status: the same of its volumes
-- price_effective_from: date from which the instance price holds
-- price_source: where the instance price comes from
-- cost_usd_upper: the most that instances and volumes cost where the duration is not known: by the whole run time
-- charged_at: the instant whose prices count
-- accrued_usd: of an open job, what its instances and volumes have cost so far, as far as priced: from its start to
--   accrued_until, never longer than it may run; its tasks are not in it, each has its own cost. NULL of ended ones
-- accrued_until: when it was last seen running; later nothing is counted
-- committed_at_most_usd: of an open job, the most that it will still have cost: instances and volumes by maxRuntimeInSeconds,
--   and its open tasks; NULL of ended ones and where a part is not known
WITH tasks AS (
    SELECT
        job_arn,
        count(*) AS n_tasks,
        count(*) FILTER (cost_usd IS NULL) AS n_unpriced_tasks,
        sum(cost_usd) AS task_cost_usd,
        sum(committed_usd) AS task_committed_usd,
        sum(committed_at_most_usd) AS task_at_most_usd,
        count(*) FILTER (NOT is_terminal AND committed_at_most_usd IS NULL) AS n_unbounded_tasks
    FROM priced_tasks
    WHERE job_arn IS NOT NULL
    GROUP BY job_arn
),
parts AS (
    SELECT
        m.*,
        coalesce(t.task_cost_usd, 0)::DECIMAL(38, 12) AS task_cost_usd,
        coalesce(t.task_committed_usd, 0)::DECIMAL(38, 12) AS task_committed_usd,
        coalesce(t.task_at_most_usd, 0) AS task_at_most_usd,
        coalesce(t.n_unbounded_tasks, 0) AS n_unbounded_tasks,
        coalesce(t.n_tasks, 0) AS n_tasks,
        coalesce(t.n_unpriced_tasks, 0) AS n_unpriced_tasks
    FROM job_meters AS m
    LEFT JOIN tasks AS t ON t.job_arn = m.job_arn
    WHERE m.is_last_day
)
SELECT
    job_arn,
    CASE WHEN is_terminal AND n_unpriced_tasks = 0
        THEN TRY(instance_cost_usd + volume_cost_usd + task_cost_usd)
    END::DECIMAL(38, 12) AS cost_usd,
    CASE
        WHEN instance_cost_status = 'pending' THEN 'pending'
        WHEN 'no_duration' IN (instance_cost_status, volume_cost_status) THEN 'no_duration'
        WHEN 'no_price' IN (instance_cost_status, volume_cost_status) THEN 'no_price'
        WHEN n_unpriced_tasks > 0 THEN 'unpriced_tasks'
        WHEN instance_cost_status = 'not_billed' AND n_tasks = 0 THEN 'not_billed'
        ELSE 'priced'
    END AS cost_status,
    instance_cost_usd,
    volume_cost_usd,
    task_cost_usd,
    task_committed_usd,
    n_tasks,
    n_unpriced_tasks,
    billed_seconds,
    instance_count,
    duration_unit,
    is_duration_plausible,
    instance_cost_status,
    volume_cost_status,
    price_effective_from,
    price_source,
    cost_usd_upper,
    charged_at,
    CASE WHEN coalesce(instance_accrued_usd, nullif(volume_accrued_usd, 0)) IS NOT NULL
        THEN TRY(coalesce(instance_accrued_usd, 0) + coalesce(volume_accrued_usd, 0)) END::DECIMAL(38, 12) AS accrued_usd,
    CASE WHEN NOT is_terminal THEN ran_to END AS accrued_until,
    CASE WHEN n_unbounded_tasks = 0 THEN TRY(committed_at_most_usd + task_at_most_usd) END::DECIMAL(38, 12)
        AS committed_at_most_usd
FROM parts
