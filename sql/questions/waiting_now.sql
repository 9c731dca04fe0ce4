-- title: Waiting now
-- question: Which tasks and jobs wait at this moment, how long have they, and how many are ahead of them?
-- read: the longest first. waited is up to the last poll; ahead is what Braket showed then ("at least" where it is
--   capped). half of such tasks start in half_start_in, nine in ten in most_start_in, from the
--   newest answer on, by their place in the queue or by how long they have waited; empty where too few went before.
--   committed is what a task costs if all its shots succeed.
-- limits: account, region, device, person, tag
-- only: open
-- param rows: how many to show; without it, all
-- chapter: How long it waits, 60
-- report: Waits, 50
-- with: rows=10
-- form: wide
-- empty: Nothing waits.
SELECT
    w.device_name AS device,
    w.record_kind AS kind,
    w.wait_seconds_lower AS waited_seconds,
    d.ahead,
    d.is_capped AS at_least,
    f.remaining_p50_seconds AS half_start_in_seconds,
    f.remaining_p90_seconds AS most_start_in_seconds,
    c.committed_usd,
    w.created_at,
    d.last_observed_at,
    w.record_arn AS arn
FROM waits AS w
LEFT JOIN charges AS c ON c.record_arn = w.record_arn AND c.record_kind = 'task' AND c.meter <> 'task'
    AND c.status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')
LEFT JOIN (
    SELECT * FROM queue_depth
    WHERE record_arn IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY record_arn ORDER BY observed_at DESC) = 1
) AS d ON d.record_arn = w.record_arn
LEFT JOIN open_task_forecast AS f ON f.quantum_task_arn = w.record_arn
WHERE w.is_waiting
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), w.account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), w.region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), w.device_name))
    AND (getvariable('person') IS NULL OR w.created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(w.tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
ORDER BY waited_seconds DESC, arn
LIMIT getvariable('rows')::BIGINT
