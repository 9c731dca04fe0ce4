-- Which limits are nearly used up?
SELECT device_name, spending_limit_usd, used_share, remaining_usd, period_end
FROM spend_against_limits
WHERE is_active
ORDER BY used_share DESC;

-- Where do AWS and we count otherwise?
SELECT device_name, aws_total_usd, our_total_usd, difference_usd, n_unknown
FROM spend_against_limits
ORDER BY abs(difference_usd) DESC NULLS LAST;

-- How much of each limit is queued?
SELECT device_name, aws_queued_usd, our_committed_usd, n_tasks
FROM spend_against_limits
ORDER BY aws_queued_usd DESC;
