-- One row a tag key, value and UTC day of charge: what was spent. For each key, what does not bear it is in the row
-- (untagged), so the values of every key add up to the total of daily_costs. A task has the tags of its own: whether
-- those of its job pass on to it is not documented, and they are not passed on here.
--
-- group: costs
-- key: tag_key, tag_value, is_untagged, charge_date
-- tag_key: key of the tag
-- tag_value: its value; (untagged) where the key is not there
-- is_untagged: whether the row is of what does not bear the key
-- charge_date: UTC day of charge
-- cost_usd: at list price, as far as known
-- discount_usd: what agreed discounts take off
-- net_usd: cost_usd less discount_usd
-- committed_usd: what open tasks and coming reservations will cost
-- accrued_usd: what runs has cost so far on that day, as far as it was seen running; in no other column
-- n_tasks: tasks
-- n_jobs: jobs that ended, or were created and are open: each is counted on one day
-- n_unknown: ended tasks and jobs whose cost is not known, on their last day; the days before it lack their cost as well
WITH by_tags AS (
    SELECT
        charge_date,
        tags,
        coalesce(sum(cost_usd), 0) AS cost_usd,
        coalesce(sum(discount_usd), 0) AS discount_usd,
        coalesce(sum(committed_usd), 0) AS committed_usd,
        coalesce(sum(accrued_usd), 0) AS accrued_usd,
        coalesce(sum(n_records) FILTER (record_kind = 'task'), 0) AS n_tasks,
        coalesce(sum(n_records) FILTER (record_kind = 'job'), 0) AS n_jobs,
        coalesce(sum(n_records) FILTER (unknown_arn IS NOT NULL), 0) AS n_unknown
    FROM charge_sums
    GROUP BY charge_date, tags
),
tagged AS (
    SELECT
        tag.key AS tag_key,
        tag.value AS tag_value,
        charge_date,
        sum(cost_usd) AS cost_usd,
        sum(discount_usd) AS discount_usd,
        sum(committed_usd) AS committed_usd,
        sum(accrued_usd) AS accrued_usd,
        sum(n_tasks) AS n_tasks,
        sum(n_jobs) AS n_jobs,
        sum(n_unknown) AS n_unknown
    FROM (SELECT unnest(map_entries(tags)) AS tag, * EXCLUDE (tags) FROM by_tags)
    GROUP BY tag_key, tag_value, charge_date
),
by_day AS (
    SELECT
        charge_date,
        sum(cost_usd) AS cost_usd,
        sum(discount_usd) AS discount_usd,
        sum(committed_usd) AS committed_usd,
        sum(accrued_usd) AS accrued_usd,
        sum(n_tasks) AS n_tasks,
        sum(n_jobs) AS n_jobs,
        sum(n_unknown) AS n_unknown
    FROM by_tags
    GROUP BY charge_date
),
of_key_by_day AS (
    SELECT
        tag_key,
        charge_date,
        sum(cost_usd) AS cost_usd,
        sum(discount_usd) AS discount_usd,
        sum(committed_usd) AS committed_usd,
        sum(accrued_usd) AS accrued_usd,
        sum(n_tasks) AS n_tasks,
        sum(n_jobs) AS n_jobs,
        sum(n_unknown) AS n_unknown
    FROM tagged
    GROUP BY tag_key, charge_date
),
-- what is left of a day when all that bears the key is taken away
untagged AS (
    SELECT
        k.tag_key,
        d.charge_date,
        d.cost_usd - coalesce(t.cost_usd, 0) AS cost_usd,
        d.discount_usd - coalesce(t.discount_usd, 0) AS discount_usd,
        d.committed_usd - coalesce(t.committed_usd, 0) AS committed_usd,
        d.accrued_usd - coalesce(t.accrued_usd, 0) AS accrued_usd,
        d.n_tasks - coalesce(t.n_tasks, 0) AS n_tasks,
        d.n_jobs - coalesce(t.n_jobs, 0) AS n_jobs,
        d.n_unknown - coalesce(t.n_unknown, 0) AS n_unknown
    FROM (SELECT DISTINCT tag_key FROM tagged) AS k
    CROSS JOIN by_day AS d
    LEFT JOIN of_key_by_day AS t ON t.tag_key = k.tag_key AND t.charge_date = d.charge_date
),
rows AS (
    SELECT tag_key, tag_value, false AS is_untagged, * EXCLUDE (tag_key, tag_value) FROM tagged
    UNION ALL
    SELECT tag_key, '(untagged)', true, * EXCLUDE (tag_key) FROM untagged
    WHERE cost_usd <> 0 OR committed_usd <> 0 OR accrued_usd <> 0 OR n_tasks <> 0 OR n_jobs <> 0 OR n_unknown <> 0
)
SELECT
    tag_key,
    tag_value,
    is_untagged,
    charge_date,
    cost_usd::DECIMAL(38, 12) AS cost_usd,
    discount_usd::DECIMAL(38, 12) AS discount_usd,
    (cost_usd - discount_usd)::DECIMAL(38, 12) AS net_usd,
    committed_usd::DECIMAL(38, 12) AS committed_usd,
    accrued_usd::DECIMAL(38, 12) AS accrued_usd,
    n_tasks::BIGINT AS n_tasks,
    n_jobs::BIGINT AS n_jobs,
    n_unknown::BIGINT AS n_unknown
FROM rows
