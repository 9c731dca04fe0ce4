-- title: What the totals leave out
-- question: How many tasks and jobs have no cost, and why?
-- read: no_price: load a price list that covers them; no_duration: results.json of simulator tasks, or the billable
--   duration of jobs, is not known; pending: not ended yet. @cost_unknown counts each record of a period once.
-- chapter: What is not known, 10
SELECT
    record_kind,
    meter,
    device_name,
    cost_status,
    -- of a meter a task has one row, others one a day
    count(*) FILTER (record_kind = 'task') + count(DISTINCT record_arn) FILTER (record_kind <> 'task') AS records,
    min(charge_date) AS first,
    max(charge_date) AS last
FROM charges
WHERE cost_usd IS NULL
GROUP BY record_kind, meter, device_name, cost_status
ORDER BY records DESC, record_kind, meter, device_name, cost_status
