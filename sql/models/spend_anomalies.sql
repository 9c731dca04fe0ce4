-- One row a day and scope that cost far more than such days do. Scopes are everything, each device, and each project on a
-- device. Days on which nothing was spent are left out, so that it does not matter how often a device is used. A day's surprise is
-- the log of a dollar and what was spent, less the median of its weekday in the twelve weeks before (of all days where
-- fewer than four of them had spending). It is held against the surprises of the 84 days before: their median, and their
-- spread from there up to nine in ten of them, taken for that of a normal distribution, which some wild days among them
-- hardly move. A day is listed that lies 4 of these above, above twice what was expected, and by 5 dollars, once 14 days with
-- spending are known. What runs counts as far as it was seen; the newest day is not over, and only more can come to it.
--
-- group: costs
-- key: charge_date, scope, name
-- charge_date: UTC day, as in charges
-- scope: all, device or project on device
-- name: what it is; of all, everything
-- spent_usd: spent on that day, less agreed discounts, and what ran, at list price
-- expected_usd: what such a day costs as a rule: the median of its weekday
-- most_usd: above this a day is listed
-- score: surprise in standard deviations
-- n_days: days of the scope with spending that it was held against
WITH spent AS (
    SELECT
        charge_date,
        coalesce(device_name, '(no device)') AS device,
        owner AS project,
        sum(coalesce(amount_usd, 0) + coalesce(accrued_usd, 0)) AS usd
    FROM allocated_charges
    WHERE owner_key = 'project'
    GROUP BY charge_date, device, project
),
by_scope AS (
    SELECT
        charge_date,
        CASE grouping(device, project) WHEN 3 THEN 'all' WHEN 1 THEN 'device' ELSE 'project on device' END AS scope,
        CASE grouping(device, project) WHEN 3 THEN 'everything' WHEN 1 THEN device ELSE project || ' on ' || device END AS name,
        sum(usd) AS usd
    FROM spent
    GROUP BY GROUPING SETS ((charge_date), (charge_date, device), (charge_date, device, project))
),
lives AS (
    SELECT
        scope,
        name,
        unnest(generate_series(min(charge_date), max(max(charge_date)) OVER (), INTERVAL 1 DAY))::DATE AS charge_date
    FROM by_scope
    GROUP BY scope, name
),
days AS (
    SELECT
        l.scope,
        l.name,
        l.charge_date,
        isodow(l.charge_date) AS weekday,
        coalesce(s.usd, 0) AS usd,
        ln(1 + greatest(coalesce(s.usd, 0), 0)::DOUBLE) AS level
    FROM lives AS l
    LEFT JOIN by_scope AS s ON s.scope = l.scope AND s.name = l.name AND s.charge_date = l.charge_date
),
-- Only days with spending are compared: on how many days a scope spends nothing says nothing of what such a day costs.
expected AS (
    SELECT
        *,
        CASE WHEN usd > 0 THEN level END AS spent_level,
        median(CASE WHEN usd > 0 THEN level END) OVER same_weekday AS of_weekday,
        count(*) FILTER (usd > 0) OVER same_weekday AS n_weekday,
        median(CASE WHEN usd > 0 THEN level END) OVER before AS of_all
    FROM days
    WINDOW
        same_weekday AS (PARTITION BY scope, name, weekday ORDER BY charge_date ROWS BETWEEN 12 PRECEDING AND 1 PRECEDING),
        before AS (PARTITION BY scope, name ORDER BY charge_date ROWS BETWEEN 84 PRECEDING AND 1 PRECEDING)
),
surprises AS (
    SELECT
        *,
        CASE WHEN n_weekday >= 4 THEN of_weekday ELSE of_all END AS usual,
        spent_level - CASE WHEN n_weekday >= 4 THEN of_weekday ELSE of_all END AS surprise
    FROM expected
),
judged AS (
    SELECT
        *,
        count(surprise) OVER before AS n_days,
        quantile_cont(surprise, 0.5) OVER before AS middle,
        quantile_cont(surprise, 0.9) OVER before AS ninth
    FROM surprises
    WINDOW before AS (PARTITION BY scope, name ORDER BY charge_date ROWS BETWEEN 84 PRECEDING AND 1 PRECEDING)
),
scored AS (
    SELECT
        *,
        greatest((ninth - middle) / 1.2816, 0.35) AS spread,
        exp(usual) - 1 AS expected_usd
    FROM judged
    WHERE n_days >= 14
),
bounded AS (
    SELECT
        *,
        greatest(exp(usual + middle + 4 * spread) - 1, 2 * expected_usd, expected_usd + 5) AS most_usd
    FROM scored
)
SELECT
    charge_date,
    scope,
    name,
    usd::DECIMAL(38, 12) AS spent_usd,
    expected_usd,
    most_usd,
    (surprise - middle) / spread AS score,
    n_days
FROM bounded
WHERE usd > most_usd
