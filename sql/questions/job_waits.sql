-- title: How long hybrid jobs wait
-- question: From creation to start, how long do jobs wait, and how much of it is start-up?
-- read: medians in minutes. n_censored jobs still wait or were cancelled waiting: they count as having waited longer than
--   seen, and a quantile that falls among them is empty. The parts are those of the jobs whose events tell them, so they
--   do not add up to the wait.
-- chapter: How long it waits, 130
SELECT
    device_arn,
    count(*) AS n,
    count(*) FILTER (certainty = 'censored') AS n_censored,
    round(nullif(quantile_disc(wait_seconds_at_most, 0.5), 'infinity'::DOUBLE) / 60, 1) AS p50_wait_minutes,
    round(nullif(quantile_disc(wait_seconds_at_most, 0.9), 'infinity'::DOUBLE) / 60, 1) AS p90_wait_minutes,
    round(quantile_disc(queue_seconds, 0.5) FILTER (certainty <> 'censored') / 60, 1) AS p50_queue_minutes,
    round(quantile_disc(startup_seconds, 0.5) FILTER (certainty <> 'censored') / 60, 1) AS p50_startup_minutes
FROM waits
WHERE record_kind = 'job' AND is_counted
GROUP BY device_arn
ORDER BY device_arn
