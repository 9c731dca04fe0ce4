-- title: Days that may be forgotten
-- question: Which of the days that are wanted have not been seen whole, why, and how long does Braket still remember them?
-- read: runs of such days by account, Region and table. state: not_searched, not_whole, or lost, which Braket forgot before
--   they were reached; after days_left Braket has forgotten the first of the others. `braket-etl backfill --from FIRST
--   --to LAST` asks for them; problem says why the last search failed. Wanted is what the settings name: an account or
--   Region that you may not search is left out by BRAKET_ETL_ACCOUNTS or BRAKET_ETL_REGIONS. A day counts once it has been
--   over for an hour. No rows: every day was seen whole.
-- chapter: What is not known, 50
WITH missing AS (
    -- days of a run have the same distance to their place in the order
    SELECT
        account, region, table_name, state, day, days_left, problem,
        day - row_number() OVER (PARTITION BY account, region, table_name, state ORDER BY day)::INTEGER AS run
    FROM day_coverage
    WHERE state IN ('not_searched', 'not_whole', 'lost')
)
SELECT
    account,
    region,
    table_name,
    state,
    min(day) AS first_day,
    max(day) AS last_day,
    count(*) AS days,
    min(days_left) AS days_left,
    any_value(problem) AS problem
FROM missing
GROUP BY account, region, table_name, state, run
ORDER BY state = 'lost', days_left, account, region, table_name, first_day
