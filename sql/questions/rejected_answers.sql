-- title: Rejected answers
-- question: Which of Braket's answers could not become a row, and why?
-- read: by what was asked and what was wrong; `braket-etl rejects` shows them and asks again. @records_not_stored lists
--   the records one by one, with those that were not got at all.
-- limits: account, region
-- param rows: how many to show; without it, all
-- chapter: What is not known, 55
-- report: What these numbers leave out, 30
-- with: rows=15
-- empty: None.
SELECT operation, region, left(error, 200) AS error, count(*) AS n_records, max(last_seen_at) AS last_seen_at
FROM etl.rejected_records
WHERE (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
GROUP BY ALL
ORDER BY n_records DESC, operation, region, error
LIMIT getvariable('rows')::BIGINT
