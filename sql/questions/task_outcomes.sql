-- title: Tasks created in the period
-- question: How did the tasks of a period end?
-- read: a failed or cancelled task is not billed. The share is of those that have ended.
-- limits: first, last, account, region, device, person, tag
-- chapter: Where money can be saved, 62
-- report: At a glance, 30
-- form: figures
SELECT
    count(*) AS n_created,
    count(*) FILTER (status = 'COMPLETED') AS n_completed,
    count(*) FILTER (status = 'FAILED') AS n_failed,
    count(*) FILTER (status = 'CANCELLED') AS n_cancelled,
    count(*) FILTER (status = 'FAILED') / nullif(count(*) FILTER (is_terminal), 0) AS failed_of_ended_share
FROM quantum_tasks
WHERE (getvariable('first') IS NULL OR created_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR created_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
