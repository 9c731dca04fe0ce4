-- of: quantum_tasks, jobs
-- severity: error
-- means: Every record that the last search of a day listed is stored or rejected, and what was stored is still there.
-- do: the next sync asks for it again; `braket-etl sql @records_not_stored` names the records.
--
-- A row that was lost after its search is found too.
WITH rows AS (
    SELECT account_id, region, created_date AS day, count(*) AS n
    FROM {table}
    GROUP BY ALL
)
SELECT
    concat_ws(' ', c.account, c.region, c.day, 'listed', c.listed, 'stored', least(c.stored, coalesce(r.n, 0)),
        'rejected', c.rejected) AS found,
    (c.listed - c.rejected - least(c.stored, coalesce(r.n, 0)))::BIGINT AS records
FROM etl.coverage AS c
LEFT JOIN rows AS r ON r.account_id = c.account_id AND r.region = c.region AND r.day = c.day
WHERE c.table_name = '{name}' AND c.listed > 0 AND c.listed > c.rejected + least(c.stored, coalesce(r.n, 0))
ORDER BY c.day DESC, found
