-- title: Spending that nobody is named for
-- question: Which devices and accounts have spending that lacks a tag, and how much is it?
-- read: of everything charged for, the part whose record does not bear the key. Tags of a job do not pass on to its
--   tasks, so tasks in jobs are shown apart. Where n_unknown is not 0, it was more.
-- param key (default team, of @tag_keys): the tag's key
-- chapter: What is not known, 20
SELECT
    account_id,
    coalesce(device_name, '(no device)') AS device,
    record_kind = 'task' AND is_in_job AS is_task_in_job,
    sum(n_records)::BIGINT AS records,
    coalesce(sum(cost_usd), 0) AS cost_usd,
    coalesce(sum(committed_usd), 0) AS committed_usd,
    count(DISTINCT unknown_arn) AS n_unknown
FROM charge_sums
WHERE tags[coalesce(getvariable('key'), 'team')] IS NULL
GROUP BY account_id, device, is_task_in_job
ORDER BY cost_usd DESC, records DESC, device, account_id, is_task_in_job
