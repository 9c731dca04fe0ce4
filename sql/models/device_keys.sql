-- One row a device name in the warehouse: the key by which it is matched with price lists and bills, which spell
-- devices otherwise than ARNs do (IBEX-Q1 and Ibex-Q1, Aspen-M for all Aspen-M-1 to 3).
--
-- group: costs
-- key: device_name
-- device_name: name as it is written in an ARN
-- device_key: lower case, blanks and underscores as hyphens, generations that share a price folded into one
WITH names AS (
    -- grouped, not DISTINCT: only of groups DuckDB estimates that they are few, and then it joins tasks to them
    SELECT device_name FROM quantum_tasks GROUP BY device_name
    UNION ALL
    SELECT device_name FROM jobs GROUP BY device_name
    UNION ALL
    SELECT device_name FROM reservations GROUP BY device_name
    UNION ALL
    SELECT device_name FROM spending_limits GROUP BY device_name
),
spelled AS (
    SELECT device_name, regexp_replace(lower(trim(device_name)), '[\s_]+', '-', 'g') AS spelling
    FROM names
    WHERE device_name IS NOT NULL
    GROUP BY device_name
)
SELECT
    device_name,
    CASE
        WHEN contains(spelling, '2000q') THEN '2000q'
        WHEN starts_with(spelling, 'advantage') THEN 'advantage'
        WHEN starts_with(spelling, 'aspen-m') THEN 'aspen-m'
        ELSE spelling
    END AS device_key
FROM spelled
