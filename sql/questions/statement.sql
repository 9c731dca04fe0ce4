-- title: A statement, line by line
-- question: What did each project, person or account spend, on which device and in which job, and why is it theirs?
-- read: amounts less agreed discounts, which sum up to all charges of the period; accrued is what runs has cost so far, committed
--   what is open or to come, both at list price. rule says what gave it to this owner: docs/budgets.md;
--   prices where its prices came from, of more than two the first and the last by name. `braket-etl statement` makes a page or
--   a file of it. Empty where nothing was charged in the period.
-- limits: first, last
-- param key (default project): account, person, or the key of a tag
-- columns: owner, kind, device, job, records, amount_usd
-- chapter: What it cost, 27
WITH lines AS (
    SELECT
        owner,
        account_id,
        record_kind AS kind,
        device_name,
        job_arn,
        rule,
        -- a task has one row beside that of its fee, the lines of a job are its own; of a reservation, its uses
        CASE record_kind
            WHEN 'task' THEN count(*) FILTER (meter <> 'task')
            WHEN 'job' THEN 1
            ELSE greatest(count(*) FILTER (is_record), 1)
        END::BIGINT AS records,
        sum(amount_usd) AS amount_usd,
        sum(accrued_usd) AS accrued_usd,
        sum(committed_usd) AS committed_usd,
        min(price_source) AS first_source,
        max(price_source) AS last_source
    FROM allocated_charges
    WHERE owner_key = coalesce(getvariable('key'), 'project')
        AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
        AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
    GROUP BY owner, account_id, kind, device_name, job_arn, rule
)
SELECT
    l.owner,
    l.account_id,
    l.kind,
    coalesce(l.device_name, '(no device)') AS device,
    coalesce(j.job_name, '') AS job,
    l.rule,
    l.records,
    coalesce(l.amount_usd, 0)::DECIMAL(38, 12) AS amount_usd,
    coalesce(l.accrued_usd, 0)::DECIMAL(38, 12) AS accrued_usd,
    coalesce(l.committed_usd, 0)::DECIMAL(38, 12) AS committed_usd,
    l.first_source || CASE WHEN l.last_source <> l.first_source THEN ', ' || l.last_source ELSE '' END AS prices,
    coalesce(l.job_arn, '') AS job_arn
FROM lines AS l
LEFT JOIN jobs AS j ON j.job_arn = l.job_arn
ORDER BY l.owner = '(unallocated)', l.owner, amount_usd DESC, l.account_id, l.kind, device, job, l.job_arn, l.rule
