-- What did polls see of jobs, in order?
SELECT job_arn, observed_at, last_observed_at, n_polls, status, position_raw
FROM job_observations
ORDER BY job_arn, observed_at;

-- Which jobs wait now, and at which position?
SELECT job_arn, queue, position, is_capped, last_observed_at
FROM job_observations
QUALIFY row_number() OVER (PARTITION BY job_arn ORDER BY observed_at DESC) = 1 AND status = 'QUEUED'
ORDER BY position;

-- How often was each job polled?
SELECT job_arn, sum(n_polls) AS polls, min(observed_at) AS first_poll, max(last_observed_at) AS last_poll
FROM job_observations
GROUP BY job_arn
ORDER BY polls DESC;
