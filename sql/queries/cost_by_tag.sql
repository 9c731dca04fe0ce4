-- title: Spending by tag
-- question: Which team, project or other tag spent how much?
-- read: every key adds up to the same total; (untagged) is what does not bear the key. Put your own key for team.
SELECT tag_value, sum(cost_usd) AS cost_usd, sum(committed_usd) AS committed_usd, sum(n_tasks)::BIGINT AS tasks
FROM tag_costs
WHERE tag_key = 'team'
GROUP BY tag_value
ORDER BY cost_usd DESC
