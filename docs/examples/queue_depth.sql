-- How long were the queues of all customers when they were last seen?
SELECT device_arn, queue, ahead, is_capped, last_observed_at
FROM queue_depth
WHERE kind = 'device_depth'
QUALIFY row_number() OVER (PARTITION BY device_arn, queue ORDER BY observed_at DESC) = 1
ORDER BY device_arn, queue;

-- How did the position of one of our tasks fall? Here: of the one with the most rows.
SELECT observed_at, ahead, is_capped, drained_per_hour
FROM queue_depth
WHERE record_arn = (
    SELECT record_arn FROM queue_depth WHERE kind = 'task_position' GROUP BY record_arn ORDER BY count(*) DESC LIMIT 1)
ORDER BY observed_at;

-- How fast do queues shrink?
SELECT device_arn, queue, median(drained_per_hour) AS drained_per_hour, count(drained_per_hour) AS seen
FROM queue_depth
WHERE kind = 'task_position'
GROUP BY device_arn, queue;
