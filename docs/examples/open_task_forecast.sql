-- How long has each waiting task still to wait? Longest first.
SELECT quantum_task_arn, device_arn, waited_seconds, position, remaining_p50_seconds, remaining_p90_seconds, basis
FROM open_task_forecast
ORDER BY remaining_p50_seconds DESC NULLS LAST;

-- By when will half of the waiting tasks of each device have started, and nine in ten?
SELECT
    device_arn, count(*) AS waiting, max(computed_at + to_seconds(remaining_p50_seconds)) AS p50_by,
    max(computed_at + to_seconds(remaining_p90_seconds)) AS p90_by
FROM open_task_forecast
GROUP BY device_arn
ORDER BY device_arn;

-- Were these forecasts right before? Near 0.5 and 0.9 is right.
SELECT DISTINCT device_arn, basis, backtest_below_p50, backtest_below_p90, backtest_n
FROM open_task_forecast
WHERE backtest_below_p50 IS NOT NULL
ORDER BY device_arn, basis;
