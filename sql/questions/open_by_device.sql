-- title: Pending commitments
-- question: On which device are tasks, jobs and reservations open, and what will they cost?
-- read: open tasks, open jobs and reservations to come. An open job or simulator task has no price before it ends:
--   accrued is what it had cost when it was last seen. @open_by_tag says whose tasks they are.
-- limits: account, region, device, person, tag
-- only: open
-- chapter: What it will cost, 35
-- report: Commitments and limits, 10
-- empty: Nothing is open.
SELECT
    coalesce(device_name, '(no device)') AS device,
    record_kind AS kind,
    count(DISTINCT record_arn) AS n_open,
    sum(committed_usd) AS committed_usd,
    sum(accrued_usd) AS accrued_usd,
    sum(shots) AS n_shots,
    min(began_at) AS oldest_at
FROM charges
-- by the cost's status alone, what has ended would be priced first
WHERE cost_status = 'pending' AND coalesce(status, '') NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY kind, device
ORDER BY committed_usd DESC NULLS LAST, kind, device
