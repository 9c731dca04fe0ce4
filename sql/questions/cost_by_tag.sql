-- title: Spending by tag
-- question: Which team, project or other tag spent how much?
-- read: every key adds up to the same total; (untagged) is what does not bear the key. Where n_unknown is not 0, the
--   value cost more than is shown. @cost_by_tag_key shows which keys there are.
-- param key (default team, of @tag_keys): the tag's key
-- chapter: What it cost, 30
SELECT
    tag_value,
    sum(cost_usd) AS cost_usd,
    sum(committed_usd) AS committed_usd,
    sum(n_tasks)::BIGINT AS tasks,
    sum(n_jobs)::BIGINT AS jobs,
    sum(n_unknown)::BIGINT AS n_unknown
FROM tag_costs
WHERE tag_key = coalesce(getvariable('key'), 'team')
GROUP BY tag_value
ORDER BY cost_usd DESC, tag_value
