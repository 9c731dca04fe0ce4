-- Which keys are there, and how much spending bears them?
SELECT tag_key, sum(cost_usd) FILTER (NOT is_untagged) AS tagged_usd, sum(cost_usd) AS all_usd
FROM tag_costs
GROUP BY tag_key
ORDER BY tagged_usd DESC NULLS LAST;

-- What did each team spend, month by month?
SELECT date_trunc('month', charge_date)::DATE AS month, tag_value AS team, sum(cost_usd) AS cost_usd
FROM tag_costs
WHERE tag_key = 'team'
GROUP BY month, team
ORDER BY month DESC, cost_usd DESC;

-- How much has no team?
SELECT charge_date, sum(cost_usd) AS cost_usd, sum(n_tasks)::BIGINT AS tasks, sum(n_jobs)::BIGINT AS jobs
FROM tag_costs
WHERE tag_key = 'team' AND is_untagged
GROUP BY charge_date
ORDER BY charge_date DESC;
