-- of: quantum_tasks, jobs
-- means: Records were created after Braket's launch, and created, started, ended and fetched in this order (an hour of
--   tolerance between clocks).
-- do: `braket-etl backfill --again --arn ARN` gets a record afresh; open an issue where Braket shows other times.
--
-- A time in another unit or zone shows as one before Braket was there, or after it was told.
SELECT
    concat_ws(' ', {arn}, 'created', created_at, 'ended', ended_at, 'fetched', fetched_at) AS found,
    1 AS records
FROM {table}
WHERE created_at < TIMESTAMPTZ '2020-08-01 00:00:00+00'
    OR greatest(created_at, {started_at}, ended_at) > fetched_at + INTERVAL 1 HOUR
    OR ended_at < created_at OR {started_at} < created_at OR ended_at < {started_at}
ORDER BY found
