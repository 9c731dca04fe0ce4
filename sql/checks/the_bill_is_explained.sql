-- of: cost_reconciliation
-- means: Days on which the bill and the estimate differ for no reason that is known.
-- do: `braket-etl sql @bill_differences` lists them, the largest first.
SELECT
    concat_ws(' ', charge_date, account_id, region, product_family, device_key,
        CASE WHEN unexplained_usd < 0 THEN 'billed more by' ELSE 'billed less by' END, abs(unexplained_usd)) AS found,
    1 AS records
FROM cost_reconciliation
WHERE explanation = 'unexplained'
ORDER BY abs(unexplained_usd) DESC, found
