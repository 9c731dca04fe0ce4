-- of: job_stages
-- severity: error
-- when: daily
-- means: The stages of a job follow each other without a gap, and last together as long as the job took.
-- do: do not believe the stages of these jobs, and open an issue with one of them.
WITH summed AS (
    SELECT job_arn, sum(round(seconds * 1e6)::BIGINT) AS stages,
        date_diff('microsecond', min(started_at), max(ended_at)) AS span
    FROM job_stages
    GROUP BY job_arn
)
SELECT
    concat_ws(' ', s.job_arn, 'stages', s.stages / 1e6, 's, turnaround', l.turnaround_seconds, 's') AS found,
    1 AS records
FROM job_latency AS l
LEFT JOIN summed AS s ON s.job_arn = l.job_arn
WHERE s.stages IS DISTINCT FROM s.span OR s.stages <> round(l.turnaround_seconds * 1e6)::BIGINT
ORDER BY found
