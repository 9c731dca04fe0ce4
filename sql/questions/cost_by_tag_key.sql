-- title: Spending by tag, every key
-- question: Which tag keys are in use, and how does spending spread over their values?
-- read: the six tag keys that cover most money, up to eight values each. Every key adds up to the same total:
--   (untagged) does not bear it. A chart of it shows the first key. @cost_by_tag has all values of one key.
-- limits: first, last, account, region, device, person, tag
-- chapter: What it cost, 28
-- report: Spending, 30
-- chart: cost_by_tag
-- empty: No task or job bears a tag.
WITH by_tags AS (
    SELECT
        tags,
        sum(cost_usd) AS cost_usd,
        coalesce(sum(n_records) FILTER (record_kind = 'task'), 0) AS n_tasks,
        coalesce(sum(n_records) FILTER (record_kind = 'job'), 0) AS n_jobs
    FROM charge_sums
    WHERE (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
        AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
        AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
        AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
        AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
        AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
    GROUP BY tags
),
tagged AS (
    SELECT tag.key AS tag_key, tag.value AS tag_value, sum(cost_usd) AS cost_usd, sum(n_tasks) AS n_tasks,
        sum(n_jobs) AS n_jobs
    FROM (SELECT unnest(map_entries(tags)) AS tag, * EXCLUDE (tags) FROM by_tags)
    GROUP BY ALL
),
keys AS (
    SELECT tag_key, sum(cost_usd) AS cost_usd, sum(n_tasks) AS n_tasks, sum(n_jobs) AS n_jobs,
        row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, tag_key) AS key_place
    FROM tagged
    GROUP BY tag_key
    QUALIFY key_place <= 6
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY tag_key ORDER BY cost_usd DESC NULLS LAST, tag_value) AS place
    FROM tagged
),
rows AS (
    SELECT key_place, least(place, 9) AS place, tag_key,
        CASE WHEN place <= 8 THEN tag_value ELSE '(all other values)' END AS tag_value,
        sum(r.cost_usd) AS cost_usd, sum(r.n_tasks) AS n_tasks, sum(r.n_jobs) AS n_jobs
    FROM ranked AS r JOIN keys USING (tag_key)
    GROUP BY ALL
    UNION ALL
    SELECT key_place, 10, tag_key, '(untagged)', coalesce(t.cost_usd, 0) - coalesce(k.cost_usd, 0),
        t.n_tasks - k.n_tasks, t.n_jobs - k.n_jobs
    FROM keys AS k
    CROSS JOIN (SELECT sum(cost_usd) AS cost_usd, sum(n_tasks) AS n_tasks, sum(n_jobs) AS n_jobs FROM by_tags) AS t
)
SELECT tag_key, tag_value, cost_usd::DECIMAL(38, 12) AS cost_usd, n_tasks::BIGINT AS n_tasks, n_jobs::BIGINT AS n_jobs
FROM rows
ORDER BY key_place, place
