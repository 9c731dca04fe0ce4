-- of: state_changes
-- means: Events of EventBridge that cannot be true: of another sender, account or Region than the record's, or of a time
--   outside of its life. They are kept, and no wait is made of them.
-- do: look at who else may write to the feed. An event without a source came as its detail alone: let the rule send the
--   whole event.
SELECT
    concat_ws(' ', status, 'of', record_arn, 'at', event_time, 'has doubt:', doubt, 'event', event_id) AS found,
    1 AS records
FROM state_changes
WHERE doubt IS NOT NULL
ORDER BY event_time DESC, event_id
