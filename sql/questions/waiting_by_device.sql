-- title: Waiting now, by device
-- question: At which device does how much wait at this moment, and how long has the longest?
-- read: waits up to the last poll; ahead is the most that Braket showed ahead of one of them when it was last polled.
--   most_start_in is the longest time in which one of them starts with 90 %. @waiting_now lists them one by one.
-- limits: account, region, device, person, tag
-- only: open
-- param since: what was created before this instant is left out, such as what nothing open is older than; without it, none
-- chapter: How long it waits, 62
SELECT
    w.device_arn,
    w.record_kind AS kind,
    count(*) AS n_waiting,
    max(w.wait_seconds_lower) AS longest_seconds,
    max(d.ahead) AS ahead,
    max(f.remaining_p90_seconds) AS most_start_in_seconds
FROM waits AS w
LEFT JOIN (
    SELECT record_arn, arg_max(ahead, observed_at) AS ahead
    FROM queue_depth
    WHERE record_arn IS NOT NULL
    GROUP BY record_arn
) AS d USING (record_arn)
LEFT JOIN open_task_forecast AS f ON f.quantum_task_arn = record_arn
WHERE w.is_waiting
    AND (getvariable('since') IS NULL OR w.created_at >= getvariable('since')::TIMESTAMPTZ)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), w.account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), w.region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), w.device_name))
    AND (getvariable('person') IS NULL OR w.created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(w.tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY w.device_arn, kind
ORDER BY n_waiting DESC, w.device_arn, kind
