-- title: Records and how fresh they are
-- question: How many records are there of each account and Region, and when did Braket last answer about them?
-- read: records in the warehouse, by kind; the oldest by its creation, the freshest by when it was fetched.
-- limits: account, region, device, person, tag
-- param rows: how many to show; without it, all
-- chapter: What is not known, 75
-- report: What these numbers leave out, 60
-- with: rows=100
-- form: wide
-- empty: There is no record yet.
SELECT
    kind,
    account_id AS account,
    region,
    count(*) AS n_records,
    min(created_at) AS oldest_at,
    max(fetched_at) AS fetched_at
FROM (
    SELECT 'tasks' AS kind, account_id, region, device_name, created_at, fetched_at, created_by, tags
    FROM quantum_tasks
    UNION ALL
    SELECT 'jobs', account_id, region, device_name, created_at, fetched_at, created_by, tags
    FROM jobs
)
WHERE (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY kind, account_id, region
ORDER BY account, region, kind
LIMIT getvariable('rows')::BIGINT
