-- title: Days that may be forgotten
-- question: Which of the last 90 days have not been seen whole, and how long does Braket still remember them?
-- read: runs of such days by account, Region and table; after days_left Braket has forgotten the first of them.
--   `braket-etl backfill --from FIRST --to LAST` asks for them. Today and yesterday are left out: they are still being
--   written. No rows: every day was seen whole.
WITH today AS (
    SELECT timezone('UTC', now())::DATE AS today
),
wanted AS (
    SELECT DISTINCT
        c.account,
        c.region,
        c.table_name,
        unnest(generate_series(t.today - 89, t.today - 2, INTERVAL 1 DAY))::DATE AS day
    FROM etl.coverage AS c CROSS JOIN today AS t
),
whole AS (
    SELECT DISTINCT account, region, table_name, day
    FROM etl.coverage
    WHERE listed <= stored + rejected
        AND searched_at >= (day + 1)::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 1 HOUR
),
missing AS (
    -- days of a run have the same distance to their place in the order
    SELECT
        *,
        day - row_number() OVER (PARTITION BY account, region, table_name ORDER BY day)::INTEGER AS run
    FROM wanted ANTI JOIN whole USING (account, region, table_name, day)
)
SELECT
    m.account,
    m.region,
    m.table_name,
    min(m.day) AS first_day,
    max(m.day) AS last_day,
    count(*) AS days,
    90 - date_diff('day', min(m.day), any_value(t.today)) AS days_left
FROM missing AS m CROSS JOIN today AS t
GROUP BY m.account, m.region, m.table_name, m.run
ORDER BY days_left, m.account, m.region, m.table_name
