-- title: What it would have cost elsewhere
-- question: The tasks that ran on one device: what would they cost on each other QPU, at the prices of now?
-- read: the same number of tasks and of shots, at list price in the Region where the price is lowest; times is against
--   the device itself. QPUs that Braket lists and has not retired, if they have a price. Prices only: whether a program
--   fits the other device, in kind, qubits and shots, is not known here, nor how many shots its noise would take.
-- param device (default Garnet, of @choices): the device that the tasks ran on
-- chapter: Where money can be saved, 10
WITH sent AS (
    SELECT count(*) AS tasks, sum(c.billed_shots)::BIGINT AS shots
    FROM task_costs AS c
    JOIN quantum_tasks AS t ON t.quantum_task_arn = c.quantum_task_arn
    WHERE t.device_name = coalesce(getvariable('device'), 'Garnet') AND t.status = 'COMPLETED' AND c.billed_shots > 0
),
prices_now AS (
    SELECT r.meter, p.item, min(p.price_usd) AS price_usd, arg_min(p.price_source, p.price_usd) AS price_source
    FROM price_periods AS p
    JOIN price_rules AS r ON r.product_family = p.product_family
    WHERE p.valid_from <= now() AND p.valid_to > now() AND p.price_usd IS NOT NULL AND r.kind = 'QPU' AND NOT r.is_in_job
    GROUP BY r.meter, p.item
),
qpus AS (
    -- the name as ARNs write it; a device that was never used has no row in device_keys
    SELECT DISTINCT d.name AS device_name, coalesce(k.device_key, lower(d.name)) AS device_key
    FROM (SELECT *, string_split(device_arn, '/')[-1] AS name FROM devices) AS d
    LEFT JOIN device_keys AS k ON k.device_name = d.name
    WHERE d.device_type = 'QPU' AND d.device_status <> 'RETIRED'
),
offers AS (
    SELECT
        qpus.device_name AS device,
        sent.tasks,
        sent.shots,
        sent.tasks * fee.price_usd + sent.shots * shot.price_usd AS cost_usd,
        shot.price_source
    FROM qpus
    JOIN prices_now AS shot ON shot.item = qpus.device_key AND shot.meter = 'shot'
    JOIN prices_now AS fee ON fee.item = qpus.device_key AND fee.meter = 'task'
    CROSS JOIN sent
    WHERE sent.tasks > 0
),
here AS (
    SELECT cost_usd FROM offers WHERE device = coalesce(getvariable('device'), 'Garnet')
)
SELECT
    o.device,
    o.tasks,
    o.shots,
    o.cost_usd::DECIMAL(38, 12) AS cost_usd,
    round(o.cost_usd / nullif((SELECT any_value(cost_usd) FROM here), 0), 2) AS times,
    o.price_source
FROM offers AS o
ORDER BY o.cost_usd, o.device
