-- of: job_costs
-- severity: error
-- means: The billable duration of jobs fits neither seconds nor milliseconds of their run time.
-- do: their cost is left out (no_duration); compare them with the bill.
SELECT
    concat_ws(' ', c.job_arn, 'billable', j.billable_duration, 'run time',
        (epoch_ms(j.ended_at) - epoch_ms(j.started_at)) / 1e3, 's') AS found,
    1 AS records
FROM job_costs AS c
JOIN jobs AS j ON j.job_arn = c.job_arn
WHERE c.is_duration_plausible = false OR (c.duration_unit IS NULL AND j.is_terminal AND j.billable_duration > 0)
ORDER BY found
