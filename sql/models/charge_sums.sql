-- One row a UTC day of creation and of charge, account, Region, device, meter, status, source of the price, set of tags and
-- person: the charges of all records that have these in common, summed. What sums costs by any of these reads this: in a
-- DuckDB file it is kept by day of creation and computed again for the days on which something changed.
--
-- group: costs
-- key: began_date, charge_date, account_id, region, device_arn, device_name, record_kind, is_in_job, meter, unit,
--   cost_status, price_source, tags, created_by, unknown_arn
-- began_date: UTC day on which the record was created, or the reservation begins
-- charge_date: UTC day on which it ran, as in charges
-- account_id: account that pays
-- region: Region of the usage
-- device_arn: the device; of a job, the one it has priority on
-- device_name: last part of the device ARN
-- record_kind: task, job or reservation
-- is_in_job: whether it is a job, or a task in one
-- meter: task, shot, run_time, instance, volume or reservation
-- unit: what quantity is counted in
-- cost_status: status of the cost, as in charges
-- price_source: where the price comes from
-- tags: tags of the task or job
-- created_by: who created the task or job, where that is kept
-- unknown_arn: ARN of the record, of records that have ended and whose cost is not known: each has rows of its own
-- cost_usd: at list price, as far as known
-- discount_usd: what agreed discounts take off
-- net_usd: cost_usd less discount_usd
-- committed_usd: what open tasks on QPUs and reservations to come will cost at list price
-- accrued_usd: what is open has cost so far at list price
-- quantity: what is paid for, in `unit`
-- shots: shots requested
-- n_records: records, each on one day
-- n_charges: rows of charges
SELECT
    make_timestamp(epoch_us(began_at))::DATE AS began_date,
    charge_date,
    account_id,
    region,
    device_arn,
    device_name,
    record_kind,
    job_arn IS NOT NULL AS is_in_job,
    meter,
    unit,
    cost_status,
    price_source,
    tags,
    created_by,
    CASE WHEN cost_status IN ('no_price', 'no_duration') THEN record_arn END AS unknown_arn,
    sum(cost_usd)::DECIMAL(38, 12) AS cost_usd,
    sum(discount_usd)::DECIMAL(38, 12) AS discount_usd,
    sum(net_usd)::DECIMAL(38, 12) AS net_usd,
    sum(committed_usd)::DECIMAL(38, 12) AS committed_usd,
    sum(accrued_usd)::DECIMAL(38, 12) AS accrued_usd,
    sum(quantity)::DECIMAL(38, 12) AS quantity,
    sum(shots)::HUGEINT AS shots,
    count(*) FILTER (is_record) AS n_records,
    count(*) AS n_charges
FROM charges
GROUP BY ALL
