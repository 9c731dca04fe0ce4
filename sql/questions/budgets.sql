-- title: How much of each budget is used
-- question: How much of each budget of budgets.toml is spent, and will it last?
-- read: what is spent and what runs so far, as a share of the amount; the forecast adds what is committed and the days
--   that are left at the mean of the last 28, low and high are where 8 of 10 would lie if days were alike. Costs that are
--   not known are in none of it: @cost_not_known.
-- columns: budget, scope, amount_usd, spent_usd, accrued_usd, used_share, forecast_usd, period_to
-- chapter: What it will cost, 38
-- report: Commitments and limits, 15
-- empty: No budget is kept: docs/budgets.md says how to write budgets.toml.
SELECT
    budget,
    scope,
    period_from,
    period_to,
    amount_usd,
    spent_usd,
    accrued_usd,
    committed_usd,
    used_share,
    forecast_lower_usd AS forecast_low_usd,
    forecast_usd,
    forecast_upper_usd AS forecast_high_usd,
    forecast_share,
    remaining_usd,
    days_left,
    as_of
FROM budget_status
ORDER BY used_share DESC, budget
