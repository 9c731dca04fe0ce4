-- title: Failed and cancelled tasks, by device
-- question: On which device do tasks fail or get cancelled most?
-- read: tasks created in the period, by how they ended; shares are of those that have ended. @failures gives the reasons.
-- limits: first, last, account, region, device, person, tag
-- chapter: Where money can be saved, 65
-- report: Failures, 10
-- chart: failures
-- empty: No task was created in the period.
SELECT
    coalesce(device_name, '(no device)') AS device,
    count(*) AS n_tasks,
    count(*) FILTER (is_terminal) AS n_ended,
    count(*) FILTER (status = 'FAILED') AS n_failed,
    count(*) FILTER (status = 'CANCELLED') AS n_cancelled,
    count(*) FILTER (status = 'FAILED') / nullif(count(*) FILTER (is_terminal), 0) AS failed_share,
    count(*) FILTER (status = 'CANCELLED') / nullif(count(*) FILTER (is_terminal), 0) AS cancelled_share
FROM quantum_tasks
WHERE (getvariable('first') IS NULL OR created_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR created_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY device
ORDER BY failed_share + cancelled_share DESC NULLS LAST, device
