-- title: What closed statements would say now
-- question: How much more or less than in a closed statement is each owner charged for its days by now, and why?
-- read: correction is what is charged now less what was closed, and less what later closed statements have corrected. why is
--   of all that changed since the closing. The next statement that is closed takes the corrections over. Empty where no
--   statement is closed, or all say what they said.
-- param key (default project): account, person, or the key of a tag
-- param before: first UTC day of the statement that corrects: those that ended before it; without it, all
-- chapter: What it cost, 32
WITH closed AS (
    SELECT period_from, period_to
    FROM closed_statements
    WHERE owner_key = coalesce(getvariable('key'), 'project') AND charged_from = period_from
        AND (getvariable('before') IS NULL OR period_to < getvariable('before')::DATE)
    GROUP BY period_from, period_to
),
said AS (
    SELECT
        l.period_from, l.period_to, l.owner, l.account_id, l.kind, l.device, l.job_arn, false AS is_now, l.records, l.amount_usd,
        l.accrued_usd + l.committed_usd AS open_usd, l.prices
    FROM closed_statement_lines AS l
    JOIN closed AS c ON c.period_from = l.period_from AND c.period_to = l.period_to
    WHERE l.owner_key = coalesce(getvariable('key'), 'project')
),
charged AS (
    SELECT
        c.period_from,
        c.period_to,
        a.owner,
        a.account_id,
        a.record_kind AS kind,
        coalesce(a.device_name, '(no device)') AS device,
        coalesce(a.job_arn, '') AS job_arn,
        true AS is_now,
        CASE a.record_kind
            WHEN 'task' THEN count(*) FILTER (a.meter <> 'task')
            WHEN 'job' THEN 1
            ELSE greatest(count(*) FILTER (a.is_record), 1)
        END::BIGINT AS records,
        coalesce(sum(a.amount_usd), 0) AS amount_usd,
        0 AS open_usd,
        min(a.price_source)
        || CASE WHEN max(a.price_source) <> min(a.price_source) THEN ', ' || max(a.price_source) ELSE '' END AS prices
    FROM allocated_charges AS a
    JOIN closed AS c ON a.charge_date BETWEEN c.period_from AND c.period_to
    WHERE a.owner_key = coalesce(getvariable('key'), 'project')
    GROUP BY c.period_from, c.period_to, a.owner, a.account_id, kind, a.device_name, a.job_arn, a.rule
),
sides AS (
    SELECT * FROM said
    UNION ALL
    SELECT * FROM charged
),
compared AS (
    SELECT
        period_from,
        period_to,
        owner,
        account_id,
        kind,
        device,
        job_arn,
        coalesce(sum(amount_usd) FILTER (is_now), 0) AS now_usd,
        coalesce(sum(amount_usd) FILTER (NOT is_now), 0) AS closed_usd,
        coalesce(sum(records) FILTER (is_now), 0)::BIGINT AS now_records,
        coalesce(sum(records) FILTER (NOT is_now), 0)::BIGINT AS closed_records,
        coalesce(sum(open_usd), 0) AS open_usd,
        max(prices) FILTER (is_now) AS now_prices,
        max(prices) FILTER (NOT is_now) AS closed_prices
    FROM sides
    GROUP BY period_from, period_to, owner, account_id, kind, device, job_arn
),
explained AS (
    SELECT
        *,
        CASE
            WHEN now_usd = closed_usd THEN NULL
            WHEN sum(now_usd) OVER of_all = sum(closed_usd) OVER of_all THEN 'other owner or share'
            WHEN open_usd > 0 THEN 'was still open when it was closed'
            WHEN now_records <> closed_records THEN 'more or fewer records are known'
            WHEN now_prices <> closed_prices THEN 'price: ' || closed_prices || ' then, ' || now_prices || ' now'
            ELSE 'discount, shots or billed time'
        END AS why
    FROM compared
    WINDOW of_all AS (PARTITION BY period_from, period_to, account_id, kind, device, job_arn)
),
corrected AS (
    SELECT charged_from, charged_to, owner, sum(amount_usd) AS usd
    FROM closed_statements
    WHERE owner_key = coalesce(getvariable('key'), 'project') AND charged_from <> period_from
        AND (getvariable('before') IS NULL OR period_to < getvariable('before')::DATE)
    GROUP BY charged_from, charged_to, owner
),
summed AS (
    SELECT
        period_from,
        period_to,
        owner,
        sum(closed_usd) AS closed_usd,
        sum(now_usd) AS now_usd,
        string_agg(DISTINCT why, '; ' ORDER BY why) AS why
    FROM explained
    GROUP BY period_from, period_to, owner
),
found AS (
    SELECT
        coalesce(s.owner, c.owner) AS owner,
        coalesce(s.period_from, c.charged_from) AS charged_from,
        coalesce(s.period_to, c.charged_to) AS charged_to,
        coalesce(s.closed_usd, 0)::DECIMAL(38, 12) AS closed_usd,
        coalesce(c.usd, 0)::DECIMAL(38, 12) AS corrected_usd,
        coalesce(s.now_usd, 0)::DECIMAL(38, 12) AS now_usd,
        (coalesce(s.now_usd - s.closed_usd, 0) - coalesce(c.usd, 0))::DECIMAL(38, 12) AS amount_usd,
        coalesce(s.why, 'what was corrected before') AS why
    FROM summed AS s
    FULL JOIN corrected AS c ON c.charged_from = s.period_from AND c.charged_to = s.period_to AND c.owner = s.owner
    WHERE coalesce(s.now_usd - s.closed_usd, 0) <> coalesce(c.usd, 0)
)
SELECT *
FROM found
ORDER BY charged_from, owner = '(unallocated)', owner
