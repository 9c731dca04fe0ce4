-- title: A statement, line by line
-- question: What did each project, person or account spend, on which device and in which job, and why is it theirs?
-- read: amounts less agreed discounts, which sum up to all charges of the period; accrued is what runs has cost so far, committed
--   what is open or to come, both at list price. rule says what gave it to this owner: docs/cost.md. `braket-etl statement` makes
--   a page or a file of it. Empty where nothing was charged in the period.
-- limits: first, last
-- param key (default project): account, person, or the key of a tag
-- chapter: What it cost, 27
SELECT
    a.owner,
    a.account_id,
    a.record_kind AS kind,
    coalesce(a.device_name, '(no device)') AS device,
    coalesce(j.job_name, '') AS job,
    a.rule,
    -- a task has one row beside that of its fee: to tell millions of them apart would take longer than all else
    (count(*) FILTER (a.record_kind = 'task' AND a.meter <> 'task')
        + count(DISTINCT a.record_arn) FILTER (a.record_kind <> 'task'))::BIGINT AS records,
    coalesce(sum(a.amount_usd), 0)::DECIMAL(38, 12) AS amount_usd,
    coalesce(sum(a.accrued_usd), 0)::DECIMAL(38, 12) AS accrued_usd,
    coalesce(sum(a.committed_usd), 0)::DECIMAL(38, 12) AS committed_usd
FROM allocated_charges AS a
LEFT JOIN jobs AS j ON j.job_arn = a.job_arn
WHERE a.owner_key = coalesce(getvariable('key'), 'project')
    AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
GROUP BY a.owner, a.account_id, kind, device, a.job_arn, job, a.rule
ORDER BY owner = '(unallocated)', owner, amount_usd DESC, a.account_id, kind, device, job, a.job_arn, rule
