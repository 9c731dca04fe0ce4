-- title: Days that were searched
-- question: Of which days was everything seen, by account, Region and table?
-- read: a day is whole when it was searched at least an hour after its end and all that was listed is stored or
--   rejected. So far: not over for an hour yet. A lost day is one that Braket forgot before it was whole.
--   @days_not_whole lists those that are missing.
-- limits: first, last, account, region
-- param rows: how many to show; without it, all
-- columns: account, region, kind, n_whole_days, n_not_whole, n_lost, last_searched_at
-- chapter: What is not known, 45
-- report: What these numbers leave out, 50
-- with: rows=100
-- form: wide
-- empty: No day of the period was searched.
SELECT
    account,
    region,
    table_name AS kind,
    count(*) FILTER (state = 'whole') AS n_whole_days,
    count(*) FILTER (state IN ('not_searched', 'not_whole')) AS n_not_whole,
    count(*) FILTER (state = 'so_far') AS n_so_far,
    count(*) FILTER (state = 'lost') AS n_lost,
    coalesce(sum(listed), 0)::BIGINT AS n_listed,
    coalesce(sum(listed - stored - rejected), 0)::BIGINT AS n_missing,
    max(searched_at) AS last_searched_at
FROM day_coverage
WHERE (getvariable('first') IS NULL OR day >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR day <= getvariable('last')::DATE)
    AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
GROUP BY ALL
ORDER BY account, region, kind
LIMIT getvariable('rows')::BIGINT
