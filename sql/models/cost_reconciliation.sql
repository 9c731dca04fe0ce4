-- One row an account, Region, UTC day, product family and device: our estimate beside the bill, what explains the
-- difference, and what remains. Where the bill names a task or job that we know, a line that
-- lies a day beside the days on which that is charged counts on the nearest of them.
-- Compared is usage with its discounts; credits and taxes stand beside it.
--
-- group: costs
-- key: source_format, account_id, region, charge_date, product_family, device_key
-- account_id: account
-- region: Region
-- charge_date: UTC day
-- product_family: product family of the price list; (unknown) for lines of the bill that tell none
-- device_key: device as both are matched; empty for instances and volumes of jobs
-- source_format: of the bill: cur2 or focus
-- estimated_usd: our cost at list price
-- expected_usd: our cost less the discounts that we know of
-- billed_list_usd: the bill's cost at list price; as billed where it does not tell
-- billed_usd: as billed: usage, fees, refunds and discounts
-- credit_usd: credits on the bill, negative
-- tax_usd: taxes on the bill
-- difference_usd: expected_usd less billed_usd
-- free_tier_usd: part of it that was used and billed at 0
-- discount_usd: part of it that is discount on the bill beyond those that we know of
-- unexplained_usd: what remains after those, the day shift and rounding
-- explanation: matched; rounding (below one cent); discount; free_tier; day_shift (days next to each other cancel out);
--   not_billed_yet (no bill covers the day); cost_unknown (we do not know the cost of all that was used); unexplained
-- n_estimated: tasks, jobs and reservations in the warehouse
-- n_unknown: of them, those whose cost is not known
-- n_lines: lines of the bill
WITH families AS (
    SELECT DISTINCT product_family FROM prices WHERE is_used
),
listed_skus AS (
    SELECT sku, min(product_family) AS product_family, min(device_key) AS device_key
    FROM prices WHERE is_used AND NOT is_seed GROUP BY sku
),
listed_usage_types AS (
    SELECT usage_type, min(product_family) AS product_family, min(device_key) AS device_key
    FROM prices WHERE is_used AND usage_type IS NOT NULL GROUP BY usage_type
    HAVING count(DISTINCT product_family) = 1
),
known_records AS (
    SELECT
        record_arn,
        min(charge_date) AS first_date,
        max(charge_date) AS last_date,
        any_value(region) AS region,
        any_value(device_key) FILTER (record_kind <> 'job') AS device_key
    FROM charges
    WHERE record_arn IN (SELECT resource_id FROM billed_line_items WHERE resource_id IS NOT NULL)
    GROUP BY record_arn
),
lines AS (
    SELECT
        b.source_format,
        coalesce(b.account_id, '(unknown)') AS account_id,
        coalesce(r.region, b.region, '(unknown)') AS region,
        CASE WHEN timezone('UTC', b.usage_start)::DATE BETWEEN r.first_date - 1 AND r.last_date + 1
            THEN greatest(r.first_date, least(r.last_date, timezone('UTC', b.usage_start)::DATE))
            ELSE timezone('UTC', b.usage_start)::DATE END AS charge_date,
        coalesce(u.product_family, f.product_family, s.product_family, t.product_family, '(unknown)')
            AS product_family,
        coalesce(u.device_key, r.device_key, s.device_key, t.device_key, b.device_key, '') AS device_key,
        b.charge_kind,
        b.quantity,
        b.billed_usd,
        coalesce(b.list_usd, b.billed_usd) AS list_usd
    FROM billed_line_items AS b
    LEFT JOIN usage_types AS u ON u.usage_type = b.usage_type
    LEFT JOIN families AS f ON f.product_family = b.product_family
    LEFT JOIN listed_skus AS s ON s.sku = b.sku
    LEFT JOIN listed_usage_types AS t ON t.usage_type = b.usage_type
    LEFT JOIN known_records AS r ON r.record_arn = b.resource_id
),
billed AS (
    SELECT
        source_format,
        account_id,
        region,
        charge_date,
        product_family,
        CASE WHEN product_family IN (SELECT product_family FROM price_rules WHERE item <> 'device')
            THEN '' ELSE device_key END AS device_key,
        sum(billed_usd) FILTER (charge_kind NOT IN ('credit', 'tax')) AS billed_usd,
        sum(list_usd) FILTER (charge_kind IN ('usage', 'fee')) AS billed_list_usd,
        sum(billed_usd) FILTER (charge_kind = 'credit') AS credit_usd,
        sum(billed_usd) FILTER (charge_kind = 'tax') AS tax_usd,
        sum(list_usd - billed_usd) FILTER (charge_kind = 'usage' AND billed_usd = 0) AS free_usd,
        coalesce(sum(list_usd - billed_usd) FILTER (charge_kind IN ('usage', 'fee') AND billed_usd <> 0), 0)
            - coalesce(sum(billed_usd) FILTER (charge_kind = 'discount'), 0) AS bill_discount_usd,
        count(*) FILTER (charge_kind = 'usage' AND billed_usd = 0 AND list_usd = 0 AND quantity > 0) AS n_free,
        count(*) AS n_lines
    FROM lines
    GROUP BY ALL
),
-- both formats may be there for the same days: the estimate is set beside each
formats AS (
    SELECT DISTINCT source_format FROM billed_line_items
    UNION ALL
    SELECT NULL WHERE NOT exists(SELECT 1 FROM billed_line_items)
),
estimated AS (
    SELECT
        account_id,
        region,
        charge_date,
        coalesce(product_family, '(unknown)') AS product_family,
        CASE WHEN record_kind = 'job' THEN '' ELSE coalesce(device_key, '') END AS device_key,
        coalesce(sum(cost_usd), 0) AS estimated_usd,
        coalesce(sum(net_usd), 0) AS expected_usd,
        coalesce(sum(discount_usd), 0) AS our_discount_usd,
        count(*) AS n_estimated,
        count(*) FILTER (cost_usd IS NULL) AS n_unknown
    FROM charges
    WHERE cost_status <> 'pending' AND cost_status <> 'not_billed'
    GROUP BY ALL
),
estimated_by_format AS (
    SELECT f.source_format, e.* FROM estimated AS e CROSS JOIN formats AS f
),
paired AS (
    SELECT
        coalesce(e.account_id, b.account_id) AS account_id,
        coalesce(e.region, b.region) AS region,
        coalesce(e.charge_date, b.charge_date) AS charge_date,
        coalesce(e.product_family, b.product_family) AS product_family,
        coalesce(e.device_key, b.device_key) AS device_key,
        coalesce(e.source_format, b.source_format) AS source_format,
        coalesce(e.estimated_usd, 0)::DECIMAL(38, 12) AS estimated_usd,
        coalesce(e.expected_usd, 0)::DECIMAL(38, 12) AS expected_usd,
        coalesce(b.billed_list_usd, 0)::DECIMAL(38, 12) AS billed_list_usd,
        coalesce(b.billed_usd, 0)::DECIMAL(38, 12) AS billed_usd,
        coalesce(b.credit_usd, 0)::DECIMAL(38, 12) AS credit_usd,
        coalesce(b.tax_usd, 0)::DECIMAL(38, 12) AS tax_usd,
        coalesce(b.free_usd, 0)::DECIMAL(38, 12) AS free_tier_usd,
        (coalesce(b.bill_discount_usd, 0) - CASE WHEN b.n_lines > 0 THEN coalesce(e.our_discount_usd, 0) ELSE 0 END)
            ::DECIMAL(38, 12) AS discount_usd,
        coalesce(b.n_free, 0) AS n_free,
        coalesce(e.n_estimated, 0) AS n_estimated,
        coalesce(e.n_unknown, 0) AS n_unknown,
        coalesce(b.n_lines, 0) AS n_lines
    FROM estimated_by_format AS e
    FULL JOIN billed AS b
        ON b.source_format = e.source_format AND b.account_id = e.account_id AND b.region = e.region
        AND b.charge_date = e.charge_date AND b.product_family = e.product_family AND b.device_key = e.device_key
),
billed_until AS (
    SELECT source_format, account_id, min(charge_date) AS first_date, max(charge_date) AS last_date
    FROM lines
    GROUP BY source_format, account_id
),
remaining AS (
    SELECT
        *,
        (expected_usd - billed_usd)::DECIMAL(38, 12) AS difference_usd,
        (expected_usd - billed_usd - free_tier_usd - discount_usd)::DECIMAL(38, 12) AS rest_usd
    FROM paired
),
-- Days that follow each other without a gap: where what remains of them adds up to nothing, and never more than a day's
-- cost is carried over, usage was billed a day earlier or later.
spans AS (
    SELECT
        *,
        charge_date - (row_number() OVER of_key)::INTEGER AS span
    FROM remaining
    WINDOW of_key AS (
        PARTITION BY source_format, account_id, region, product_family, device_key ORDER BY charge_date
    )
),
carried AS (
    SELECT
        *,
        sum(rest_usd) OVER (of_span ORDER BY charge_date) AS carried_usd,
        sum(rest_usd) OVER of_span AS span_usd,
        greatest(expected_usd, billed_usd) AS day_usd
    FROM spans
    WINDOW of_span AS (PARTITION BY source_format, account_id, region, product_family, device_key, span)
),
shifts AS (
    SELECT
        *,
        abs(span_usd) < 0.01
            AND bool_and(abs(carried_usd) < day_usd + 0.01)
                OVER (PARTITION BY source_format, account_id, region, product_family, device_key, span) AS is_shifted
    FROM carried
),
explained AS (
    SELECT
        s.*,
        CASE
            WHEN n_unknown > 0 AND rest_usd <= 0 AND (n_lines = 0 OR rest_usd <= -0.01) THEN 'cost_unknown'
            WHEN abs(rest_usd) < 0.01 AND free_tier_usd <> 0 THEN 'free_tier'
            WHEN abs(rest_usd) < 0.01 AND abs(discount_usd) >= 0.01 THEN 'discount'
            WHEN abs(rest_usd) < 0.000001 THEN 'matched'
            WHEN abs(rest_usd) < 0.01 THEN 'rounding'
            WHEN is_shifted THEN 'day_shift'
            WHEN n_lines = 0 AND (u.account_id IS NULL OR s.charge_date NOT BETWEEN u.first_date AND u.last_date)
                THEN 'not_billed_yet'
            WHEN n_free = n_lines AND n_lines > 0 AND rest_usd > 0 THEN 'free_tier'
            ELSE 'unexplained'
        END AS explanation
    FROM shifts AS s
    LEFT JOIN billed_until AS u ON u.source_format = s.source_format AND u.account_id = s.account_id
)
SELECT
    account_id,
    region,
    charge_date,
    product_family,
    device_key,
    source_format,
    estimated_usd,
    expected_usd,
    billed_list_usd,
    billed_usd,
    credit_usd,
    tax_usd,
    difference_usd,
    CASE WHEN explanation = 'free_tier' AND free_tier_usd = 0 THEN difference_usd ELSE free_tier_usd END
        ::DECIMAL(38, 12) AS free_tier_usd,
    discount_usd,
    CASE WHEN explanation = 'unexplained' THEN rest_usd ELSE 0 END::DECIMAL(38, 12) AS unexplained_usd,
    explanation,
    n_estimated,
    n_unknown,
    n_lines
FROM explained
