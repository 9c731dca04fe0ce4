-- title: Latest runs
-- question: When did the last runs begin, how long did they take, how did they end, and what did they bring?
-- read: warning: rejects, unknown members, S3 or the price list out of reach; failure: a Region or account could not be
--   searched.
-- param rows (default 8): how many to show
-- chapter: What is not known, 80
-- report: What these numbers leave out, 70
-- form: wide
-- empty: None.
SELECT
    kind,
    started_at,
    epoch(ended_at) - epoch(started_at) AS took_seconds,
    outcome,
    coalesce(list_sum([n::BIGINT FOR n IN json_extract_string(summary, '$.*.rows.*.new')]), 0)::BIGINT AS n_new,
    coalesce(list_sum([n::BIGINT FOR n IN json_extract_string(summary, '$.*.rows.*.changed')]), 0)::BIGINT AS n_changed,
    coalesce(list_sum([json_array_length(p) FOR p IN json_extract(summary, '$.*.problems')]), 0)::BIGINT AS n_problems,
    version
FROM etl.runs
ORDER BY started_at DESC, run_id
LIMIT coalesce(getvariable('rows'), 8)::BIGINT
