-- of: quantum_tasks, jobs
-- means: Responses of Braket that could not become a row.
-- do: `braket-etl rejects list` shows them.
SELECT error AS found, count(*) AS records
FROM etl.rejected_records
WHERE operation = '{operation}'
GROUP BY error
ORDER BY records DESC, found
