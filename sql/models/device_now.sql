-- One row a device: what its newest poll saw, and when it is expected to take tasks again, if Braket says so.
--
-- group: latency
-- key: device_arn
-- device_arn: the device
-- device_name: last part of its ARN, as written
-- device_status: its status: ONLINE, OFFLINE, PAUSED, RETIRED
-- status_reason: why it takes no tasks, where Braket says: OUTSIDE_AVAILABILITY_WINDOW, MAINTENANCE, RESERVATION
-- closed_since: since when it takes none: as Braket says, else the first poll in a row that saw it closed; NULL while ONLINE
-- expected_back_at: when Braket expects it back; NULL while it is ONLINE or where Braket does not say
-- seen_at: the newest poll
WITH marked AS (
    SELECT
        *,
        max(CASE WHEN device_status = 'ONLINE' THEN last_observed_at END) OVER (PARTITION BY device_arn) AS last_online_at
    FROM device_observations
)
SELECT
    device_arn,
    string_split(device_arn, '/')[-1] AS device_name,
    arg_max(device_status, observed_at) AS device_status,
    arg_max(status_reason, observed_at) FILTER (is_newest) AS status_reason,
    CASE WHEN arg_max(device_status, observed_at) <> 'ONLINE' THEN
        coalesce(
            arg_max(status_started_at, observed_at) FILTER (is_newest),
            min(observed_at) FILTER (last_online_at IS NULL OR observed_at > last_online_at)
        )
    END AS closed_since,
    CASE WHEN arg_max(device_status, observed_at) <> 'ONLINE'
        THEN arg_max(status_estimated_end_at, observed_at) FILTER (is_newest) END AS expected_back_at,
    max(last_observed_at) AS seen_at
FROM (
    SELECT *, row_number() OVER (PARTITION BY device_arn ORDER BY observed_at DESC) = 1 AS is_newest FROM marked
)
GROUP BY device_arn
