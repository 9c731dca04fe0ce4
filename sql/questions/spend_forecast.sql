-- title: What this month will cost
-- question: At the rate of the last weeks, what will the month have cost when it ends?
-- read: month_to_date is spent, committed is open and will be due; the forecast adds the days that are left at the mean
--   of the last 28 days, low and high at the least and the most of that mean and those of the last two weeks. A run
--   rate, no model: it knows nothing of plans. The month is that of the newest answer; n_unknown costs of it are not in it.
-- chapter: What it will cost, 10
WITH instant AS (
    SELECT timezone('UTC', max(fetched_at))::DATE AS today FROM quantum_tasks
),
-- read once: all that follows are sums of it
spending AS MATERIALIZED (
    SELECT charge_date, sum(cost_usd) AS cost_usd, sum(committed_usd) AS committed_usd, sum(n_unknown) AS n_unknown
    FROM daily_costs
    GROUP BY charge_date
),
days AS (
    -- a day without spending counts as 0, days before the first known one do not count
    SELECT unnest(generate_series(today - 28, today - 1, INTERVAL 1 DAY))::DATE AS day FROM instant
),
by_day AS (
    SELECT d.day, coalesce(s.cost_usd, 0) AS usd
    FROM days AS d
    LEFT JOIN spending AS s ON s.charge_date = d.day
    WHERE d.day >= (SELECT min(charge_date) FROM spending)
),
rates AS (
    SELECT
        avg(usd) AS per_day,
        avg(usd) FILTER (day >= today - 7) AS last_week,
        avg(usd) FILTER (day >= today - 14 AND day < today - 7) AS week_before,
        count(*) AS days_known
    FROM by_day CROSS JOIN instant
),
month AS (
    SELECT
        i.today,
        date_diff('day', i.today, last_day(i.today)) AS days_left,
        coalesce(sum(s.cost_usd), 0) AS spent,
        (SELECT coalesce(sum(committed_usd), 0) FROM spending) AS committed,
        coalesce(sum(s.n_unknown), 0)::BIGINT AS n_unknown
    FROM instant AS i
    LEFT JOIN spending AS s ON s.charge_date BETWEEN date_trunc('month', i.today)::DATE AND i.today
    GROUP BY i.today
)
SELECT
    m.today AS as_of,
    m.spent AS month_to_date_usd,
    m.committed AS committed_usd,
    m.days_left,
    round(r.per_day, 2) AS usd_per_day,
    round(m.spent + m.committed + m.days_left * least(r.per_day, r.last_week, r.week_before), 2) AS forecast_low_usd,
    round(m.spent + m.committed + m.days_left * r.per_day, 2) AS forecast_usd,
    round(m.spent + m.committed + m.days_left * greatest(r.per_day, r.last_week, r.week_before), 2) AS forecast_high_usd,
    r.days_known,
    m.n_unknown
FROM month AS m CROSS JOIN rates AS r
WHERE m.today IS NOT NULL
