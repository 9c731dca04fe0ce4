-- title: Who has tasks open
-- question: Whose tasks have not ended, since when, and what will they cost?
-- read: committed is what they cost at list price if all their shots succeed; n_unknown of them have no such amount
--   (simulators, or no price). Old ones in a queue may have been forgotten by those who sent them. @open_by_device
--   has jobs and reservations too.
-- param key (default team, of @tag_keys): the tag's key that says whose a task is
-- chapter: What it will cost, 30
SELECT
    coalesce(t.tags[coalesce(getvariable('key'), 'team')], '(untagged)') AS tag_value,
    t.device_name AS device,
    count(*) AS tasks,
    min(t.created_at) AS oldest_at,
    sum(c.committed_usd) AS committed_usd,
    count(*) FILTER (c.committed_usd IS NULL) AS n_unknown
FROM quantum_tasks AS t
JOIN task_costs AS c ON c.quantum_task_arn = t.quantum_task_arn
WHERE NOT t.is_terminal
GROUP BY tag_value, device
ORDER BY committed_usd DESC NULLS LAST, oldest_at, tag_value, device
