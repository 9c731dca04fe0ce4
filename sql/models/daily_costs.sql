-- One row an account, Region, device and UTC day of charge: what was spent. A task is charged on the day it ended, a job and
-- a reservation on the days on which they ran, as charges spreads them; what open tasks will cost stands on the day they were
-- created, and what open jobs have cost so far on the days on which they have run.
--
-- group: costs
-- key: charge_date, account_id, region, device_arn
-- charge_date: UTC day
-- account_id: account that pays
-- region: Region of the usage
-- device_arn: the device; of jobs, the one they have priority on; NULL where there is none
-- device_name: last part of the device ARN
-- cost_usd: at list price, as far as known; n_unknown says how much is not
-- discount_usd: what agreed discounts take off
-- net_usd: cost_usd less discount_usd
-- task_fee_usd: fees of tasks, at list price like the next ones
-- shot_fee_usd: fees of shots
-- run_fee_usd: run time of tasks, where it is paid: simulators
-- instance_cost_usd: instances of jobs
-- volume_cost_usd: volumes of jobs
-- reservation_cost_usd: reservations
-- committed_usd: what open tasks and coming reservations will cost
-- accrued_usd: what runs has cost so far on that day, as far as it was seen running; in no other column
-- n_tasks: tasks
-- n_jobs: jobs that ended, or were created and are open: each is counted on one day
-- n_reservations: reservations, on their last day
-- n_open: of them, those not ended or begun
-- n_unknown: ended ones whose cost is not known, on their last day; the days before it lack their cost as well
-- shots: shots requested
-- billed_shots: shots that are paid
WITH by_record AS (
    SELECT
        charge_date,
        account_id,
        region,
        device_arn,
        any_value(device_name) AS device_name,
        record_kind,
        sum(cost_usd) AS cost_usd,
        sum(discount_usd) AS discount_usd,
        sum(net_usd) AS net_usd,
        sum(cost_usd) FILTER (meter = 'task') AS task_fee_usd,
        sum(cost_usd) FILTER (meter = 'shot') AS shot_fee_usd,
        sum(cost_usd) FILTER (meter = 'run_time') AS run_fee_usd,
        sum(cost_usd) FILTER (meter = 'instance') AS instance_cost_usd,
        sum(cost_usd) FILTER (meter = 'volume') AS volume_cost_usd,
        sum(cost_usd) FILTER (meter = 'reservation') AS reservation_cost_usd,
        sum(committed_usd) AS committed_usd,
        sum(accrued_usd) AS accrued_usd,
        sum(n_records) AS n_records,
        sum(n_records) FILTER (cost_status = 'pending') AS n_open,
        sum(n_records) FILTER (unknown_arn IS NOT NULL) AS n_unknown,
        sum(shots) AS shots,
        sum(quantity) FILTER (meter = 'shot') AS billed_shots
    FROM charge_sums
    GROUP BY charge_date, account_id, region, device_arn, record_kind
)
SELECT
    charge_date,
    account_id,
    region,
    device_arn,
    any_value(device_name) AS device_name,
    coalesce(sum(cost_usd), 0)::DECIMAL(38, 12) AS cost_usd,
    coalesce(sum(discount_usd), 0)::DECIMAL(38, 12) AS discount_usd,
    coalesce(sum(net_usd), 0)::DECIMAL(38, 12) AS net_usd,
    coalesce(sum(task_fee_usd), 0)::DECIMAL(38, 12) AS task_fee_usd,
    coalesce(sum(shot_fee_usd), 0)::DECIMAL(38, 12) AS shot_fee_usd,
    coalesce(sum(run_fee_usd), 0)::DECIMAL(38, 12) AS run_fee_usd,
    coalesce(sum(instance_cost_usd), 0)::DECIMAL(38, 12) AS instance_cost_usd,
    coalesce(sum(volume_cost_usd), 0)::DECIMAL(38, 12) AS volume_cost_usd,
    coalesce(sum(reservation_cost_usd), 0)::DECIMAL(38, 12) AS reservation_cost_usd,
    coalesce(sum(committed_usd), 0)::DECIMAL(38, 12) AS committed_usd,
    coalesce(sum(accrued_usd), 0)::DECIMAL(38, 12) AS accrued_usd,
    coalesce(sum(n_records) FILTER (record_kind = 'task'), 0)::BIGINT AS n_tasks,
    coalesce(sum(n_records) FILTER (record_kind = 'job'), 0)::BIGINT AS n_jobs,
    coalesce(sum(n_records) FILTER (record_kind = 'reservation'), 0)::BIGINT AS n_reservations,
    coalesce(sum(n_open), 0)::BIGINT AS n_open,
    coalesce(sum(n_unknown), 0)::BIGINT AS n_unknown,
    coalesce(sum(shots), 0)::HUGEINT AS shots,
    coalesce(sum(billed_shots), 0)::HUGEINT AS billed_shots
FROM by_record
GROUP BY charge_date, account_id, region, device_arn
