-- One row a month's bill, account, Region, UTC day, product family and device, and, where the bill names a record, that
-- record: our estimate beside the bill, what explains the difference, and what stays open.
-- What the bill names by ARN is compared record by record, over all its days and months. What it does not name, or what
-- is off by less than a cent a record, is compared by product family, device and day: days that follow each other and do
-- not agree are taken together, since a job may be billed at its end and usage a day later, and only what is left of them
-- all is open. Compared is usage at list price, or at the agreed price; credits, refunds, taxes, discounts and support are
-- lines of their own.
--
-- group: costs
-- key: source_format, billing_period, account_id, region, charge_date, product_family, device_key, record_arn
-- source_format: form of the bill, as in billed_line_items
-- billing_period: first day of the month whose bill the lines are on; of an estimate without lines, that of its day
-- account_id: account
-- region: Region
-- charge_date: UTC day: of the estimate that on which it ran, of the bill that of the usage; of a record that we know, the
--   nearest of its days
-- product_family: product family of the price list; (unknown) for lines of the bill that tell none
-- device_key: device as both are matched; empty for instances and volumes of jobs
-- record_arn: task, job or reservation that the bill names; empty for what is compared by day
-- sku: a SKU of the lines; where the bill tells none, a usage type
-- estimated_usd: our cost at list price
-- expected_usd: our cost less the discounts that we know of
-- billed_list_usd: usage on the bill at list price; as billed where it does not tell
-- billed_usd: usage as billed, less the bill's lines of discount
-- credit_usd: credits on the bill, negative
-- refund_usd: refunds and corrections on the bill
-- tax_usd: taxes on the bill
-- support_usd: support on the bill
-- difference_usd: expected_usd less billed_usd
-- free_tier_usd: part of it that was used and billed at 0
-- discount_usd: part of it that is discount on the bill beyond those that we know of
-- matched_usd: usage on the bill that agrees with our records, at list price where the bill tells it
-- open_usd: what no rule explains, unexplained or cost_unknown: above 0 it is expected and not billed, below 0 it is
--   billed and not expected
-- unexplained_usd: open_usd where our cost is known
-- explanation: matched; rounding (below one cent a day); discount; free_tier; day_shift (the day does not agree, it and
--   those beside it do); not_billed_yet (no bill covers all days on which it may be billed); pending (what is billed has
--   not ended, as far as we know); credit, refund, tax, support (lines of their own alone); cost_unknown (billed more than
--   we know, and we do not know the cost of all that was used); unexplained
-- cause: of what is open: rate (as much as we know, at another price); not_in_warehouse (more than we know); not_on_bill
--   (less than we know); foreign_account (an account that we hold nothing of); unknown_product (no product family);
--   not_billable (a record that failed or was cancelled); cost_unknown; amount (no more can be told)
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
-- Of whose product a line is, and whether it is compared or stands by itself.
lines AS (
    SELECT
        b.source_format,
        make_timestamp(epoch_us(b.billing_period_start))::DATE AS billing_period,
        coalesce(b.account_id, '(unknown)') AS account_id,
        coalesce(b.region, '(unknown)') AS region,
        make_timestamp(epoch_us(b.usage_start))::DATE AS usage_date,
        coalesce(epoch_us(b.usage_end) - epoch_us(b.usage_start) > 25 * 3600000000, false) AS is_long,
        b.invoice_id IS NOT NULL AS is_final,
        coalesce(u.product_family, f.product_family, s.product_family, t.product_family, '(unknown)') AS product_family,
        CASE WHEN coalesce(u.product_family, f.product_family, s.product_family, t.product_family)
            IN (SELECT product_family FROM price_rules WHERE item <> 'device')
            THEN '' ELSE coalesce(u.device_key, s.device_key, t.device_key, b.device_key, '') END AS device_key,
        b.sku,
        b.usage_type,
        CASE
            WHEN b.charge_kind IN ('fee', 'other')
                AND contains(lower(concat_ws(' ', b.usage_type, b.operation, b.description)), 'support') THEN 'support'
            WHEN b.charge_kind IN ('fee', 'other') THEN 'usage'
            ELSE b.charge_kind
        END AS kind,
        CASE WHEN kind = 'usage' THEN b.resource_id END AS resource_id,
        CASE WHEN abs(b.base_quantity) < 1e22 THEN b.base_quantity END AS base_quantity,
        -- no amount of a bill is near 10^22; what is beyond would be too large to be summed
        greatest(least(b.billed_usd, 1e22::DECIMAL(38, 12)), -1e22::DECIMAL(38, 12)) AS billed_usd,
        greatest(least(coalesce(b.list_usd, b.billed_usd), 1e22::DECIMAL(38, 12)), -1e22::DECIMAL(38, 12)) AS list_usd,
        kind = 'usage' AND b.billed_usd = 0 AND coalesce(b.list_usd, 0) = 0 AND b.quantity > 0 AS is_free
    FROM billed_line_items AS b
    LEFT JOIN usage_types AS u ON u.usage_type = b.usage_type
    LEFT JOIN families AS f ON f.product_family = b.product_family
    LEFT JOIN listed_skus AS s ON s.sku = b.sku
    LEFT JOIN listed_usage_types AS t ON t.usage_type = b.usage_type
    WHERE b.neighbour IS NULL
),
-- What the bill names; the tasks of a job may be named by the job.
named AS (
    SELECT resource_id, product_family
    FROM lines
    WHERE resource_id IS NOT NULL
    GROUP BY resource_id, product_family
),
-- charges are read once: few of them are named, all others are summed by day
estimated AS (
    SELECT
        c.account_id,
        c.region,
        c.charge_date,
        coalesce(c.product_family, '(unknown)') AS product_family,
        CASE WHEN c.record_kind = 'job' THEN '' ELSE coalesce(c.device_key, '') END AS device_key,
        CASE WHEN n.resource_id IS NOT NULL THEN c.record_arn WHEN o.resource_id IS NOT NULL THEN c.job_arn END
            AS record_arn,
        -- until when it may run on, of what runs for days; charged_at is the end of a job
        CASE WHEN c.record_kind = 'job' THEN make_timestamp(epoch_us(c.charged_at))::DATE END AS ends_on,
        coalesce(sum(c.cost_usd), 0) AS estimated_usd,
        coalesce(sum(c.net_usd), 0) AS expected_usd,
        sum(c.quantity) AS quantity,
        count(*) AS n_estimated,
        count(*) FILTER (c.cost_usd IS NULL) AS n_unknown
    FROM charges AS c
    LEFT JOIN named AS n ON n.resource_id = c.record_arn AND n.product_family = c.product_family
    LEFT JOIN named AS o ON o.resource_id = c.job_arn AND o.product_family = c.product_family
    WHERE c.cost_status <> 'pending' AND c.cost_status <> 'not_billed'
    GROUP BY ALL
),
-- Records without a cost: they have not ended, or are not billed.
costless AS (
    SELECT quantum_task_arn AS record_arn, NOT is_terminal AS is_pending
    FROM quantum_tasks
    WHERE NOT is_terminal OR status IN ('FAILED', 'CANCELLED')
    UNION ALL
    SELECT job_arn, NOT is_terminal
    FROM jobs
    WHERE NOT is_terminal OR status IN ('FAILED', 'CANCELLED')
),
known_records AS (
    SELECT
        record_arn,
        product_family,
        min(charge_date) AS first_date,
        max(charge_date) AS last_date,
        any_value(account_id) AS account_id,
        any_value(region) AS region,
        any_value(device_key) AS device_key
    FROM estimated
    WHERE record_arn IS NOT NULL
    GROUP BY record_arn, product_family
),
billed AS (
    SELECT
        l.source_format,
        l.billing_period,
        coalesce(r.account_id, l.account_id) AS account_id,
        coalesce(r.region, l.region) AS region,
        greatest(least(l.usage_date, r.last_date), r.first_date) AS charge_date,
        l.product_family,
        coalesce(r.device_key, l.device_key) AS device_key,
        CASE
            WHEN r.record_arn IS NOT NULL THEN l.resource_id
            WHEN regexp_matches(l.resource_id, '^arn:[^:]+:braket:.*:(quantum-task|job|reservation)/')
                THEN l.resource_id
            ELSE ''
        END AS record_arn,
        min(coalesce(l.sku, l.usage_type)) AS sku,
        bool_or(l.is_long AND l.kind = 'usage') AS is_long,
        coalesce(sum(l.list_usd) FILTER (l.kind = 'usage'), 0) AS list_usd,
        coalesce(sum(l.billed_usd) FILTER (l.kind = 'usage'), 0) AS usage_usd,
        coalesce(sum(l.list_usd) FILTER (l.kind = 'usage' AND l.billed_usd = 0), 0) AS listed_free_usd,
        coalesce(sum(l.billed_usd) FILTER (l.kind = 'discount'), 0) AS taken_off_usd,
        coalesce(sum(l.billed_usd) FILTER (l.kind = 'credit'), 0) AS credit_usd,
        coalesce(sum(l.billed_usd) FILTER (l.kind = 'refund'), 0) AS refund_usd,
        coalesce(sum(l.billed_usd) FILTER (l.kind = 'tax'), 0) AS tax_usd,
        coalesce(sum(l.billed_usd) FILTER (l.kind = 'support'), 0) AS support_usd,
        sum(l.base_quantity) FILTER (l.kind = 'usage') AS quantity,
        sum(l.base_quantity) FILTER (l.is_free) AS free_quantity,
        count(*) FILTER (l.kind = 'usage' AND l.base_quantity IS NULL) AS n_uncounted,
        count(*) FILTER (l.is_free) AS n_free,
        count(*) FILTER (l.kind = 'usage') AS n_usage,
        count(*) FILTER (k.is_pending) AS n_pending,
        count(*) FILTER (NOT k.is_pending) AS n_not_billed,
        count(*) AS n_lines
    FROM lines AS l
    LEFT JOIN known_records AS r
        ON r.record_arn = l.resource_id AND r.product_family = l.product_family
    LEFT JOIN costless AS k ON k.record_arn = l.resource_id
    GROUP BY ALL
),
-- Months that a bill tells whole: it has an invoice, or there is a later one. The last one reaches to its last line.
covered AS (
    SELECT
        source_format,
        account_id,
        billing_period,
        CASE WHEN bool_or(is_final) OR lead(billing_period) OVER of_account IS NOT NULL THEN last_day(billing_period)
            ELSE least(max(CASE WHEN is_long AND kind = 'usage' THEN last_day(usage_date) ELSE usage_date END),
                last_day(billing_period)) END AS last_date
    FROM lines
    GROUP BY source_format, account_id, billing_period
    WINDOW of_account AS (PARTITION BY source_format, account_id ORDER BY billing_period)
),
covered_days AS (
    SELECT
        source_format,
        account_id,
        unnest(generate_series(billing_period::TIMESTAMP, last_date::TIMESTAMP, INTERVAL 1 DAY))::DATE AS covered_date
    FROM covered
),
-- more than one form may be there for the same days: the estimate is set beside each
formats AS (
    SELECT DISTINCT source_format FROM lines
    UNION ALL
    SELECT NULL WHERE NOT exists(SELECT 1 FROM lines)
),
-- is_early: no bill covers the day, but what ran on it may be on one that is there. is_late: what ran may be billed later.
expected AS (
    SELECT
        f.source_format,
        date_trunc('month', e.charge_date)::DATE AS billing_period,
        e.account_id,
        e.region,
        e.charge_date,
        e.product_family,
        e.device_key,
        coalesce(e.record_arn, '') AS record_arn,
        bool_or(d.covered_date IS NOT NULL) AS is_covered,
        bool_or(d.covered_date IS NULL AND (n.covered_date IS NOT NULL OR l.covered_date IS NOT NULL)) AS is_early,
        sum(e.estimated_usd) FILTER (d.covered_date IS NULL OR n.covered_date IS NULL OR l.covered_date IS NULL)
            AS elsewhere_usd,
        sum(e.estimated_usd) AS estimated_usd,
        sum(e.expected_usd) AS expected_usd,
        sum(e.quantity * CASE WHEN h.product_family IS NULL THEN 1 ELSE 3600 END) AS quantity,
        sum(e.n_estimated) AS n_estimated,
        sum(e.n_unknown) AS n_unknown
    FROM estimated AS e
    CROSS JOIN formats AS f
    LEFT JOIN price_rules AS h ON h.product_family = e.product_family AND h.unit = 'hour'
    LEFT JOIN covered_days AS d
        ON d.source_format = f.source_format AND d.account_id = e.account_id AND d.covered_date = e.charge_date
    LEFT JOIN covered_days AS n
        ON n.source_format = f.source_format AND n.account_id = e.account_id AND n.covered_date = e.charge_date + 1
    LEFT JOIN covered_days AS l
        ON l.source_format = f.source_format AND l.account_id = e.account_id
        AND l.covered_date = coalesce(e.ends_on, e.charge_date) + 1
    GROUP BY ALL
),
sides AS (
    SELECT
        source_format,
        billing_period,
        account_id,
        region,
        charge_date,
        product_family,
        device_key,
        record_arn,
        is_covered,
        is_early,
        false AS is_long,
        NULL AS sku,
        coalesce(elsewhere_usd, 0) AS elsewhere_usd,
        estimated_usd,
        expected_usd,
        coalesce(quantity, 0) AS quantity,
        n_estimated,
        n_unknown,
        0 AS n_pending,
        0 AS n_not_billed,
        0 AS list_usd,
        0 AS usage_usd,
        0 AS listed_free_usd,
        0 AS taken_off_usd,
        0 AS credit_usd,
        0 AS refund_usd,
        0 AS tax_usd,
        0 AS support_usd,
        0 AS billed_quantity,
        0 AS free_quantity,
        0 AS n_uncounted,
        0 AS n_free,
        0 AS n_usage,
        0 AS n_lines
    FROM expected
    UNION ALL
    SELECT
        source_format,
        billing_period,
        account_id,
        region,
        charge_date,
        product_family,
        device_key,
        record_arn,
        true AS is_covered,
        false AS is_early,
        coalesce(is_long, false) AS is_long,
        sku,
        0 AS elsewhere_usd,
        0 AS estimated_usd,
        0 AS expected_usd,
        0 AS quantity,
        0 AS n_estimated,
        0 AS n_unknown,
        n_pending,
        n_not_billed,
        list_usd,
        usage_usd,
        listed_free_usd,
        taken_off_usd,
        credit_usd,
        refund_usd,
        tax_usd,
        support_usd,
        coalesce(quantity, 0) AS billed_quantity,
        coalesce(free_quantity, 0) AS free_quantity,
        n_uncounted,
        n_free,
        n_usage,
        n_lines
    FROM billed
),
paired AS (
    SELECT
        source_format,
        billing_period,
        account_id,
        region,
        charge_date,
        product_family,
        device_key,
        record_arn,
        bool_or(is_covered) AS is_covered,
        bool_or(is_early) AS is_early,
        bool_or(is_long) AS is_long,
        min(sku) AS sku,
        sum(elsewhere_usd) AS elsewhere_usd,
        sum(estimated_usd) AS estimated_usd,
        sum(expected_usd) AS expected_usd,
        sum(quantity) AS quantity,
        sum(n_estimated) AS n_estimated,
        sum(n_unknown) AS n_unknown,
        sum(n_pending) AS n_pending,
        sum(n_not_billed) AS n_not_billed,
        sum(list_usd) AS list_usd,
        sum(usage_usd) AS usage_usd,
        sum(listed_free_usd) AS listed_free_usd,
        sum(taken_off_usd) AS taken_off_usd,
        sum(credit_usd) AS credit_usd,
        sum(refund_usd) AS refund_usd,
        sum(tax_usd) AS tax_usd,
        sum(support_usd) AS support_usd,
        sum(billed_quantity) AS billed_quantity,
        sum(free_quantity) AS free_quantity,
        sum(n_uncounted) AS n_uncounted,
        sum(n_free) AS n_free,
        sum(n_usage) AS n_usage,
        sum(n_lines) AS n_lines
    FROM sides
    GROUP BY ALL
),
-- What a quantity costs in a month in which some of it is free of charge.
free_months AS (
    SELECT
        p.source_format,
        p.account_id,
        p.region,
        p.product_family,
        p.device_key,
        p.record_arn,
        date_trunc('month', p.charge_date) AS month,
        sum(p.estimated_usd) AS month_usd,
        sum(p.quantity) AS month_quantity,
        sum(p.n_uncounted) AS month_n_uncounted
    FROM paired AS p
    JOIN (
        SELECT DISTINCT source_format, account_id, region, product_family, device_key, record_arn
        FROM billed
        WHERE n_free > 0
    ) AS f
        ON f.source_format = p.source_format AND f.account_id = p.account_id AND f.region = p.region
        AND f.product_family = p.product_family AND f.device_key = p.device_key AND f.record_arn = p.record_arn
    GROUP BY ALL
),
-- Where a line is of more than a day, the month is compared as one.
long_months AS (
    SELECT DISTINCT source_format, billing_period, account_id, region, product_family, device_key, record_arn
    FROM billed
    WHERE is_long
),
-- In whole 10^-12 and thousandths: these are divided exactly, DECIMALs would become DOUBLEs. Uncounted, what is free is
-- worth whatever its day lacks.
valued AS (
    SELECT
        p.*,
        m.source_format IS NOT NULL AS is_of_month,
        CASE
            WHEN p.n_free = 0 THEN 0
            WHEN f.month_n_uncounted > 0 THEN greatest(0, p.estimated_usd - p.list_usd)
            ELSE coalesce(TRY((
                (f.month_usd * 1000000000000)::HUGEINT * (p.free_quantity * 1000)::HUGEINT
                // nullif((f.month_quantity * 1000)::HUGEINT, 0)
            ) * 0.000000000001), 0)
        END::DECIMAL(38, 12) AS unlisted_free_usd,
        p.estimated_usd - p.list_usd - unlisted_free_usd AS list_rest_usd,
        p.expected_usd - p.usage_usd - p.listed_free_usd - unlisted_free_usd AS net_rest_usd,
        least(abs(list_rest_usd), abs(net_rest_usd)) AS day_rest_usd,
        NOT p.is_covered AND NOT p.is_early AND p.n_lines = 0 AS is_outside,
        CASE
            WHEN is_outside THEN false
            WHEN p.record_arn <> '' THEN day_rest_usd >= 0.000001
            ELSE is_of_month OR day_rest_usd >= 0.01
        END AS is_off
    FROM paired AS p
    LEFT JOIN free_months AS f
        ON f.source_format = p.source_format AND f.account_id = p.account_id AND f.region = p.region
        AND f.product_family = p.product_family AND f.device_key = p.device_key AND f.record_arn = p.record_arn
        AND f.month = date_trunc('month', p.charge_date)
    LEFT JOIN long_months AS m
        ON m.source_format = p.source_format AND m.billing_period = p.billing_period AND m.account_id = p.account_id
        AND m.region = p.region AND m.product_family = p.product_family AND m.device_key = p.device_key
        AND m.record_arn = p.record_arn
),
-- Only what does not agree by itself is looked at further. A record that is off by less than a cent is compared by its
-- day: of many such records it is more.
off AS (
    SELECT
        *,
        CASE WHEN abs(sum(list_rest_usd) OVER (PARTITION BY source_format, product_family, record_arn))
            BETWEEN 0.000001 AND 0.01 THEN '' ELSE record_arn END AS span_arn
    FROM valued
    WHERE is_off
),
-- What is compared together: a record; a month of one line; days that do not agree and follow each other.
islands AS (
    SELECT
        *,
        CASE WHEN span_arn <> '' THEN 'record' WHEN is_of_month THEN 'month' ELSE 'days' END AS way,
        CASE
            WHEN span_arn <> '' THEN DATE '2000-01-01'
            WHEN is_of_month THEN billing_period
            ELSE charge_date - (dense_rank() OVER (
                PARTITION BY source_format, account_id, region, product_family, device_key, span_arn, is_of_month ORDER BY charge_date
            ))::INTEGER
        END AS island
    FROM off
),
-- What islands of days leave, and how far it has added up.
islands_left AS (
    SELECT *, sum(left_usd) OVER (PARTITION BY source_format, account_id, region, product_family, device_key, span_arn ORDER BY island) AS carried_usd
    FROM (
        SELECT
            source_format,
            account_id,
            region,
            product_family,
            device_key,
            span_arn,
            island,
            min(charge_date) AS first_date,
            max(charge_date) AS last_date,
            sum(elsewhere_usd) AS elsewhere_usd,
            sum(list_rest_usd) AS left_usd
        FROM islands
        WHERE way = 'days'
        GROUP BY ALL
    )
),
-- Where usage is billed a day later and each day is like the one before, only the first and the last day do not agree:
-- what one leaves the other has, and each day between them has as much to hand on.
bridges AS (
    SELECT a.*, b.island AS last_island, b.first_date AS to_date
    FROM islands_left AS a
    JOIN islands_left AS b
        ON a.source_format = b.source_format AND a.account_id = b.account_id AND a.region = b.region
            AND a.product_family = b.product_family AND a.device_key = b.device_key AND a.span_arn = b.span_arn
        AND b.island > a.island AND abs(a.left_usd) >= 0.01
        AND b.carried_usd - a.carried_usd + a.left_usd BETWEEN -0.01 AND a.elsewhere_usd + b.elsewhere_usd + 0.01
),
bridged AS (
    SELECT
        b.source_format,
        b.account_id,
        b.region,
        b.product_family,
        b.device_key,
        b.span_arn,
        b.island,
        b.last_island
    FROM bridges AS b
    LEFT JOIN valued AS q
        ON b.source_format = q.source_format AND b.account_id = q.account_id AND b.region = q.region
        AND b.product_family = q.product_family AND b.device_key = q.device_key AND b.span_arn = q.record_arn
        AND q.charge_date > b.last_date AND q.charge_date < b.to_date
        AND greatest(q.estimated_usd, q.list_usd) >= abs(b.left_usd) - 0.01
    GROUP BY b.source_format, b.account_id, b.region, b.product_family, b.device_key, b.span_arn, b.island, b.last_island,
        b.last_date, b.to_date
    HAVING count(DISTINCT q.charge_date) = b.to_date - b.last_date - 1
),
island_spans AS (
    SELECT
        i.source_format,
        i.account_id,
        i.region,
        i.product_family,
        i.device_key,
        i.span_arn,
        i.island,
        min(b.island) AS span
    FROM islands_left AS i
    JOIN bridged AS b
        ON b.source_format = i.source_format AND b.account_id = i.account_id AND b.region = i.region
        AND b.product_family = i.product_family AND b.device_key = i.device_key AND b.span_arn = i.span_arn
        AND i.island BETWEEN b.island AND b.last_island
    GROUP BY ALL
),
spans AS (
    SELECT i.*, coalesce(s.span, i.island) AS span
    FROM islands AS i
    LEFT JOIN island_spans AS s
        ON s.source_format = i.source_format AND s.account_id = i.account_id AND s.region = i.region
        AND s.product_family = i.product_family AND s.device_key = i.device_key AND s.span_arn = i.span_arn
        AND s.island = i.island AND i.way = 'days'
),
span_sums AS (
    SELECT
        *,
        sum(list_rest_usd) OVER of_span AS span_list_usd,
        sum(net_rest_usd) OVER of_span AS span_net_usd,
        sum(elsewhere_usd) OVER of_span AS span_elsewhere_usd,
        sum(estimated_usd) OVER of_span AS span_estimated_usd,
        sum(quantity) OVER of_span AS span_quantity,
        sum(billed_quantity) OVER of_span AS span_billed_quantity,
        sum(n_estimated) OVER of_span AS span_n_estimated,
        sum(n_unknown) OVER of_span AS span_n_unknown,
        sum(n_pending) OVER of_span AS span_n_pending,
        sum(n_not_billed) OVER of_span AS span_n_not_billed,
        sum(n_usage) OVER of_span AS span_n_usage,
        sum(n_uncounted) OVER of_span AS span_n_uncounted,
        max(charge_date) OVER of_span AS span_to
    FROM spans
    WINDOW
        of_span AS (PARTITION BY source_format, account_id, region, product_family, device_key, span_arn, way, span)
),
-- jobs that run may be billed by the hour
running AS (
    SELECT j.account_id, j.region, r.product_family, min(j.created_date) AS since
    FROM jobs AS j
    JOIN price_rules AS r ON r.kind = 'job'
    WHERE NOT j.is_terminal
    GROUP BY j.account_id, j.region, r.product_family
),
together AS (
    SELECT
        s.*,
        span_n_pending > 0 OR (span_arn = '' AND coalesce(r.since <= span_to, false)) AS is_pending,
        -- at list price, unless it is only what was agreed that agrees
        abs(span_list_usd) < 0.01 OR abs(span_net_usd) >= 0.01 AS is_by_list,
        CASE WHEN is_by_list THEN span_list_usd ELSE span_net_usd END AS span_usd,
        CASE WHEN is_by_list THEN list_rest_usd ELSE net_rest_usd END AS rest_usd,
        sign(rest_usd) AS direction,
        -- within a thousandth, since exports round quantities
        span_n_uncounted = 0 AND span_n_usage > 0 AND span_quantity > 0
            AND abs(span_billed_quantity - span_quantity) * 1000 <= span_quantity AS is_same_quantity,
        -- what the quantity that is not billed costs, where all of it has one price
        CASE WHEN span_n_uncounted = 0 AND span_n_unknown = 0 AND device_key <> '' AND span_n_usage > 0
            THEN span_usd - TRY((
                (span_estimated_usd * 1000000000000)::HUGEINT * ((span_quantity - span_billed_quantity) * 1000)::HUGEINT
                // nullif((span_quantity * 1000)::HUGEINT, 0)
            ) * 0.000000000001)::DECIMAL(38, 12) END AS rate_usd,
        -- what is left of them all, above 0 not billed, without what a bill that is not there may have
        CASE
            WHEN abs(span_usd) < 0.01 THEN 0
            WHEN span_usd > 0 AND NOT is_same_quantity THEN CASE
                WHEN span_usd > span_elsewhere_usd THEN span_usd - span_elsewhere_usd
                WHEN abs(rate_usd) >= 0.01 THEN rate_usd
                ELSE 0 END
            WHEN is_pending THEN 0
            ELSE span_usd
        END::DECIMAL(38, 12) AS span_open_usd
    FROM span_sums AS s
    LEFT JOIN running AS r
        ON r.account_id = s.account_id AND r.region = s.region AND r.product_family = s.product_family
),
-- What is left is put on the days that lack most in its direction, and on none more than that day lacks.
queued AS (
    SELECT
        *,
        coalesce(sum(abs(rest_usd)) OVER (
            PARTITION BY source_format, account_id, region, product_family, device_key, span_arn, way, span, direction
            ORDER BY elsewhere_usd > 0, abs(rest_usd) DESC, charge_date, billing_period, record_arn
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS before_usd
    FROM together
),
opened AS (
    SELECT
        *,
        CASE WHEN direction = sign(span_open_usd)
            THEN direction * greatest(0, least(abs(rest_usd), abs(span_open_usd) - before_usd)) ELSE 0 END
            ::DECIMAL(38, 12) AS open_usd
    FROM queued
),
known_accounts AS (
    SELECT account_id FROM quantum_tasks GROUP BY account_id
    UNION
    SELECT account_id FROM jobs GROUP BY account_id
    UNION
    SELECT account_id FROM reservations
),
judged AS (
    SELECT
        o.*,
        CASE
            WHEN open_usd < 0 AND span_n_unknown > 0 THEN 'cost_unknown'
            WHEN open_usd <> 0 THEN 'unexplained'
            WHEN span_usd <= -0.01 AND is_pending THEN 'pending'
            WHEN span_usd >= 0.01 AND span_elsewhere_usd > 0 AND rest_usd >= 0.01 THEN 'not_billed_yet'
            WHEN way <> 'record' AND abs(rest_usd) >= 0.01 AND unlisted_free_usd = 0 THEN 'day_shift'
            WHEN way = 'record' AND abs(span_usd) < 0.01 THEN 'matched'
        END AS verdict,
        CASE
            WHEN open_usd = 0 THEN NULL
            WHEN verdict = 'cost_unknown' THEN 'cost_unknown'
            WHEN is_same_quantity OR span_open_usd = rate_usd THEN 'rate'
            WHEN open_usd > 0 THEN CASE
                WHEN span_n_usage = 0 OR (span_n_uncounted = 0 AND span_billed_quantity < span_quantity) THEN 'not_on_bill'
                ELSE 'amount' END
            WHEN a.account_id IS NULL THEN 'foreign_account'
            WHEN product_family = '(unknown)' THEN 'unknown_product'
            WHEN span_n_not_billed > 0 AND span_n_estimated = 0 THEN 'not_billable'
            WHEN span_n_estimated = 0 OR (span_n_uncounted = 0 AND span_billed_quantity > span_quantity)
                THEN 'not_in_warehouse'
            ELSE 'amount'
        END AS cause
    FROM opened AS o
    LEFT JOIN known_accounts AS a ON a.account_id = o.account_id
),
rows AS (
    SELECT
        source_format,
        billing_period,
        account_id,
        region,
        charge_date,
        product_family,
        device_key,
        record_arn,
        sku,
        is_covered,
        is_outside,
        estimated_usd,
        expected_usd,
        list_usd,
        usage_usd,
        listed_free_usd,
        unlisted_free_usd,
        taken_off_usd,
        credit_usd,
        refund_usd,
        tax_usd,
        support_usd,
        n_estimated,
        n_unknown,
        n_usage,
        n_lines,
        day_rest_usd,
        abs(list_rest_usd) <= abs(net_rest_usd) AS is_by_list,
        0::DECIMAL(38, 12) AS open_usd,
        NULL::VARCHAR AS verdict,
        NULL::VARCHAR AS cause
    FROM valued
    WHERE NOT is_off
    UNION ALL
    SELECT
        source_format,
        billing_period,
        account_id,
        region,
        charge_date,
        product_family,
        device_key,
        record_arn,
        sku,
        is_covered,
        is_outside,
        estimated_usd,
        expected_usd,
        list_usd,
        usage_usd,
        listed_free_usd,
        unlisted_free_usd,
        taken_off_usd,
        credit_usd,
        refund_usd,
        tax_usd,
        support_usd,
        n_estimated,
        n_unknown,
        n_usage,
        n_lines,
        day_rest_usd,
        is_by_list,
        open_usd,
        verdict,
        cause
    FROM judged
),
explained AS (
    SELECT
        *,
        listed_free_usd + unlisted_free_usd AS free_usd,
        list_usd - listed_free_usd - usage_usd - taken_off_usd
            - CASE WHEN n_lines > 0 THEN estimated_usd - expected_usd ELSE 0 END AS more_discount_usd,
        CASE
            WHEN verdict IS NOT NULL THEN verdict
            WHEN n_unknown > 0 AND n_lines = 0 AND estimated_usd = 0 THEN 'cost_unknown'
            WHEN is_outside OR (NOT is_covered AND n_lines = 0) THEN 'not_billed_yet'
            WHEN n_usage = 0 AND n_estimated = 0 THEN CASE
                WHEN refund_usd <> 0 THEN 'refund'
                WHEN credit_usd <> 0 THEN 'credit'
                WHEN tax_usd <> 0 THEN 'tax'
                WHEN support_usd <> 0 THEN 'support'
                WHEN taken_off_usd <> 0 THEN 'discount'
                ELSE 'matched' END
            WHEN free_usd <> 0 THEN 'free_tier'
            WHEN abs(more_discount_usd) >= 0.01 AND n_lines > 0 THEN 'discount'
            WHEN day_rest_usd >= 0.000001 THEN 'rounding'
            ELSE 'matched'
        END AS explanation
    FROM rows
)
SELECT
    source_format,
    billing_period,
    account_id,
    region,
    charge_date,
    product_family,
    device_key,
    record_arn,
    sku,
    estimated_usd::DECIMAL(38, 12) AS estimated_usd,
    expected_usd::DECIMAL(38, 12) AS expected_usd,
    list_usd::DECIMAL(38, 12) AS billed_list_usd,
    (usage_usd + taken_off_usd)::DECIMAL(38, 12) AS billed_usd,
    credit_usd::DECIMAL(38, 12) AS credit_usd,
    refund_usd::DECIMAL(38, 12) AS refund_usd,
    tax_usd::DECIMAL(38, 12) AS tax_usd,
    support_usd::DECIMAL(38, 12) AS support_usd,
    (expected_usd - usage_usd - taken_off_usd)::DECIMAL(38, 12) AS difference_usd,
    free_usd::DECIMAL(38, 12) AS free_tier_usd,
    more_discount_usd::DECIMAL(38, 12) AS discount_usd,
    CASE WHEN explanation = 'pending' THEN 0
        WHEN is_by_list THEN list_usd + unlisted_free_usd + least(open_usd, 0)
        ELSE usage_usd + free_usd + least(open_usd, 0) END
        ::DECIMAL(38, 12) AS matched_usd,
    open_usd,
    CASE WHEN explanation = 'unexplained' THEN open_usd ELSE 0 END::DECIMAL(38, 12) AS unexplained_usd,
    explanation,
    cause,
    n_estimated,
    n_unknown,
    n_lines
FROM explained
WHERE n_estimated > 0 OR n_lines > 0
