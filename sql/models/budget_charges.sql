-- One row a budget of budgets.toml and share of a charge that it is for, of whatever day: budget_status adds up those of its
-- period. A budget of a tag counts what allocated_charges gives to that tag's value, one of a person what it gives to the
-- person; account, device, and person beside a tag, are those of the record.
--
-- group: costs
-- key: budget, record_arn, meter, charge_date, used_by_arn
-- budget: its name
-- charge_date: UTC day on which it ran, as in charges
-- record_arn: ARN of the task, job or reservation that is charged
-- amount_usd: the share of it, less agreed discounts; NULL where it is not yet due
-- accrued_usd: the share of what runs, as far as it was seen running, at list price
-- committed_usd: the share of what is open or to come, at list price
-- rule: what makes it a share of this owner, as in allocated_charges
-- record_kind: task, job or reservation
-- meter: task, shot, run_time, instance, volume or reservation
-- account_id: account that pays
-- device_name: last part of the device ARN
-- job_arn: the job; of a reservation, that of the task that used it
-- used_by_arn: the task that used the reservation; empty for all else
-- person: who created it
-- is_record: true on one row of each record, or use of a reservation, of its last day: count these
WITH asked AS (
    SELECT
        *,
        CASE WHEN tag_key IS NOT NULL THEN tag_key WHEN person IS NOT NULL THEN 'person' ELSE 'account' END AS owner_key,
        CASE WHEN tag_key IS NOT NULL THEN tag_value ELSE person END AS owner
    FROM budgets
)
SELECT
    b.budget,
    a.charge_date,
    a.record_arn,
    a.amount_usd,
    a.accrued_usd,
    a.committed_usd,
    a.rule,
    a.record_kind,
    a.meter,
    a.account_id,
    a.device_name,
    a.job_arn,
    a.used_by_arn,
    a.person,
    a.is_record
FROM allocated_charges AS a
JOIN asked AS b
    ON b.owner_key = a.owner_key
    AND (b.owner IS NULL OR b.owner = a.owner)
    AND (b.account IS NULL OR b.account = a.account_id)
    AND (b.device IS NULL OR b.device IN (a.device_arn, a.device_name))
    AND (b.person IS NULL OR b.tag_key IS NULL OR b.person = a.person)
