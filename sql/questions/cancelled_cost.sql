-- title: What cancelling saved
-- question: How many tasks were cancelled, after how long, and what would they have cost?
-- read: a cancelled task is not billed. spared_usd is its task fee and requested shots at the list price of when it
--   ended; n_unknown of them have no such price (simulators are paid by time, so are always unknown here).
-- chapter: Where money can be saved, 80
WITH cancelled AS (
    SELECT
        t.*,
        k.device_key,
        f.product_family AS fee_family,
        s.product_family AS shot_family
    FROM quantum_tasks AS t
    LEFT JOIN device_keys AS k ON k.device_name = t.device_name
    LEFT JOIN price_rules AS s
        ON s.device_type = t.device_type AND s.meter = 'shot' AND s.is_in_job = (t.job_arn IS NOT NULL)
    LEFT JOIN price_rules AS f ON f.kind = s.kind AND f.meter = 'task' AND f.is_in_job = s.is_in_job
    WHERE t.status = 'CANCELLED'
),
valued AS (
    SELECT
        c.*,
        CASE WHEN c.reservation_arn IS NOT NULL THEN 0
            WHEN c.device_type = 'QPU' THEN fee.price_usd + c.shots * shot.price_usd END AS spared_usd
    FROM cancelled AS c
    LEFT JOIN price_periods AS fee
        ON fee.product_family = c.fee_family AND fee.item = c.device_key AND fee.region = c.region
        AND c.ended_at >= fee.valid_from AND c.ended_at < fee.valid_to
    LEFT JOIN price_periods AS shot
        ON shot.product_family = c.shot_family AND shot.item = c.device_key AND shot.region = c.region
        AND c.ended_at >= shot.valid_from AND c.ended_at < shot.valid_to
)
SELECT
    v.device_name AS device,
    count(*) AS tasks,
    count(*) FILTER (l.end_kind = 'cancelled_in_queue') AS seen_cancelled_in_queue,
    round(median(l.turnaround_seconds) / 60, 1) AS p50_minutes_to_cancel,
    sum(v.shots)::BIGINT AS shots,
    sum(v.spared_usd)::DECIMAL(38, 12) AS spared_usd,
    count(*) FILTER (v.spared_usd IS NULL) AS n_unknown
FROM valued AS v
JOIN task_latency AS l ON l.quantum_task_arn = v.quantum_task_arn
GROUP BY device
ORDER BY spared_usd DESC NULLS LAST, device
