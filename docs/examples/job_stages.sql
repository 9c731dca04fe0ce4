-- Where did the time of one job go? Here: of the one that was created last.
SELECT stage_index, stage, phase, started_at, seconds
FROM job_stages
WHERE job_arn = (SELECT job_arn FROM jobs ORDER BY created_at DESC LIMIT 1)
ORDER BY stage_index;

-- How long does each phase take?
SELECT phase, count(*) AS stages, median(seconds) AS p50_seconds, max(seconds) AS longest_seconds
FROM job_stages
GROUP BY phase
ORDER BY p50_seconds DESC;

-- In which stage are open jobs?
SELECT stage, count(*) AS jobs, max(seconds) AS longest_seconds
FROM job_stages
WHERE is_open
GROUP BY stage;
