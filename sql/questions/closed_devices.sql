-- title: Devices that are closed
-- question: Which devices take no tasks now, since when, and when are they expected back?
-- read: as polls last saw them. When they are expected back is Braket's own estimate; empty where it gives none.
-- chapter: How long it waits, 65
-- report: Waits, 40
-- empty: None was closed when it was last looked at.
SELECT
    device_name AS device,
    device_status AS status,
    status_reason AS reason,
    closed_since,
    expected_back_at,
    seen_at
FROM device_now
WHERE device_status NOT IN ('ONLINE', 'RETIRED')
ORDER BY expected_back_at NULLS LAST, device
