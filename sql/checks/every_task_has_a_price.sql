-- of: task_costs
-- means: No price is known for tasks that ended.
-- do: load a price list that covers them (`braket-etl prices import`).
SELECT
    concat_ws(' ', coalesce(t.device_name, t.device_arn), 'in', t.region,
        CASE WHEN t.job_arn IS NOT NULL THEN 'inside jobs' END, 'from', min(t.created_date)) AS found,
    count(*) AS records
FROM priced_tasks AS t
WHERE t.cost_status = 'no_price'
GROUP BY t.device_name, t.device_arn, t.region, t.job_arn IS NOT NULL
ORDER BY found
