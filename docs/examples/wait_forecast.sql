-- What will a task wait that is sent now?
SELECT device_arn, wait_p05_seconds, wait_p50_seconds, wait_p95_seconds, depth, depth_at
FROM wait_forecast
WHERE method = 'depth' AND status = 'ok'
ORDER BY wait_p50_seconds;

-- At which hour is the wait shortest?
SELECT device_arn, hour_utc, wait_p50_seconds
FROM wait_forecast
WHERE method = 'hour' AND status = 'ok'
QUALIFY row_number() OVER (PARTITION BY device_arn ORDER BY wait_p50_seconds, hour_utc) = 1
ORDER BY device_arn;

-- How often was the forecast right? Near 0.5 and 0.9 is right.
SELECT DISTINCT device_arn, method, backtest_coverage_50, backtest_coverage_90, backtest_n
FROM wait_forecast
WHERE backtest_coverage_50 IS NOT NULL
ORDER BY device_arn, method;
