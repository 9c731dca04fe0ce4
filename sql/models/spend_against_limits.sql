-- One row a spending limit: what AWS has counted against it, and what we count. Limits cover tasks on QPUs, alone or in
-- jobs, that are created in their period. From when AWS counts is not documented: we count tasks created since the
-- limit was.
--
-- group: costs
-- key: spending_limit_arn
-- spending_limit_arn: the limit
-- account_id: its account
-- region: its Region
-- device_arn: device that it limits
-- device_name: last part of the device ARN
-- period_start: begin of its period; NULL where it has none
-- period_end: end of its period; NULL where it has none
-- is_active: whether the period holds at fetched_at
-- spending_limit_usd: the limit
-- aws_total_usd: what AWS has counted of tasks that ended
-- aws_queued_usd: what AWS expects of tasks that have not
-- our_total_usd: what we count of tasks that ended, at list price
-- our_committed_usd: what we expect of tasks that have not
-- difference_usd: our total and committed less AWS's total and queued
-- remaining_usd: what AWS will let through: the limit less its total and queued
-- used_share: AWS's total and queued as a share of the limit, from 0
-- n_tasks: tasks that we count
-- n_unknown: tasks among them whose cost is not known
-- fetched_at: when AWS told its figures
WITH limits AS (
    SELECT
        *,
        greatest(created_at, coalesce(time_period_start_at, created_at)) AS counts_from,
        coalesce(time_period_end_at, TIMESTAMPTZ '9999-12-31 00:00:00+00') AS counts_to
    FROM spending_limits
),
ours AS (
    SELECT
        l.spending_limit_arn,
        sum(t.cost_usd) AS total_usd,
        sum(t.committed_usd) AS committed_usd,
        count(*) AS n_tasks,
        count(*) FILTER (coalesce(t.cost_usd, t.committed_usd) IS NULL) AS n_unknown
    FROM limits AS l
    JOIN priced_tasks AS t
        ON t.device_arn = l.device_arn AND t.account_id = l.account_id
        AND t.created_at >= l.counts_from AND t.created_at < l.counts_to
    GROUP BY l.spending_limit_arn
),
counted AS (
    SELECT
        l.*,
        coalesce(l.total_spend, 0)::DECIMAL(38, 12) AS aws_total_usd,
        coalesce(l.queued_spend, 0)::DECIMAL(38, 12) AS aws_queued_usd,
        coalesce(o.total_usd, 0)::DECIMAL(38, 12) AS our_total_usd,
        coalesce(o.committed_usd, 0)::DECIMAL(38, 12) AS our_committed_usd,
        coalesce(o.n_tasks, 0) AS n_tasks,
        coalesce(o.n_unknown, 0) AS n_unknown
    FROM limits AS l
    LEFT JOIN ours AS o ON o.spending_limit_arn = l.spending_limit_arn
)
SELECT
    spending_limit_arn,
    account_id,
    region,
    device_arn,
    device_name,
    time_period_start_at AS period_start,
    time_period_end_at AS period_end,
    fetched_at >= coalesce(time_period_start_at, created_at) AND fetched_at < counts_to AS is_active,
    spending_limit::DECIMAL(38, 12) AS spending_limit_usd,
    aws_total_usd,
    aws_queued_usd,
    our_total_usd,
    our_committed_usd,
    TRY(our_total_usd + our_committed_usd - aws_total_usd - aws_queued_usd)::DECIMAL(38, 12) AS difference_usd,
    TRY(spending_limit - aws_total_usd - aws_queued_usd)::DECIMAL(38, 12) AS remaining_usd,
    -- a share is no money: as DOUBLE it may be divided
    CASE WHEN spending_limit > 0
        THEN (aws_total_usd::DOUBLE + aws_queued_usd::DOUBLE) / spending_limit::DOUBLE END AS used_share,
    n_tasks,
    n_unknown,
    fetched_at
FROM counted
