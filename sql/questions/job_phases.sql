-- title: Where hybrid jobs spend their time
-- question: How long do jobs queue, start up, run, and run without priority?
-- read: exact, in minutes, summed over jobs and as a share of all their time.
-- chapter: How long it waits, 140
SELECT
    j.device_config_device AS device_arn,
    s.phase,
    count(DISTINCT s.job_arn) AS jobs,
    round(sum(s.seconds) / 60, 1) AS minutes,
    round(sum(s.seconds) / sum(sum(s.seconds)) OVER (PARTITION BY j.device_config_device), 3) AS share
FROM job_stages AS s
JOIN jobs AS j ON j.job_arn = s.job_arn
GROUP BY j.device_config_device, s.phase
ORDER BY j.device_config_device, minutes DESC, s.phase
