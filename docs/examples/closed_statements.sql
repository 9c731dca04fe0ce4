-- Which statements are closed, and how much was each?
SELECT owner_key, period_from, period_to, closed_at, sum(amount_usd) AS amount_usd
FROM closed_statements
WHERE charged_from = period_from
GROUP BY ALL
ORDER BY owner_key, period_from;

-- What did closed statements correct, of which days, and why?
SELECT owner_key, period_from, charged_from, charged_to, owner, amount_usd, why
FROM closed_statements
WHERE charged_from <> period_from
ORDER BY owner_key, period_from, charged_from, owner;

-- What did each owner spend in the statements that are closed by project, month by month?
SELECT owner, period_from, amount_usd, n_tasks, a_task_usd
FROM closed_statements
WHERE owner_key = 'project' AND charged_from = period_from
ORDER BY owner, period_from;
