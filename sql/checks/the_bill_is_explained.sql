-- of: cost_reconciliation
-- when: daily
-- means: Days on which the bill and the estimate differ for no reason that is known.
-- do: `braket-etl billing close 2026-09` lists those of a month and says what to do about each.
SELECT
    concat_ws(' ', charge_date, account_id, region, product_family, device_key, nullif(record_arn, ''),
        CASE WHEN unexplained_usd < 0 THEN 'billed more by' ELSE 'billed less by' END, abs(unexplained_usd), cause) AS found,
    1 AS records
FROM cost_reconciliation
WHERE explanation = 'unexplained'
ORDER BY abs(unexplained_usd) DESC, found
