-- of: job_costs
-- means: No price is known for the instances or volumes of jobs.
-- do: load a price list that has them (`braket-etl prices import`).
SELECT
    concat_ws(' ', coalesce(instance_type, meter), 'in', region) AS found,
    count(DISTINCT record_arn) AS records
FROM charges
WHERE record_kind = 'job' AND cost_status = 'no_price'
GROUP BY instance_type, meter, region
ORDER BY found
