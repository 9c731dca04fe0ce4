-- title: Spending by person
-- question: Who spent how much, on what, and how much more is still to come?
-- read: less agreed discounts, as `braket-etl statement --by person` has it line by line. A person is who created a task or job;
--   of a task in a job, who created the job; of a reservation, who created the tasks that used it; else whom
--   allocations.toml names. Names are kept where BRAKET_ETL_CREATED_BY says so: @created_by_unknown says why nobody is known.
--   Accrued is what runs has cost so far, committed what is open or to come. Where n_unknown is not 0, it was more.
-- limits: first, last, account, device
-- chapter: What it cost, 24
WITH spent AS (
    SELECT
        owner AS person,
        sum(amount_usd) AS amount_usd,
        sum(amount_usd) FILTER (record_kind = 'task' AND job_arn IS NULL) AS tasks_usd,
        sum(amount_usd) FILTER (record_kind = 'task' AND job_arn IS NOT NULL) AS tasks_in_jobs_usd,
        sum(amount_usd) FILTER (record_kind = 'job') AS jobs_usd,
        sum(amount_usd) FILTER (record_kind = 'reservation') AS reservations_usd,
        sum(accrued_usd) AS accrued_usd,
        sum(committed_usd) AS committed_usd,
        0 AS n_unknown
    FROM allocated_charges
    WHERE owner_key = 'person'
        AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
        AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
        AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    GROUP BY owner
    UNION ALL
    SELECT coalesce(created_by, '(unallocated)'), 0, 0, 0, 0, 0, 0, 0, count(DISTINCT unknown_arn)
    FROM charge_sums
    WHERE unknown_arn IS NOT NULL
        AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
        AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
        AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
    GROUP BY created_by
)
SELECT
    person,
    coalesce(sum(amount_usd), 0)::DECIMAL(38, 12) AS amount_usd,
    coalesce(sum(tasks_usd), 0)::DECIMAL(38, 12) AS tasks_usd,
    coalesce(sum(tasks_in_jobs_usd), 0)::DECIMAL(38, 12) AS tasks_in_jobs_usd,
    coalesce(sum(jobs_usd), 0)::DECIMAL(38, 12) AS jobs_usd,
    coalesce(sum(reservations_usd), 0)::DECIMAL(38, 12) AS reservations_usd,
    coalesce(sum(accrued_usd), 0)::DECIMAL(38, 12) AS accrued_usd,
    coalesce(sum(committed_usd), 0)::DECIMAL(38, 12) AS committed_usd,
    sum(n_unknown)::BIGINT AS n_unknown
FROM spent
GROUP BY person
ORDER BY person = '(unallocated)', amount_usd DESC, person
