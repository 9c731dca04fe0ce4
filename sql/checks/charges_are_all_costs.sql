-- of: charges
-- severity: error
-- when: daily
-- means: Charges sum up, to the last digit, to the costs of all tasks, of the instances and volumes of all jobs, and of
--   all reservations; so do the amounts committed, and what runs has cost so far.
-- do: do not believe sums of charges, and open an issue with what was found.
--
-- Sums of DECIMALs are exact, so they agree to the last digit or something is counted twice or not at all.
WITH sources AS (
    SELECT 'task' AS kind, sum(cost_usd) AS usd, sum(committed_usd) AS committed, sum(accrued_usd) AS accrued,
        count(*) AS n
    FROM task_costs
    UNION ALL
    SELECT 'job', coalesce(sum(instance_cost_usd), 0) + coalesce(sum(volume_cost_usd), 0), NULL, sum(accrued_usd),
        count(*)
    FROM job_costs
    UNION ALL
    SELECT 'reservation', sum(cost_usd), sum(committed_usd), NULL, count(*)
    FROM reservation_costs
),
charged AS (
    SELECT record_kind, sum(cost_usd) AS usd, sum(committed_usd) AS committed, sum(accrued_usd) AS accrued,
        count(*) FILTER (is_record) AS n
    FROM charges
    GROUP BY record_kind
)
SELECT
    concat_ws(
        ' ', s.kind, 'costs', s.usd, 'charged', c.usd, 'committed', s.committed, 'charged', c.committed, 'accrued', s.accrued,
        'charged', c.accrued
    ) AS found,
    greatest(abs(s.n - coalesce(c.n, 0)), 1)::BIGINT AS records
FROM sources AS s
LEFT JOIN charged AS c ON c.record_kind = s.kind
WHERE coalesce(s.usd, 0) <> coalesce(c.usd, 0) OR coalesce(s.committed, 0) <> coalesce(c.committed, 0)
    OR coalesce(s.accrued, 0) <> coalesce(c.accrued, 0) OR s.n <> coalesce(c.n, 0)
ORDER BY found
