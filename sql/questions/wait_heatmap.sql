-- title: When to submit
-- question: On the busiest QPUs, how long did tasks wait by the weekday and hour in which they were sent?
-- read: median wait at most, by weekday and hour (UTC) of submission, on the four QPUs with most tasks. A dot in the chart:
--   tasks, but fewer than five. Grey: the device is closed. Hours without tasks on an open device are not in the table.
--   @best_hours ranks the hours of every device, with both bounds.
-- limits: first, last, account, region, device, person, tag
-- chapter: How long it waits, 55
-- report: Waits, 20
-- chart: wait_heatmap
-- empty: No task was sent to a QPU in the period.
WITH counted AS (
    SELECT
        device_arn,
        isodow(created_at AT TIME ZONE 'UTC') AS weekday,
        hour(created_at AT TIME ZONE 'UTC') AS hour_utc,
        count(*) AS n,
        quantile_disc(wait_seconds_at_most, 0.5) AS at_most
    FROM waits
    WHERE record_kind = 'task' AND is_counted AND device_type = 'QPU'
        AND (getvariable('first') IS NULL OR created_at >= timezone('UTC', getvariable('first')::TIMESTAMP))
        AND (getvariable('last') IS NULL OR created_at < timezone('UTC', getvariable('last')::TIMESTAMP + INTERVAL 1 DAY))
        AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
        AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
        AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
        AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
    GROUP BY ALL
),
busiest AS (
    SELECT device_arn, row_number() OVER (ORDER BY sum(n) DESC, device_arn) AS place
    FROM counted
    GROUP BY device_arn
    QUALIFY place <= 4
)
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    weekday,
    hour_utc,
    coalesce(c.n, 0) AS n_tasks,
    CASE WHEN c.n >= 5 THEN c.at_most < 'infinity'::DOUBLE END AS has_bound,
    CASE WHEN c.n >= 5 AND c.at_most < 'infinity'::DOUBLE THEN c.at_most END AS median_at_most_seconds,
    o.open_share
FROM counted AS c
FULL JOIN device_open_week AS o USING (device_arn, weekday, hour_utc)
JOIN busiest AS b USING (device_arn)
WHERE c.n > 0 OR o.open_share < 1
ORDER BY b.place, weekday, hour_utc
