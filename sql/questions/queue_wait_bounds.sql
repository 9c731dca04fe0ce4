-- title: What is certain about waits
-- question: Without any statistics, between what bounds do the median and the 90th percentile lie?
-- read: true for these tasks whatever the distribution of waits is. high is NULL where so many still wait, or were
--   cancelled waiting, that nothing bounds it.
-- chapter: How long it waits, 30
SELECT
    device_arn,
    count(*) AS n,
    count(*) FILTER (certainty = 'censored') AS n_censored,
    round(quantile_disc(wait_seconds_lower, 0.5) / 60, 1) AS p50_low_minutes,
    round(nullif(quantile_disc(wait_seconds_at_most, 0.5), 'infinity'::DOUBLE) / 60, 1) AS p50_high_minutes,
    round(quantile_disc(wait_seconds_lower, 0.9) / 60, 1) AS p90_low_minutes,
    round(nullif(quantile_disc(wait_seconds_at_most, 0.9), 'infinity'::DOUBLE) / 60, 1) AS p90_high_minutes
FROM waits
WHERE record_kind = 'task' AND is_counted
GROUP BY device_arn
ORDER BY device_arn
