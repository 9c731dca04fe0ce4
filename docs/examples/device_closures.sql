-- When was each device closed by its windows in the last week? is_assumed: before anyone looked at it.
SELECT device_arn, closed_from, closed_to, is_assumed
FROM device_closures
WHERE closed_to > now() - INTERVAL 7 DAY AND closed_from < now()
ORDER BY device_arn, closed_from;

-- How many hours was each device closed by its windows, and on how many occasions?
SELECT device_arn, count(*) AS closures, round(sum(epoch_us(closed_to) - epoch_us(closed_from)) / 3.6e9, 1) AS hours
FROM device_closures
GROUP BY device_arn
ORDER BY hours DESC;

-- When does a device that is closed by its windows at this moment open again?
SELECT device_arn, closed_to AS opens_at
FROM device_closures
WHERE closed_from <= now() AND closed_to > now()
ORDER BY opens_at;
