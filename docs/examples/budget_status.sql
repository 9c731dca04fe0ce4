-- How much of each budget is left, and will it last?
SELECT budget, scope, period_from, period_to, amount_usd, remaining_usd, used_share, forecast_usd
FROM budget_status
ORDER BY used_share DESC;

-- Which budgets will be overspent, even if spending is low from now on?
SELECT budget, amount_usd, forecast_lower_usd, forecast_upper_usd
FROM budget_status
WHERE forecast_lower_usd > amount_usd
ORDER BY budget;

-- What do the running jobs and simulator tasks of each budget cost so far?
SELECT budget, accrued_usd, committed_usd, as_of
FROM budget_status
ORDER BY accrued_usd DESC;
