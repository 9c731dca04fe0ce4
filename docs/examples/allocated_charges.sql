-- What did each project cost, month by month, and how much has none?
SELECT date_trunc('month', charge_date)::DATE AS month, owner AS project, sum(amount_usd) AS amount_usd
FROM allocated_charges
WHERE owner_key = 'project'
GROUP BY month, project
ORDER BY month DESC, amount_usd DESC NULLS LAST;

-- By which rule did costs get to their project?
SELECT rule, sum(amount_usd) AS amount_usd, count(*) AS shares
FROM allocated_charges
WHERE owner_key = 'project'
GROUP BY rule
ORDER BY amount_usd DESC NULLS LAST;

-- How much did each reservation stand idle?
SELECT record_arn, sum(amount_usd) FILTER (rule LIKE 'idle time: %') AS idle_usd, sum(amount_usd) AS amount_usd
FROM allocated_charges
WHERE owner_key = 'account' AND record_kind = 'reservation'
GROUP BY record_arn
ORDER BY idle_usd DESC NULLS LAST;
