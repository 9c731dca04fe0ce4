-- of: quantum_tasks, jobs, job_events, task_observations, job_observations
-- means: Braket sends members or enum values that this version does not know, or members of another type. They are
--   stored (members in `extra`), but no model reads them.
-- do: look for a newer version of braket_etl.
--
-- What a newer version has learned is struck out, although its row stays in etl.schema_drift.
SELECT
    CASE kind
        WHEN 'value' THEN concat_ws(' ', path, '=', value)
        WHEN 'unreadable' THEN concat_ws(' ', 'member', path, 'as', value)
        ELSE concat('member ', path)
    END AS found,
    1 AS records
FROM etl.schema_drift
WHERE table_name = '{name}' AND kind NOT IN ('date', 'moved') AND NOT ({is_known})
ORDER BY first_seen_at DESC, kind, path, value
