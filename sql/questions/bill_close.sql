-- title: Closing a month's bill
-- question: What of a month's bill agrees with the records, what is explained, and what is open?
-- read: Matched, explained and what is open above 0 add up to the bill. open: above 0 it is billed and not expected, below 0
--   expected and not billed; do says what to do. Not in the sum: not_billed_yet, on no bill that is there, and neighbour,
--   lines of other services for resources with Braket's name. Empty until `braket-etl billing import`.
--   `braket-etl billing close 2026-09` shows the same.
-- param month: the month of the bill, 2026-09; otherwise the newest
-- param format: form of the bill, where there is more than one: cur2, cur1 or focus; otherwise the one imported last
-- columns: part, kind, product_family, expected_usd, billed_usd, amount_usd, n_unknown, do
-- chapter: What is not known, 32
WITH bills AS (
    SELECT source_format, timezone('UTC', billing_period_start)::DATE AS billing_period, max(imported_at) AS imported_at
    FROM billed_line_items
    WHERE (getvariable('month') IS NULL OR getvariable('month')::VARCHAR = strftime(timezone('UTC', billing_period_start), '%Y-%m'))
        AND (getvariable('format') IS NULL OR getvariable('format')::VARCHAR = source_format)
    GROUP BY ALL
),
bill AS (
    SELECT source_format, billing_period FROM bills ORDER BY billing_period DESC, imported_at DESC, source_format LIMIT 1
),
listed AS (
    SELECT product_family, item, region, min(sku) AS sku
    FROM price_periods, bill
    WHERE valid_from < billing_period + INTERVAL 1 MONTH AND valid_to > billing_period AND NOT is_seed
    GROUP BY ALL
),
rows AS (
    SELECT
        r.*,
        coalesce(r.sku, p.sku) AS told_sku,
        greatest(-r.open_usd, 0) AS over_usd
    FROM cost_reconciliation AS r
    JOIN bill AS b ON b.source_format = r.source_format AND b.billing_period = r.billing_period
    LEFT JOIN listed AS p ON p.product_family = r.product_family AND p.item = r.device_key AND p.region = r.region
),
amounts AS (
    SELECT 'matched' AS part, 'usage' AS kind, matched_usd AS amount_usd, n_lines FROM rows
    UNION ALL
    SELECT
        'explained',
        CASE explanation WHEN 'pending' THEN explanation ELSE 'discount' END,
        billed_usd + free_tier_usd - matched_usd - over_usd,
        n_lines
    FROM rows
    WHERE billed_usd + free_tier_usd - matched_usd - over_usd <> 0
    UNION ALL
    SELECT 'explained', 'free_tier', -free_tier_usd, n_lines FROM rows WHERE free_tier_usd <> 0
    UNION ALL
    SELECT 'explained', 'credit', credit_usd, n_lines FROM rows WHERE credit_usd <> 0
    UNION ALL
    SELECT 'explained', 'refund', refund_usd, n_lines FROM rows WHERE refund_usd <> 0
    UNION ALL
    SELECT 'explained', 'support', support_usd, n_lines FROM rows WHERE support_usd <> 0
    UNION ALL
    SELECT 'explained', 'tax', tax_usd, n_lines FROM rows WHERE tax_usd <> 0
    UNION ALL
    SELECT 'not_billed_yet', 'usage', difference_usd, 0 FROM rows
    WHERE explanation = 'not_billed_yet' AND difference_usd > 0
    UNION ALL
    SELECT 'neighbour', l.neighbour, l.billed_usd, 1
    FROM billed_line_items AS l
    JOIN bill AS b
        ON b.source_format = l.source_format AND b.billing_period = timezone('UTC', l.billing_period_start)::DATE
    WHERE l.neighbour IS NOT NULL
),
told AS (
    SELECT
        part,
        kind,
        NULL::DATE AS charge_date,
        NULL AS account_id,
        NULL AS region,
        NULL AS product_family,
        NULL AS device_key,
        NULL AS record_arn,
        NULL AS sku,
        NULL::DECIMAL(38, 12) AS expected_usd,
        NULL::DECIMAL(38, 12) AS billed_usd,
        sum(amount_usd)::DECIMAL(38, 12) AS amount_usd,
        sum(n_lines)::BIGINT AS n_lines,
        0 AS n_unknown,
        NULL AS do
    FROM amounts
    GROUP BY part, kind
    UNION ALL
    SELECT
        'open',
        cause,
        charge_date,
        account_id,
        region,
        product_family,
        device_key,
        nullif(record_arn, ''),
        told_sku,
        expected_usd,
        billed_usd,
        (-open_usd)::DECIMAL(38, 12),
        n_lines,
        n_unknown,
        CASE cause
            WHEN 'rate' THEN 'as much is billed as is known here, at another price: load the price list (`braket-etl prices '
                || 'refresh`), state what was agreed (`braket-etl billing discounts`), or ask AWS'
            WHEN 'not_in_warehouse' THEN CASE
                WHEN contains(record_arn, ':reservation/')
                    THEN 'add the reservation to the file of `braket-etl billing reservations`'
                ELSE concat('pull these days again: `braket-etl backfill --again --from ', charge_date - 1, ' --to ',
                    charge_date, '`; after 90 days Braket has forgotten them: `braket-etl recover` reads result files') END
            WHEN 'not_on_bill' THEN 'import the month''s final bill; if it is that, AWS did not bill this usage'
            WHEN 'foreign_account' THEN concat('nothing of account ', account_id, ' is here: add it to the accounts that are '
                'pulled, or ask its owner')
            WHEN 'unknown_product' THEN 'say what the usage type is (`braket-etl billing usage-types`), or load the price list '
                || '(`braket-etl prices refresh`)'
            WHEN 'not_billable' THEN 'it failed or was cancelled, and is billed all the same: ask AWS'
            WHEN 'cost_unknown' THEN 'a price or a duration is not known here: `braket-etl sql @cost_unknown` says of which'
            ELSE 'compare the lines of this day with `braket-etl sql @cost_by_task`'
        END
    FROM rows
    WHERE open_usd <> 0
)
SELECT (SELECT source_format FROM bill) AS source_format, told.*
FROM told
ORDER BY
    list_position(['matched', 'explained', 'not_billed_yet', 'neighbour', 'open'], part), abs(amount_usd) DESC, kind, charge_date,
    account_id, region, product_family, device_key, record_arn
