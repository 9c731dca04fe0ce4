-- title: This week beside the last
-- question: On which device did spending rise or fall in the last seven days?
-- read: the seven whole days (UTC) before the newest answer, beside the seven before those. change is in dollars; a
--   device with unknown costs in either week (n_unknown) may have changed otherwise.
-- chapter: What it will cost, 20
WITH instant AS (
    SELECT timezone('UTC', max(fetched_at))::DATE AS today FROM quantum_tasks
)
SELECT
    coalesce(c.device_name, '(no device)') AS device,
    coalesce(sum(c.cost_usd) FILTER (c.charge_date >= i.today - 7), 0) AS last_7_days_usd,
    coalesce(sum(c.cost_usd) FILTER (c.charge_date < i.today - 7), 0) AS seven_before_usd,
    coalesce(sum(c.cost_usd) FILTER (c.charge_date >= i.today - 7), 0)
    - coalesce(sum(c.cost_usd) FILTER (c.charge_date < i.today - 7), 0) AS change_usd,
    sum(c.n_unknown)::BIGINT AS n_unknown
FROM daily_costs AS c
JOIN instant AS i ON c.charge_date >= i.today - 14 AND c.charge_date < i.today
GROUP BY device
ORDER BY abs(change_usd) DESC, device
