-- title: How long hybrid jobs wait
-- question: From creation to start, how long do jobs wait, how much of it is start-up, and how long do they take in all?
-- read: medians, exact, over the jobs created in the period; jobs in a reservation are not counted. n_censored jobs still
--   wait or were cancelled waiting: they count as having waited longer than seen, and a quantile that falls among them is
--   empty. Queue and start-up are of those that started and whose events tell them, so they do not add up to the wait.
-- limits: first, last, account, region, device, person, tag
-- chapter: How long it waits, 130
-- report: Hybrid jobs, 20
-- form: wide
-- empty: No job was created in the period.
SELECT
    coalesce(device_name, '(no device)') AS device,
    count(*) AS n,
    count(*) FILTER (certainty = 'censored') AS n_censored,
    nullif(quantile_disc(wait_seconds_at_most, 0.5), 'infinity'::DOUBLE) AS p50_wait_seconds,
    nullif(quantile_disc(wait_seconds_at_most, 0.9), 'infinity'::DOUBLE) AS p90_wait_seconds,
    quantile_disc(queue_seconds, 0.5) FILTER (certainty <> 'censored') AS p50_queue_seconds,
    quantile_disc(startup_seconds, 0.5) FILTER (certainty <> 'censored') AS p50_startup_seconds,
    quantile_disc(run_seconds_upper, 0.5) AS p50_run_seconds,
    quantile_disc(turnaround_seconds, 0.5) AS p50_in_all_seconds
FROM waits
WHERE record_kind = 'job' AND is_counted
    AND (getvariable('first') IS NULL OR created_at >= timezone('UTC', getvariable('first')::TIMESTAMP))
    AND (getvariable('last') IS NULL OR created_at < timezone('UTC', getvariable('last')::TIMESTAMP + INTERVAL 1 DAY))
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY device
ORDER BY n DESC, device
