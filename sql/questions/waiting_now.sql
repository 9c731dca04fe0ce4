-- title: What waits now
-- question: Which tasks and jobs wait at this moment, how long have they, and how many are ahead of them?
-- read: waited is up to the last poll; ahead is what Braket showed then ("at least" where it is capped).
-- chapter: How long it waits, 60
SELECT
    w.record_arn AS arn,
    w.device_arn,
    w.created_at,
    round(w.wait_seconds_lower / 60, 1) AS waited_minutes,
    d.ahead,
    d.is_capped AS at_least,
    d.last_observed_at
FROM waits AS w
LEFT JOIN (
    SELECT * FROM queue_depth
    WHERE record_arn IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY record_arn ORDER BY observed_at DESC) = 1
) AS d ON d.record_arn = w.record_arn
WHERE w.is_waiting
ORDER BY waited_minutes DESC, arn
