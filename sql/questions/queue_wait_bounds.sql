-- title: How long tasks waited, for certain
-- question: Without any statistics, between what bounds do the median and the 90th percentile lie?
-- read: half of a device's tasks waited between the low and the high of p50, nine tenths between those of p90, whatever the
--   distribution of waits is: Braket tells no start time, and a task seen only after its end waited between 0 and its
--   whole turnaround. high is empty where too many (n_censored) still wait, or were cancelled while waiting,
--   to bound it.
-- limits: first, last, account, region, device, person, tag
-- chapter: How long it waits, 30
-- report: Waits, 10
-- chart: wait_bounds
-- empty: No task of the period says anything about its wait.
SELECT
    device_name AS device,
    count(*) AS n,
    count(*) FILTER (certainty = 'censored') AS n_censored,
    quantile_disc(wait_seconds_lower, 0.5) AS p50_low_seconds,
    nullif(quantile_disc(wait_seconds_at_most, 0.5), 'infinity'::DOUBLE) AS p50_high_seconds,
    quantile_disc(wait_seconds_lower, 0.9) AS p90_low_seconds,
    nullif(quantile_disc(wait_seconds_at_most, 0.9), 'infinity'::DOUBLE) AS p90_high_seconds
FROM waits
WHERE record_kind = 'task' AND is_counted
    AND (getvariable('first') IS NULL OR created_at >= timezone('UTC', getvariable('first')::TIMESTAMP))
    AND (getvariable('last') IS NULL OR created_at < timezone('UTC', getvariable('last')::TIMESTAMP + INTERVAL 1 DAY))
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
    AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
GROUP BY device_name
ORDER BY p50_high_seconds DESC NULLS FIRST, device
