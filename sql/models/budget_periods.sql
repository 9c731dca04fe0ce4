-- One row a budget of budgets.toml with the days that it is for now. A budget by the month is for that of the newest answer.
-- For questions read budget_status.
--
-- group: costs
-- key: budget
-- budget: its name
-- period_from: first day
-- period_to: last day, in as well
-- today: UTC day of the newest answer
-- amount_usd: how much may be spent
-- tag_key: key of the tag that it is for; NULL for any, as in the next ones
-- tag_value: value of that tag
-- account: account id
-- device: device, its ARN or the last part of it
-- person: person
-- thresholds: shares of which people are told
WITH newest AS (
    SELECT make_timestamp(epoch_us(max(seen_at)))::DATE AS today
    FROM (
        SELECT max(fetched_at) AS seen_at FROM quantum_tasks
        UNION ALL
        SELECT max(fetched_at) FROM jobs
        UNION ALL
        SELECT max(c.searched_at) FROM etl.coverage AS c
    )
)
SELECT
    b.budget,
    coalesce(b.first_day, date_trunc('month', n.today)::DATE) AS period_from,
    coalesce(b.last_day, last_day(n.today)) AS period_to,
    n.today,
    b.amount_usd,
    b.tag_key,
    b.tag_value,
    b.account,
    b.device,
    b.person,
    b.thresholds
FROM budgets AS b
CROSS JOIN newest AS n
