-- Does the bill agree, on the whole?
SELECT source_format, explanation, count(*) AS days, sum(difference_usd) AS difference_usd
FROM cost_reconciliation
GROUP BY source_format, explanation
ORDER BY source_format, days DESC;

-- Which days are left unexplained?
SELECT charge_date, account_id, region, product_family, device_key, record_arn, expected_usd, billed_usd, unexplained_usd, cause
FROM cost_reconciliation
WHERE explanation = 'unexplained'
ORDER BY abs(unexplained_usd) DESC;

-- Which credits, refunds and taxes are on the bill?
SELECT billing_period, account_id, sum(credit_usd) AS credit_usd, sum(refund_usd) AS refund_usd, sum(tax_usd) AS tax_usd
FROM cost_reconciliation
GROUP BY billing_period, account_id
ORDER BY billing_period DESC;
