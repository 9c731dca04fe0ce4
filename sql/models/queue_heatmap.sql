-- One row a device, weekday and hour (UTC) of submission: how long tasks waited, as bounds that are certain for these
-- tasks, and whether the device is open then. Every hour of the week is there for each device that has tasks.
-- Quantiles are NULL for fewer than 5 tasks.
--
-- group: latency
-- key: device_arn, weekday, hour_utc
-- device_arn: the device
-- weekday: 1 is Monday, 7 is Sunday
-- hour_utc: hour of submission, 0 to 23
-- n: tasks counted; reservations are not
-- n_censored: those of them that still wait or were cancelled waiting
-- p50_wait_seconds_lower: half of them waited at least so long or longer
-- p50_wait_seconds_upper: half of them waited at most so long; NULL is no bound
-- p90_wait_seconds_lower: a tenth of them waited at least so long
-- p90_wait_seconds_upper: nine tenths of them waited at most so long; NULL is no bound
-- open_share: share of that hour, 0 to 1, that lies in the device's newest execution windows; NULL where not known
WITH sent AS (
    -- the UTC hour without asking a calendar, which AT TIME ZONE does for each row
    SELECT
        device_arn, certainty, wait_seconds_lower, wait_seconds_at_most, make_timestamp(epoch_us(created_at)) AS utc
    FROM waits
    WHERE record_kind = 'task' AND is_counted
),
by_hour AS (
    SELECT
        device_arn,
        isodow(utc) AS weekday,
        hour(utc) AS hour_utc,
        count(*) AS n,
        count(*) FILTER (certainty = 'censored') AS n_censored,
        quantile_disc(wait_seconds_lower, [0.5, 0.9]) AS lowers,
        quantile_disc(wait_seconds_at_most, [0.5, 0.9]) AS uppers
    FROM sent
    GROUP BY ALL
),
hours_of_week AS (
    SELECT d.device_arn, w.weekday, h.hour_utc
    FROM (SELECT DISTINCT device_arn FROM by_hour) AS d
    CROSS JOIN (SELECT unnest(range(1, 8)) AS weekday) AS w
    CROSS JOIN (SELECT unnest(range(0, 24)) AS hour_utc) AS h
)
SELECT
    g.device_arn,
    g.weekday,
    g.hour_utc,
    coalesce(w.n, 0) AS n,
    coalesce(w.n_censored, 0) AS n_censored,
    CASE WHEN w.n >= 5 THEN w.lowers[1] END AS p50_wait_seconds_lower,
    CASE WHEN w.n >= 5 AND isfinite(w.uppers[1]) THEN w.uppers[1] END AS p50_wait_seconds_upper,
    CASE WHEN w.n >= 5 THEN w.lowers[2] END AS p90_wait_seconds_lower,
    CASE WHEN w.n >= 5 AND isfinite(w.uppers[2]) THEN w.uppers[2] END AS p90_wait_seconds_upper,
    o.open_share
FROM hours_of_week AS g
LEFT JOIN by_hour AS w ON w.device_arn = g.device_arn AND w.weekday = g.weekday AND w.hour_utc = g.hour_utc
LEFT JOIN device_open_week AS o
    ON o.device_arn = g.device_arn AND o.weekday = g.weekday AND o.hour_utc = g.hour_utc
