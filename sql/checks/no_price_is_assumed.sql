-- of: task_costs
-- means: Tasks are priced by an assumed price although a price list is loaded: it lacks theirs.
-- do: look at them with `braket-etl sql @costs_assumed`, and compare them with the bill (`braket-etl billing import`).
SELECT concat_ws(' ', t.device_name, 'in', t.region) AS found, count(*) AS records
FROM priced_tasks AS t
WHERE t.price_source LIKE '%assumed%' AND t.charged_at >= (SELECT min(effective_from) FROM prices WHERE NOT is_seed)
GROUP BY t.device_name, t.region
ORDER BY found
