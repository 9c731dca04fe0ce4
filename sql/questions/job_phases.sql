-- title: Where hybrid jobs spend their time
-- question: How long do jobs queue, start up, run, and run without priority?
-- read: exact times from the jobs' events, summed over the jobs created in the period and as a share of all their time:
--   waiting for the device, starting up, running, running without priority, uploading. A phase that took no time is left
--   out.
-- limits: first, last, account, region, device, person, tag
-- chapter: How long it waits, 140
-- report: Hybrid jobs, 10
-- chart: job_phases
-- empty: No job was created in the period.
SELECT
    coalesce(device_name, '(no device)') AS device,
    s.phase,
    count(DISTINCT job_arn) AS jobs,
    round(sum(s.seconds), 3) AS total_seconds,
    round(sum(s.seconds) / nullif(sum(sum(s.seconds)) OVER (PARTITION BY device_name), 0), 6) AS share
FROM (
    SELECT job_arn, device_name, unnest(stages) AS s
    FROM job_timelines
    WHERE (getvariable('first') IS NULL OR created_at >= timezone('UTC', getvariable('first')::TIMESTAMP))
        AND (getvariable('last') IS NULL OR created_at < timezone('UTC', getvariable('last')::TIMESTAMP + INTERVAL 1 DAY))
        AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
        AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
        AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
        AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
)
WHERE s.seconds > 0
GROUP BY device_name, s.phase
ORDER BY round(sum(sum(s.seconds)) OVER (PARTITION BY device_name), 3) DESC, device, total_seconds DESC, s.phase
