-- What was told of tasks and jobs, newest first?
SELECT event_time, detail_type, status, record_arn
FROM state_change_events
ORDER BY event_time DESC
LIMIT 100;

-- How long was an event on its way? Events are read once a run, so this is at most the time between two runs.
SELECT detail_type, median(fetched_at - event_time) AS usual, max(fetched_at - event_time) AS longest
FROM state_change_events
GROUP BY detail_type;

-- Who sends them?
SELECT source, account_id, region, count(*) AS events
FROM state_change_events
GROUP BY source, account_id, region
ORDER BY events DESC;
