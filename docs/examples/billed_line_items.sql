-- Which bills are imported?
SELECT source_format, billing_period_start, count(*) AS lines, sum(billed_usd) AS billed_usd, max(imported_at) AS imported_at
FROM billed_line_items
GROUP BY source_format, billing_period_start
ORDER BY billing_period_start DESC;

-- Which usage types does the bill name?
SELECT usage_type, charge_kind, count(*) AS lines, sum(billed_usd) AS billed_usd
FROM billed_line_items
GROUP BY usage_type, charge_kind
ORDER BY billed_usd DESC;

-- Does the bill name single tasks or jobs?
SELECT source_format, count(*) AS lines, count(resource_id) AS lines_with_resource, count(DISTINCT resource_id) AS resources
FROM billed_line_items
GROUP BY source_format;
