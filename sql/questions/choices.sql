-- title: What there is to choose from
-- question: Which accounts, Regions, devices and tags are there, and how many tasks and jobs of each?
-- read: what `account`, `region`, `device` and `tag` of other questions can be limited to, those of most records first. A tag
--   is key=value; those that fewest records bear are left out where there are more than `tags`.
-- param tags (default 300): how many tags to show
-- chapter: What is not known, 90
WITH records AS (
    SELECT account_id, region, device_name, tags FROM quantum_tasks
    UNION ALL
    SELECT account_id, region, device_name, tags FROM jobs
),
places AS (
    SELECT account_id, region, device_name, count(*) AS n FROM records GROUP BY ALL
),
tagged AS (
    SELECT unnest(map_entries(tags)) AS tag, n FROM (SELECT tags, count(*) AS n FROM records GROUP BY tags)
),
found AS (
    SELECT 'account' AS kind, account_id AS value, n FROM places
    UNION ALL
    SELECT 'region', region, n FROM places
    UNION ALL
    SELECT 'device', device_name, n FROM places
    UNION ALL
    SELECT 'tag', tag.key || '=' || tag.value, n FROM tagged
)
SELECT kind, value, sum(n)::BIGINT AS n_records
FROM found
WHERE value IS NOT NULL
GROUP BY kind, value
QUALIFY kind <> 'tag'
    OR row_number() OVER (PARTITION BY kind ORDER BY n_records DESC, value) <= coalesce(getvariable('tags'), 300)::BIGINT
ORDER BY kind, n_records DESC, value
