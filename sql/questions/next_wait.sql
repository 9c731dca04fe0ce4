-- title: What the next task will wait
-- question: If I send a task now, or at another hour, how long will it wait?
-- read: half of such tasks start between p25 and p75, nine tenths between p05 and p95. held_50 and held_90 say how
--   often that was true in weeks that the forecast had not seen: near 0.5 and 0.9, believe it. Method depth is for the
--   present (hour_utc -1), method hour for a task sent at that hour.
-- param device (default all, of @choices): name of one device, or all
-- columns: device, method, hour_utc, status, p50_minutes, p95_minutes, n, held_90
-- chapter: How long it waits, 40
SELECT
    regexp_extract(device_arn, '[^/]*$') AS device,
    method,
    hour_utc,
    status,
    round(wait_p05_seconds / 60, 1) AS p05_minutes,
    round(wait_p25_seconds / 60, 1) AS p25_minutes,
    round(wait_p50_seconds / 60, 1) AS p50_minutes,
    round(wait_p75_seconds / 60, 1) AS p75_minutes,
    round(wait_p95_seconds / 60, 1) AS p95_minutes,
    n,
    round(backtest_coverage_50, 2) AS held_50,
    round(backtest_coverage_90, 2) AS held_90,
    backtest_n
FROM wait_forecast
WHERE coalesce(getvariable('device'), 'all') IN ('all', string_split(device_arn, '/')[-1])
ORDER BY device, method, hour_utc
