-- In which hours (UTC) of the week is a device open? Here: those of one device.
SELECT weekday, list(hour_utc ORDER BY hour_utc) AS open_hours
FROM device_open_week
WHERE device_arn LIKE '%/Aquila' AND open_share > 0
GROUP BY weekday
ORDER BY weekday;

-- How many hours a week is each device open?
SELECT device_arn, round(sum(open_share), 1) AS open_hours_a_week
FROM device_open_week
GROUP BY device_arn
ORDER BY open_hours_a_week DESC;

-- Which devices are open at this hour, by their windows?
SELECT device_arn, open_share
FROM device_open_week
WHERE weekday = isodow(timezone('UTC', now())) AND hour_utc = hour(timezone('UTC', now())) AND open_share > 0
ORDER BY device_arn;
