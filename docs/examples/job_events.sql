-- What happened to a job, in order? Here: to the one that was created last.
SELECT event_index, time_of_event, event_type, message
FROM job_events
WHERE job_arn = (SELECT job_arn FROM jobs ORDER BY created_at DESC LIMIT 1)
ORDER BY event_index;

-- Which jobs lost their priority on the device, and how often?
SELECT job_arn, count(*) AS times
FROM job_events
WHERE event_type = 'DEPRIORITIZED_DUE_TO_INACTIVITY'
GROUP BY job_arn
ORDER BY times DESC;

-- Which kinds of events does Braket tell of?
SELECT event_type, count(*) AS events, min(time_of_event) AS first, max(time_of_event) AS last
FROM job_events
GROUP BY event_type
ORDER BY events DESC;
