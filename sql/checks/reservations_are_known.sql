-- of: reservation_costs
-- severity: error
-- means: Tasks name reservations that are not in the file: these cost thousands of dollars an hour and are not counted.
-- do: add them and run `braket-etl billing reservations FILE`.
SELECT min(t.reservation_arn) AS found, count(*) AS records
FROM quantum_tasks AS t
ANTI JOIN reservations AS r ON lower(r.reservation_arn) = lower(t.reservation_arn)
WHERE t.reservation_arn IS NOT NULL
GROUP BY lower(t.reservation_arn)
ORDER BY found
