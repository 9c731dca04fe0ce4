-- One row: the unit of billableDuration, which no document states, as it is inferred from the run times of all ended jobs.
-- Long runs tell it best: a minute at least; where there is none, whatever there is, where a run of less than a second
-- counts as one, since whole seconds may be billed. One unit for all.
--
-- group: costs
-- key: duration_unit
-- duration_unit: seconds, milliseconds; NULL where neither fits
SELECT CASE
    WHEN coalesce(of_long_runs, of_all_runs) BETWEEN 0.2 AND 5 THEN 'seconds'
    WHEN coalesce(of_long_runs, of_all_runs) BETWEEN 200 AND 5000 THEN 'milliseconds'
END AS duration_unit
FROM (
    SELECT
        median(billable_duration / run_seconds) FILTER (run_seconds >= 60) AS of_long_runs,
        median(billable_duration / greatest(run_seconds, 1)) AS of_all_runs
    FROM (
        SELECT billable_duration, (epoch_ms(ended_at) - epoch_ms(started_at)) / 1e3 AS run_seconds
        FROM jobs
        WHERE is_terminal
    )
    WHERE billable_duration > 0 AND run_seconds >= 0
)
