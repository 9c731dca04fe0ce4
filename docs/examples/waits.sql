-- How long did tasks wait, by device? The median lies between the two, for certain; infinity is no bound.
SELECT
    device_name,
    count(*) AS tasks,
    quantile_disc(wait_seconds_lower, 0.5) AS p50_at_least,
    quantile_disc(wait_seconds_at_most, 0.5) AS p50_at_most
FROM waits
WHERE record_kind = 'task' AND is_counted
GROUP BY device_name
ORDER BY device_name;

-- Which waits are not counted, and why?
SELECT record_kind, left_out, count(*) AS records
FROM waits
WHERE NOT is_counted
GROUP BY record_kind, left_out
ORDER BY records DESC;

-- How well are waits known, by device?
SELECT device_name, certainty, count(*) AS tasks
FROM waits
WHERE record_kind = 'task' AND is_counted
GROUP BY device_name, certainty
ORDER BY device_name, tasks DESC;
