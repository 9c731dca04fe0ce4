-- title: Where the bill and the estimate differ
-- question: Which days does the bill not agree with, and by how much?
-- read: unexplained_usd above 0: billed less than estimated; below 0: billed more. Differences by free tier, discounts,
--   rounding and usage billed a day later are explained and left out here. Empty until `braket-etl billing import`.
-- chapter: What is not known, 30
SELECT charge_date, account_id, region, product_family, device_key, expected_usd, billed_usd, unexplained_usd, explanation
FROM cost_reconciliation
WHERE explanation IN ('unexplained', 'cost_unknown')
ORDER BY abs(unexplained_usd) DESC NULLS LAST, charge_date, account_id, region, product_family, device_key
