-- title: The most expensive hours
-- question: In which hours was most money spent, and on what?
-- read: list price by the hour (UTC) in which tasks and jobs ended, which is when the whole of them is charged; the
--   most expensive charge is that of one meter, of a job on one day. Where n_unknown is not 0, the hour cost more than is shown.
-- also: dearest_hours
-- param hours (default 20): how many to show
-- chapter: What it cost, 70
SELECT
    date_trunc('hour', timezone('UTC', charged_at)) AS hour_utc,
    sum(cost_usd) AS cost_usd,
    count(*) FILTER (is_record) AS records,
    arg_max(device_name, (cost_usd, record_arn)) FILTER (cost_usd > 0) AS most_expensive_device,
    arg_max(record_arn, (cost_usd, record_arn)) FILTER (cost_usd > 0) AS most_expensive_record,
    max(cost_usd) AS most_expensive_charge_usd,
    count(DISTINCT record_arn) FILTER (cost_status IN ('no_price', 'no_duration')) AS n_unknown
FROM charges
WHERE cost_status <> 'pending'
GROUP BY hour_utc
ORDER BY cost_usd DESC NULLS LAST, hour_utc
LIMIT coalesce(getvariable('hours')::INTEGER, 20)
