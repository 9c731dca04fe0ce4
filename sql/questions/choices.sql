-- title: What there is to choose from
-- question: Which accounts, Regions, devices, people and tags are there, and how many tasks and jobs of each?
-- read: what other questions can be limited to by `account`, `region`, `device`, `person` and `tag`, those of most records first. A
--   tag is key=value. Tags and people of fewest records are left out where there are more than `tags` or `people`. There are no
--   people unless BRAKET_ETL_CREATED_BY keeps names.
-- param tags (default 300): how many tags to show
-- param people (default 300): how many people to show
-- chapter: What is not known, 90
WITH records AS (
    SELECT account_id, region, device_name, created_by, tags FROM quantum_tasks
    UNION ALL
    SELECT account_id, region, device_name, created_by, tags FROM jobs
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
    SELECT 'person', created_by, count(*) FROM records GROUP BY created_by
    UNION ALL
    SELECT 'tag', tag.key || '=' || tag.value, n FROM tagged
)
SELECT kind, value, sum(n)::BIGINT AS n_records
FROM found
WHERE value IS NOT NULL
GROUP BY kind, value
QUALIFY kind NOT IN ('person', 'tag')
    OR row_number() OVER (PARTITION BY kind ORDER BY n_records DESC, value) <= CASE kind
        WHEN 'tag' THEN coalesce(getvariable('tags'), 300)::BIGINT
        ELSE coalesce(getvariable('people'), 300)::BIGINT
    END
ORDER BY kind, n_records DESC, value
