-- title: Why tasks and jobs failed
-- question: Which reasons for failing came most often, and on which devices?
-- read: the ten reasons that came most often, as Braket gives them, of tasks and jobs created in the period. @failures
--   counts them by device with the time that they took, @failed_jobs with the money.
-- limits: first, last, account, region, device, person, tag
-- chapter: Where money can be saved, 68
-- report: Failures, 20
-- empty: Nothing failed in the period.
SELECT
    kind,
    reason,
    count(*) AS n_failed,
    string_agg(DISTINCT device, ', ' ORDER BY device) AS devices,
    max(failed_at) AS last_at
FROM (
    SELECT 'task' AS kind, device_name AS device, failure_reason AS reason, ended_at AS failed_at, status,
        created_date, account_id, region, created_by, tags
    FROM quantum_tasks
    UNION ALL
    SELECT 'job', device_name, failure_reason, ended_at, status, created_date, account_id, region, created_by, tags
    FROM jobs
)
WHERE status = 'FAILED'
    AND (getvariable('first') IS NULL OR created_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR created_date <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY kind, reason
ORDER BY n_failed DESC, kind, reason
LIMIT 10
