-- Does the bill agree, on the whole?
SELECT source_format, explanation, count(*) AS days, sum(difference_usd) AS difference_usd
FROM cost_reconciliation
GROUP BY source_format, explanation
ORDER BY source_format, days DESC;

-- Which days are left unexplained?
SELECT charge_date, account_id, region, product_family, device_key, expected_usd, billed_usd, unexplained_usd
FROM cost_reconciliation
WHERE explanation = 'unexplained'
ORDER BY abs(unexplained_usd) DESC;

-- Which credits and taxes are on the bill?
SELECT date_trunc('month', charge_date)::DATE AS month, account_id, sum(credit_usd) AS credit_usd, sum(tax_usd) AS tax_usd
FROM cost_reconciliation
GROUP BY month, account_id
ORDER BY month DESC;
