-- One row an account, Region, table and UTC day that is wanted or was searched: whether the day was seen whole. Wanted is
-- what the settings name (`etl.wanted`), so an account or Region that was never reached is here with each of its days.
--
-- group: coverage
-- key: account, region, table_name, day
-- account: as named in the settings
-- account_id: from the ARNs that the search found; NULL where there is none
-- region: Region
-- table_name: quantum_tasks or jobs
-- day: UTC day of creation
-- state: whole (searched at least an hour after its end, and all that was listed is stored or rejected); so_far (not over for
--   an hour yet); not_searched; not_whole (searched too early, by credentials of another account, or something that was
--   listed is missing); lost (Braket forgot it before it was seen whole: tasks after 90 days; how long it keeps jobs is not
--   told, so a late search of them counts); not_wanted (not whole, and the settings do not ask for it)
-- is_due: whether it has to be searched again; not for lost days that were searched once
-- days_left: days until Braket has forgotten the day; NULL where it is whole, lost or not wanted
-- searched_at: when the last search began, by Braket's clock
-- listed: records that it listed
-- stored: of them, those in the table
-- rejected: of them, those that are rejected and not in the table
-- principal: what the access key of the search told of its account
-- problem: why the account and Region could not be searched at last; NULL where they could
WITH wanted AS (
    SELECT
        w.account, w.region, t.table_name, w.until, w.principal, w.problem,
        unnest(
            generate_series(w.first_day, coalesce(w.until, timezone('UTC', now())::DATE), INTERVAL 1 DAY)
        )::DATE AS day
    FROM etl.wanted AS w CROSS JOIN (VALUES ('quantum_tasks'), ('jobs')) AS t(table_name)
),
looked_at AS (
    SELECT
        w.account, w.region, w.table_name, w.day, w.until IS NULL AS is_wanted,
        w.principal IS DISTINCT FROM c.principal AS is_of_another, w.problem,
        c.account_id, c.searched_at, c.listed, c.stored, c.rejected, c.principal
    FROM wanted AS w
    LEFT JOIN etl.coverage AS c
        ON c.account = w.account AND c.region = w.region AND c.table_name = w.table_name AND c.day = w.day
    UNION ALL
    -- searched by hand, or before the settings were changed
    SELECT
        c.account, c.region, c.table_name, c.day, false, false, NULL,
        c.account_id, c.searched_at, c.listed, c.stored, c.rejected, c.principal
    FROM etl.coverage AS c
    ANTI JOIN etl.wanted AS w
        ON c.account = w.account AND c.region = w.region AND c.day >= w.first_day
        AND c.day <= coalesce(w.until, timezone('UTC', now())::DATE)
),
dated AS (
    SELECT
        l.*,
        (l.day + 1)::TIMESTAMP AT TIME ZONE 'UTC' AS ended_at,
        timezone('UTC', now())::DATE - l.day AS age
    FROM looked_at AS l
),
judged AS (
    SELECT
        d.*,
        coalesce(
            d.listed <= d.stored + d.rejected AND d.searched_at >= d.ended_at + INTERVAL 1 HOUR
                AND NOT d.is_of_another,
            false
        ) AS is_seen,
        coalesce(d.table_name = 'quantum_tasks' AND d.searched_at >= d.ended_at + INTERVAL 90 DAY, false) AS is_too_late
    FROM dated AS d
)
SELECT
    j.account,
    j.account_id,
    j.region,
    j.table_name,
    j.day,
    CASE
        WHEN j.is_seen AND NOT j.is_too_late THEN 'whole'
        WHEN now() < j.ended_at + INTERVAL 1 HOUR THEN 'so_far'
        WHEN NOT j.is_wanted THEN 'not_wanted'
        WHEN j.age > 90 THEN 'lost'
        WHEN j.searched_at IS NULL THEN 'not_searched'
        ELSE 'not_whole'
    END AS state,
    NOT j.is_seen AS is_due,
    CASE WHEN j.is_wanted AND NOT j.is_seen AND j.age <= 90 THEN 90 - j.age END AS days_left,
    j.searched_at,
    j.listed,
    j.stored,
    j.rejected,
    j.principal,
    j.problem
FROM judged AS j
