-- title: How good the forecast of budgets is
-- question: Had we forecast the next 7, 14 or 28 days on each past day, how often had spending stayed within the interval?
-- read: budget_status's forecast, computed again for each day of the history that has 28 days before it, for each owner of the key.
--   inside_share would be 0.8 if days were independent and alike; below it, spending comes in campaigns, and the interval is
--   too narrow. off_share is how far off the forecast was in the middle of all cases. Accrued and committed costs are not in it.
--   Empty where there are fewer than 35 days.
-- param key (default account): account, person, or the key of a tag
-- chapter: What it will cost, 41
WITH spent AS (
    SELECT owner, charge_date AS day, sum(amount_usd)::DOUBLE AS usd
    FROM allocated_charges
    WHERE owner_key = coalesce(getvariable('key'), 'account') AND amount_usd IS NOT NULL
    GROUP BY ALL
),
lives AS (
    SELECT owner, unnest(generate_series(min(day), max(day), INTERVAL 1 DAY))::DATE AS day
    FROM spent
    GROUP BY owner
),
days AS (
    SELECT l.owner, l.day, coalesce(s.usd, 0) AS usd
    FROM lives AS l
    LEFT JOIN spent AS s ON s.owner = l.owner AND s.day = l.day
),
known AS (
    SELECT
        owner,
        count(*) OVER before AS n_days,
        avg(usd) OVER before AS per_day,
        stddev_samp(usd) OVER before AS spread,
        unnest([
            {'days': 7, 'usd': sum(usd) OVER week, 'n': count(*) OVER week},
            {'days': 14, 'usd': sum(usd) OVER fortnight, 'n': count(*) OVER fortnight},
            {'days': 28, 'usd': sum(usd) OVER four_weeks, 'n': count(*) OVER four_weeks}
        ]) AS next
    FROM days
    WINDOW
        before AS (PARTITION BY owner ORDER BY day ROWS BETWEEN 28 PRECEDING AND 1 PRECEDING),
        week AS (PARTITION BY owner ORDER BY day ROWS BETWEEN CURRENT ROW AND 6 FOLLOWING),
        fortnight AS (PARTITION BY owner ORDER BY day ROWS BETWEEN CURRENT ROW AND 13 FOLLOWING),
        four_weeks AS (PARTITION BY owner ORDER BY day ROWS BETWEEN CURRENT ROW AND 27 FOLLOWING)
),
judged AS (
    SELECT
        next.days AS days,
        next.days * per_day AS forecast,
        next.usd AS usd,
        1.2816 * spread * sqrt(next.days + next.days * next.days / n_days) AS off_by
    FROM known
    WHERE n_days = 28 AND next.n = next.days
)
SELECT
    days AS days_ahead,
    count(*) AS forecasts,
    avg((abs(usd - forecast) <= off_by)::INTEGER) AS inside_share,
    median(abs(usd - forecast) / forecast) FILTER (forecast > 0) AS off_share
FROM judged
GROUP BY days
ORDER BY days
