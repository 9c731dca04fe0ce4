-- title: How near spending limits are
-- question: How much of each of AWS's spending limits is used, and does AWS count what we count?
-- read: what AWS has counted against each limit (aws_total), what it expects of queued tasks (aws_queued), and our own
--   count of the same. used_share is of AWS's own figure where it has one; difference is AWS less ours, near 0 where both
--   count alike. n_unknown tasks in the period have no known cost. Empty where no limit is set.
-- limits: account, region, device
-- param rows: how many to show; without it, all
-- columns: device, period_end, spending_limit_usd, our_total_usd, remaining_usd, used_share
-- chapter: What it will cost, 40
-- report: Commitments and limits, 20
-- with: rows=20
-- chart: limits
-- empty: No spending limit is set.
SELECT
    account_id,
    device_name AS device,
    period_start,
    period_end,
    is_active,
    spending_limit_usd,
    aws_total_usd,
    aws_queued_usd,
    our_total_usd,
    our_committed_usd,
    difference_usd,
    remaining_usd,
    used_share,
    n_unknown
FROM spend_against_limits
WHERE (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
    AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
    AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
ORDER BY is_active DESC, used_share DESC NULLS LAST, spending_limit_arn
LIMIT getvariable('rows')::BIGINT
