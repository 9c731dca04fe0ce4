-- What do reservations cost?
SELECT r.reservation_arn, r.device_name, r.start_at, r.hours, c.cost_usd, c.cost_status
FROM reservations AS r
JOIN reservation_costs AS c ON c.reservation_arn = r.reservation_arn
ORDER BY r.start_at;

-- Which reservations do tasks name that no file told of?
SELECT t.reservation_arn, t.device_name, count(*) AS tasks
FROM quantum_tasks AS t
ANTI JOIN reservations AS r ON r.reservation_arn = t.reservation_arn
WHERE t.reservation_arn IS NOT NULL
GROUP BY t.reservation_arn, t.device_name;
