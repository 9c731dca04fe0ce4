-- of: task_costs
-- means: Tasks in jobs are priced like tasks by themselves although a price list is loaded: it lacks their price.
-- do: compare them with the bill (`braket-etl billing import`).
SELECT concat_ws(' ', t.device_name, 'in', t.region) AS found, count(*) AS records
FROM priced_tasks AS t
WHERE t.price_source LIKE '%assumed%' AND t.charged_at >= (SELECT min(effective_from) FROM prices WHERE NOT is_seed)
GROUP BY t.device_name, t.region
ORDER BY found
