-- One row a record, meter and UTC day on which it ran: the fee of a task, its shots, its run time, the instances and the
-- volumes of a job, a reservation. Everything that sums costs reads this, so all sums agree. Tasks that are not
-- billed, paid by a reservation or not yet ended have their rows too: cost_status tells them apart.
-- A job and a reservation are spread over the UTC days of their time from start to end, each day by its share of that
-- time, also where less or more of it is billed; to the last digit the days add up to the whole. The price is that of
-- the whole, at charged_at. So is what an open job has cost so far (accrued_usd, beside the costs and never in them), until
-- it was last seen running. A task has one day, that of its end: its fee and shots are paid when it completes, and so is
-- its run time: when in its life it ran is not told. What is open, has not begun or was not billed for want of a run has
-- one day likewise. To count records, count the rows with is_record.
--
-- group: costs
-- key: record_arn, meter, charge_date
-- record_kind: task, job or reservation
-- record_arn: ARN of the task, job or reservation
-- job_arn: the job, of a job and of tasks in one
-- reservation_arn: the reservation, of a reservation and of tasks in one
-- account_id: account that pays
-- region: Region of the usage
-- device_arn: the device; of a job, the one it has priority on
-- device_name: last part of the device ARN
-- device_key: device as price lists and bills are matched
-- product_family: product family of the price list; NULL for a kind of device that has no rule
-- instance_type: of job instances
-- meter: task, shot, run_time, instance, volume or reservation
-- charged_at: when the whole is charged: the end of a task or job, the begin of a reservation; while open, the last sight
-- charge_date: UTC day on which it ran, of a task on which it ended; of open tasks, and of jobs that have not begun, that
--   of their creation
-- is_record: true on one row of each record, of its last day: count these to count records
-- began_at: creation of the task or job, begin of the reservation
-- quantity: what is paid for on that day, in `unit`; NULL where it is not known
-- unit: task, shot, second, GB-second or hour
-- cost_status: status of the cost, as in task_costs, job_costs and reservation_costs
-- cost_usd: of that day, at list price; NULL where it is not known or not yet due
-- discount_usd: what the agreed discount takes off; 0 where there is none
-- discount_rate: agreed discount as a share of the list price, from 0 to 1
-- net_usd: cost_usd less discount_usd
-- committed_usd: what an open task on a QPU, or a reservation to come, will cost at list price
-- accrued_usd: what an open job, or an open task on a simulator, has cost on that day so far at list price, as far as it was
--   seen running; NULL of what has ended
-- price_source: where the price comes from
-- status: status of the task or job
-- shots: shots requested, on the row of a task's shots or run time
-- tags: tags of the task or job
-- created_by: who created the task or job, where that is kept
WITH task_rows AS (
    SELECT
        'task' AS record_kind,
        t.quantum_task_arn AS record_arn,
        t.job_arn,
        t.reservation_arn,
        t.account_id,
        t.region,
        t.device_arn,
        t.device_name,
        r.product_family,
        NULL AS instance_type,
        coalesce(r.meter, 'run_time') AS meter,
        t.charged_at,
        t.charge_date,
        true AS is_last_day,
        t.created_at AS began_at,
        coalesce(r.unit, 'second') AS unit,
        t.cost_status,
        -- the whole of what is committed stands on the row of the shots: it is no fee for anything yet
        CASE WHEN r.meter = 'shot' THEN t.committed_usd END AS committed_usd,
        t.price_source,
        t.status,
        CASE WHEN r.meter = 'task' THEN NULL ELSE t.requested_shots END AS shots,
        t.tags,
        t.created_by,
        -- a task runs once, whatever is paid for it
        CASE WHEN r.meter <> 'task' THEN t.accrued_usd END AS accrued_usd,
        CASE
            WHEN NOT t.is_terminal THEN NULL
            WHEN t.cost_status IN ('not_billed', 'reservation') THEN 0
            WHEN r.meter = 'task' THEN 1
            WHEN r.meter = 'shot' THEN t.billed_shots
            ELSE t.billed_seconds
        END::DECIMAL(38, 12) AS quantity,
        CASE r.meter WHEN 'task' THEN t.task_fee_usd WHEN 'shot' THEN t.shot_fee_usd ELSE t.run_fee_usd END AS cost_usd,
        0::DECIMAL(38, 12) AS due_before
    FROM priced_tasks AS t
    LEFT JOIN price_rules AS r ON r.kind = t.kind AND r.is_in_job = (t.job_arn IS NOT NULL)
),
job_rows AS (
    SELECT
        'job' AS record_kind,
        j.job_arn AS record_arn,
        j.job_arn,
        j.reservation_arn,
        j.account_id,
        j.region,
        j.device_arn,
        j.device_name,
        r.product_family,
        CASE r.meter WHEN 'instance' THEN j.instance_type END AS instance_type,
        r.meter,
        j.charged_at,
        j.charge_date,
        j.is_last_day,
        j.ran_from,
        j.ran_to,
        j.created_at AS began_at,
        CASE r.meter
            WHEN 'instance' THEN TRY(j.billed_seconds * j.instance_count)
            ELSE TRY(j.billed_seconds * j.instance_count * j.volume_gb)
        END::DECIMAL(38, 12) AS quantity,
        r.unit,
        CASE r.meter WHEN 'instance' THEN j.instance_cost_status ELSE j.volume_cost_status END AS cost_status,
        CASE r.meter WHEN 'instance' THEN j.instance_cost_usd ELSE j.volume_cost_usd END AS cost_usd,
        NULL AS committed_usd,
        CASE r.meter WHEN 'instance' THEN j.instance_accrued_usd ELSE j.volume_accrued_usd END AS accrued_usd,
        j.price_source,
        j.status,
        NULL AS shots,
        j.tags,
        j.created_by
    FROM job_meters AS j
    CROSS JOIN (SELECT * FROM price_rules WHERE kind = 'job') AS r
),
reservations_dated AS (
    SELECT
        *,
        make_timestamp(epoch_us(start_at))::DATE AS first_day,
        make_timestamp(epoch_us(end_at) - 1)::DATE AS last_day,
        coalesce(
            cost_status IN ('priced', 'no_price') AND start_at < end_at AND last_day - first_day <= 366, false
        ) AS has_run
    FROM reservation_costs
),
reservation_days AS (
    SELECT
        *,
        unnest(range(CASE WHEN has_run THEN last_day - first_day + 1 ELSE 1 END)) AS nth_day,
        first_day + nth_day::INTEGER AS charge_date
    FROM reservations_dated
),
reservation_rows AS (
    SELECT
        'reservation' AS record_kind,
        c.reservation_arn AS record_arn,
        NULL AS job_arn,
        c.reservation_arn,
        c.account_id,
        c.region,
        c.device_arn,
        c.device_name,
        r.product_family,
        NULL AS instance_type,
        r.meter,
        c.start_at AS charged_at,
        c.charge_date,
        NOT c.has_run OR c.charge_date = c.last_day AS is_last_day,
        CASE WHEN c.has_run THEN c.start_at END AS ran_from,
        CASE WHEN c.has_run THEN c.end_at END AS ran_to,
        c.start_at AS began_at,
        CASE WHEN c.cost_status = 'not_billed' THEN 0 ELSE c.hours END::DECIMAL(38, 12) AS quantity,
        r.unit,
        c.cost_status,
        c.cost_usd,
        c.committed_usd,
        NULL AS accrued_usd,
        c.price_source,
        NULL AS status,
        NULL AS shots,
        NULL AS tags,
        NULL AS created_by
    FROM reservation_days AS c
    CROSS JOIN (SELECT * FROM price_rules WHERE kind = 'reservation') AS r
),
runs AS (
    SELECT * FROM job_rows
    UNION ALL
    SELECT * FROM reservation_rows
),
-- How long it ran before the day and until its end, of how long in all, in milliseconds; NULL where there is no run.
spread AS (
    SELECT
        *,
        epoch_ms(ran_to) - epoch_ms(ran_from) AS whole_ms,
        greatest(epoch_ms(charge_date::TIMESTAMP) - epoch_ms(ran_from), 0) AS before_ms,
        least(epoch_ms(charge_date::TIMESTAMP) + 86400000 - epoch_ms(ran_from), whole_ms) AS until_ms,
        coalesce(before_ms > 0 OR until_ms < whole_ms, false) AS is_part,
        -- in whole 10^-12: these are divided exactly, DECIMALs would become DOUBLEs
        CASE WHEN is_part THEN TRY((quantity * 1000000000000)::HUGEINT) END AS whole_quantity,
        CASE WHEN is_part THEN TRY((cost_usd * 1000000000000)::HUGEINT) END AS whole_cost,
        CASE WHEN is_part THEN TRY((accrued_usd * 1000000000000)::HUGEINT) END AS whole_accrued
    FROM runs
),
-- What is due until the end of the day less what was due before it: so the days add up to the whole.
-- Jobs and reservations are sorted, and come before the tasks, for clients of DuckDB 1.4: there a result that is streamed
-- waits for ever where a UNION ALL begins with rows that are made on the way. A day is sorted faster than an ARN.
other_rows AS (
    SELECT
        * EXCLUDE (
            quantity, cost_usd, accrued_usd, ran_from, ran_to, whole_ms, before_ms, until_ms, is_part, whole_quantity,
            whole_cost, whole_accrued
        ),
        CASE WHEN is_part
            THEN TRY((whole_accrued * until_ms // whole_ms - whole_accrued * before_ms // whole_ms) * 0.000000000001)
            ELSE accrued_usd END::DECIMAL(38, 12) AS accrued_usd,
        CASE WHEN is_part
            THEN TRY((whole_quantity * until_ms // whole_ms - whole_quantity * before_ms // whole_ms) * 0.000000000001)
            ELSE quantity END::DECIMAL(38, 12) AS quantity,
        CASE WHEN is_part
            THEN TRY((whole_cost * until_ms // whole_ms - whole_cost * before_ms // whole_ms) * 0.000000000001)
            ELSE cost_usd END::DECIMAL(38, 12) AS cost_usd,
        CASE WHEN is_part THEN TRY((whole_cost * before_ms // whole_ms) * 0.000000000001) ELSE 0 END::DECIMAL(38, 12)
            AS due_before
    FROM spread
    ORDER BY charge_date
),
meters AS (
    SELECT * FROM other_rows
    UNION ALL
    SELECT * FROM task_rows
),
-- Discounts are few; spread over the dates that occur they would be many, so they are looked up by span.
discounted AS (
    SELECT
        m.*,
        k.device_key,
        -- an agreed price of a reservation is agreed already
        CASE WHEN m.price_source <> 'agreed' THEN coalesce(d.rate, 0) ELSE 0 END AS discount_rate
    FROM meters AS m
    LEFT JOIN device_keys AS k ON k.device_name = m.device_name
    LEFT JOIN discounts AS d
        ON d.product_family = m.product_family AND m.charged_at >= d.effective_from
        AND m.charged_at < coalesce(d.effective_to, TIMESTAMPTZ '9999-12-31 00:00:00+00')
),
netted AS (
    SELECT
        *,
        -- of what is due until the end of the day less what was due before it, so that these add up to the whole as well
        CASE WHEN discount_rate > 0
            THEN TRY(((due_before + cost_usd) * discount_rate)::DECIMAL(38, 12)
                - (due_before * discount_rate)::DECIMAL(38, 12))
            WHEN cost_usd IS NOT NULL THEN 0 END
            AS taken_off
    FROM discounted
)
SELECT
    record_kind,
    record_arn,
    job_arn,
    reservation_arn,
    account_id,
    region,
    device_arn,
    device_name,
    device_key,
    product_family,
    instance_type,
    meter,
    charged_at,
    charge_date,
    is_last_day AND meter NOT IN ('task', 'volume') AS is_record,
    began_at,
    quantity,
    unit,
    cost_status,
    cost_usd,
    taken_off::DECIMAL(38, 12) AS discount_usd,
    discount_rate::DECIMAL(38, 12) AS discount_rate,
    (cost_usd - taken_off)::DECIMAL(38, 12) AS net_usd,
    committed_usd::DECIMAL(38, 12) AS committed_usd,
    accrued_usd,
    price_source,
    status,
    shots,
    tags,
    created_by
FROM netted
