-- title: What a budget was spent on
-- question: Which devices and jobs used up each budget?
-- read: of the days of each budget, the largest spending by device and job, what runs included. Tasks without a job, and
--   reservations, stand by their device. Empty where no
--   budget is kept, or nothing of it is spent.
-- param budget (of @budgets): only this one
-- param rows (default 5): how many of each
-- chapter: What it will cost, 39
WITH spent AS (
    SELECT
        c.budget,
        coalesce(c.device_name, '(no device)') AS device,
        coalesce(j.job_name, CASE WHEN c.record_kind = 'reservation' THEN '(reservation)' ELSE '(no job)' END) AS job,
        sum(coalesce(c.amount_usd, 0) + coalesce(c.accrued_usd, 0)) AS spent_usd,
        count(*) FILTER (c.is_record) AS records
    FROM budget_charges AS c
    JOIN budget_periods AS s ON s.budget = c.budget AND c.charge_date BETWEEN s.period_from AND s.period_to
    LEFT JOIN jobs AS j ON j.job_arn = c.job_arn
    WHERE (getvariable('budget') IS NULL OR c.budget = getvariable('budget')::VARCHAR)
    GROUP BY ALL
)
SELECT *
FROM spent
WHERE spent_usd > 0
QUALIFY row_number() OVER (PARTITION BY budget ORDER BY spent_usd DESC, device, job) <= coalesce(getvariable('rows'), 5)::BIGINT
ORDER BY budget, spent_usd DESC, device, job
