-- One row a budget of budgets.toml: how much of it is used, and what will have been used at its end. A budget by the month
-- is that of the month of the newest answer. The forecast adds to what is spent, runs and is committed the days that are
-- left, at the mean of the last 28 whole days (days before the first charge that it is for do not count). Its interval is
-- where 8 of 10 would lie if days were independent and alike: days left have the spread of these 28, and so has their mean.
--
-- group: costs
-- key: budget
-- budget: its name
-- scope: what it is for, in words
-- period_from: first day
-- period_to: last day, in as well
-- amount_usd: how much may be spent
-- spent_usd: spent in its days, less agreed discounts, as far as known
-- accrued_usd: what runs has cost in its days so far, as far as it was seen running, at list price
-- forecast_usd: what will have been spent at its end
-- used_share: spent_usd and accrued_usd as a share of the amount, from 0
-- committed_usd: what is open or to come in its days, at list price
-- forecast_lower_usd: in 9 of 10 cases it will be more than this
-- forecast_upper_usd: in 9 of 10 cases it will be less than this
-- forecast_share: the forecast as a share of the amount
-- remaining_usd: the amount less what is spent and accrued; below 0 where more is
-- days_left: days of it that are yet to come after as_of
-- as_of: UTC day of the newest answer
-- thresholds: shares of which people are told
WITH by_day AS (
    SELECT
        budget,
        charge_date,
        sum(amount_usd) AS amount_usd,
        sum(accrued_usd) AS accrued_usd,
        sum(committed_usd) AS committed_usd
    FROM budget_charges
    GROUP BY budget, charge_date
),
summed AS (
    SELECT
        d.budget,
        coalesce(sum(c.amount_usd) FILTER (c.charge_date BETWEEN d.period_from AND d.period_to), 0) AS spent_usd,
        coalesce(sum(c.accrued_usd) FILTER (c.charge_date BETWEEN d.period_from AND d.period_to), 0) AS accrued_usd,
        coalesce(sum(c.committed_usd) FILTER (c.charge_date BETWEEN d.period_from AND d.period_to), 0) AS committed_usd,
        -- of the last 28 whole days; days without a charge have no row, and count as 0
        least(28, coalesce(d.today - min(c.charge_date), 0)) AS n_days,
        coalesce(sum(c.amount_usd::DOUBLE) FILTER (c.charge_date BETWEEN d.today - 28 AND d.today - 1), 0) AS lately,
        coalesce(sum(c.amount_usd::DOUBLE * c.amount_usd::DOUBLE) FILTER (c.charge_date BETWEEN d.today - 28 AND d.today - 1), 0) AS squares
    FROM budget_periods AS d
    LEFT JOIN by_day AS c ON c.budget = d.budget
    GROUP BY d.budget, d.today
),
rated AS (
    SELECT
        d.*,
        s.* EXCLUDE (budget),
        (s.spent_usd + s.accrued_usd)::DECIMAL(38, 12) AS used_usd,
        greatest(d.period_to - greatest(d.today, d.period_from - 1), 0) AS days_left,
        CASE WHEN s.n_days > 0 THEN s.lately / s.n_days ELSE 0 END AS per_day,
        CASE WHEN s.n_days > 1 THEN sqrt(greatest(s.squares - s.lately * s.lately / s.n_days, 0) / (s.n_days - 1)) ELSE 0 END
            AS spread
    FROM budget_periods AS d
    JOIN summed AS s ON s.budget = d.budget
),
forecast AS (
    SELECT
        *,
        (used_usd + committed_usd)::DECIMAL(38, 12) AS known_usd,
        days_left * per_day AS more,
        -- 1.2816: a tenth of a normal distribution lies above it
        CASE WHEN n_days > 0 THEN 1.2816 * spread * sqrt(days_left + days_left * days_left / n_days) ELSE 0 END AS off_by
    FROM rated
)
SELECT
    budget,
    coalesce(
        nullif(
            concat_ws(
                ', ', 'tag ' || tag_key || '=' || tag_value, 'account ' || account, 'device ' || device, 'person ' || person
            ),
            ''
        ),
        'everything'
    ) AS scope,
    period_from,
    period_to,
    amount_usd,
    spent_usd::DECIMAL(38, 12) AS spent_usd,
    accrued_usd::DECIMAL(38, 12) AS accrued_usd,
    (known_usd + more::DECIMAL(38, 12))::DECIMAL(38, 12) AS forecast_usd,
    used_usd::DOUBLE / amount_usd::DOUBLE AS used_share,
    committed_usd::DECIMAL(38, 12) AS committed_usd,
    (known_usd + greatest(more - off_by, 0)::DECIMAL(38, 12))::DECIMAL(38, 12) AS forecast_lower_usd,
    (known_usd + (more + off_by)::DECIMAL(38, 12))::DECIMAL(38, 12) AS forecast_upper_usd,
    (known_usd::DOUBLE + more) / amount_usd::DOUBLE AS forecast_share,
    (amount_usd - used_usd)::DECIMAL(38, 12) AS remaining_usd,
    days_left,
    today AS as_of,
    thresholds
FROM forecast
