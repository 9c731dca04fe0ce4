-- title: Where the bill and the estimate differ
-- question: Which days and records does the bill not agree with, by how much, and why?
-- read: open_usd above 0: billed less than expected; below 0: billed more. cause says how they differ, as in
--   cost_reconciliation. What is explained (free tier, discounts, rounding, usage billed a day later, jobs billed at their
--   end) is left out. `braket-etl billing close 2026-09` also says what to do. Empty until `braket-etl billing import`.
-- columns: charge_date, product_family, expected_usd, billed_usd, open_usd, cause
-- chapter: What is not known, 30
SELECT
    charge_date, account_id, region, product_family, device_key, record_arn, expected_usd, billed_usd, open_usd, explanation,
    cause
FROM cost_reconciliation
WHERE explanation IN ('unexplained', 'cost_unknown')
ORDER BY abs(open_usd) DESC NULLS LAST, charge_date, account_id, region, product_family, device_key, record_arn
