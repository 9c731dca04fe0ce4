-- One row a quantum task with its cost: what task_costs and charges read, so that the price of a task is looked up in
-- one place. For questions read task_costs, which says what each column means.
--
-- group: costs
-- key: quantum_task_arn
-- quantum_task_arn: the task
-- cost_usd: what it costs: task_fee_usd + shot_fee_usd + run_fee_usd; 0 for not_billed and reservation, else NULL
-- cost_status: priced; not_billed (failed, cancelled); reservation (paid by the hour); pending (not ended);
--   no_price (none known, or contradictory ones, or a count that cannot be priced); no_duration (run time not known)
-- committed_usd: pending on a QPU: what it will cost if all its shots succeed
-- task_fee_usd: fee for the task, on QPUs
-- shot_fee_usd: fee for its shots, on QPUs
-- billed_shots: shots that are paid: those that succeeded, else those requested
-- billed_seconds: run time that is paid, on simulators: at least 3 s, to the millisecond
-- price_effective_from: date from which its price holds (the later one, if those of task and shot differ)
-- price_source: where its price comes from: price_list or seed, with the date
-- run_fee_usd: fee for the run time, on simulators
-- cost_usd_lower: it costs at least so much, where that is known
-- cost_usd_upper: it costs at most so much, where that is known
-- cost_rule: the rule that was applied, in words
-- charged_at: the instant whose prices count
-- charge_date: UTC day of charged_at; of an open task, the day of its creation
-- account_id: account of the task
-- region: Region of the task
-- status: status of the task
-- is_terminal: whether it has ended
-- created_at: when it was created
-- created_date: UTC day of created_at
-- device_arn: the device
-- device_name: last part of the device ARN
-- device_type: QPU or SIMULATOR
-- job_arn: job that created it
-- reservation_arn: reservation it runs in
-- tags: its tags
-- requested_shots: shots requested
WITH
-- No CTE here is read twice: DuckDB would keep it by itself and then read every column of all tasks for any question.
wanted AS (
    -- few combinations stand for all tasks: only for these a price is looked up
    SELECT
        t.region,
        t.device_name,
        t.device_type,
        j.is_in_job,
        k.device_key,
        CASE WHEN t.device_type = 'QPU'
            THEN CASE WHEN j.is_in_job THEN 'Braket Managed Jobs QPU Task' ELSE 'Quantum Task' END
        END AS fee_family,
        CASE
            WHEN t.device_type = 'QPU' AND j.is_in_job THEN 'Braket Managed Jobs QPU Task Shot'
            WHEN t.device_type = 'QPU' THEN 'Quantum Task-Shot'
            WHEN t.device_type = 'SIMULATOR' AND j.is_in_job THEN 'Braket Managed Jobs Simulator Task'
            WHEN t.device_type = 'SIMULATOR' THEN 'Simulator Task'
        END AS usage_family
    FROM (
        SELECT region, device_name, device_type FROM quantum_tasks GROUP BY region, device_name, device_type
    ) AS t
    CROSS JOIN (VALUES (true), (false)) AS j (is_in_job)
    JOIN device_keys AS k ON k.device_name = t.device_name
),
-- A QPU is priced where the fee and the price of a shot are both known: the spans in which both stay what they are.
prices_together AS (
    SELECT
        w.region,
        w.device_name,
        w.device_type,
        w.is_in_job,
        greatest(u.valid_from, f.valid_from) AS valid_from,
        least(u.valid_to, f.valid_to) AS valid_to,
        f.price_usd AS task_fee,
        u.price_usd,
        u.usd_per_billion,
        -- a whole price of 10^9 seconds is exact by the millisecond, so that a fee by it needs no rounding, which is dear
        CASE WHEN u.usd_per_billion < 1000000000 AND u.usd_per_billion = u.usd_per_billion::DECIMAL(38, 0)
            THEN (u.usd_per_billion * 0.000000000001)::DECIMAL(38, 12) END AS usd_per_ms,
        (3 * u.usd_per_billion * 0.000000001)::DECIMAL(38, 12) AS least_run_fee,
        greatest(u.price_effective_from, f.price_effective_from) AS price_effective_from,
        CASE WHEN f.price_source <> u.price_source
            THEN 'task: ' || f.price_source || '; shot: ' || u.price_source
            ELSE u.price_source
        END AS price_source
    FROM wanted AS w
    JOIN price_periods AS u
        ON u.product_family = w.usage_family AND u.item = w.device_key AND u.region = w.region
    LEFT JOIN price_periods AS f
        ON f.product_family = w.fee_family AND f.item = w.device_key AND f.region = w.region
        AND f.valid_from < u.valid_to AND u.valid_from < f.valid_to
    WHERE w.device_type = 'SIMULATOR' OR f.region IS NOT NULL
),
-- The day comes before all joins: a question about some days is then asked of no other day's tasks.
dated AS (
    SELECT
        *,
        CASE WHEN is_terminal THEN coalesce(ended_at, created_at) ELSE fetched_at END AS charged_at,
        -- the UTC day without asking a calendar, which timezone() does for each row
        CASE WHEN is_terminal THEN make_timestamp(epoch_us(charged_at))::DATE ELSE created_date END AS charge_date
    FROM quantum_tasks
),
tasks AS (
    SELECT
        t.quantum_task_arn,
        t.account_id,
        t.region,
        t.status,
        t.is_terminal,
        t.created_at,
        t.created_date,
        t.device_arn,
        t.device_name,
        t.device_type,
        t.job_arn,
        t.reservation_arn,
        t.tags,
        t.shots AS requested_shots,
        t.job_arn IS NOT NULL AS is_in_job,
        t.reservation_arn IS NOT NULL AS is_reserved,
        t.charged_at,
        t.charge_date,
        CASE WHEN t.status = 'COMPLETED'
            THEN coalesce(t.num_successful_shots, r.successful_shots, t.shots)
            ELSE t.shots
        END AS shots,
        t.num_successful_shots IS NULL AND r.successful_shots IS NULL AS is_shots_requested,
        -- 3 s at least are paid; a negative duration, or one of decades, is no duration
        CASE WHEN r.execution_duration_ms BETWEEN 0 AND 1000000000000
            THEN greatest(r.execution_duration_ms, 3000) END AS billed_ms,
        greatest(epoch_ms(t.ended_at) - epoch_ms(t.created_at), 3000) AS most_ms
    FROM dated AS t
    LEFT JOIN task_results AS r ON r.quantum_task_arn = t.quantum_task_arn
),
-- TRY and the bounds: a number beyond all sense makes one cost NULL, not an error for all. 10^-12 is 10^-9 of the
-- billion times 10^-3 of the millisecond; products only, since DuckDB makes a DOUBLE of a DECIMAL that is divided.
metered AS (
    SELECT
        t.*,
        p.task_fee,
        p.least_run_fee,
        CASE WHEN t.device_type = 'QPU' AND t.shots BETWEEN 0 AND 1000000000000
            THEN TRY((t.shots * p.price_usd)::DECIMAL(38, 12)) END AS shot_fee,
        CASE
            WHEN t.device_type <> 'SIMULATOR' THEN NULL
            WHEN p.usd_per_ms IS NOT NULL THEN t.billed_ms * p.usd_per_ms
            ELSE TRY((t.billed_ms * p.usd_per_billion * 0.000000000001)::DECIMAL(38, 12))
        END AS run_fee,
        CASE WHEN t.device_type = 'SIMULATOR' AND t.billed_ms IS NULL
            THEN TRY((t.most_ms * p.usd_per_billion * 0.000000000001)::DECIMAL(38, 12)) END AS most_run_fee,
        p.usd_per_billion IS NOT NULL AND (t.device_type = 'SIMULATOR' OR p.task_fee IS NOT NULL) AS has_price,
        p.price_effective_from,
        p.price_source
    FROM tasks AS t
    LEFT JOIN prices_together AS p
        ON p.region = t.region AND p.device_name = t.device_name AND p.device_type = t.device_type
        AND p.is_in_job = t.is_in_job AND t.charged_at >= p.valid_from AND t.charged_at < p.valid_to
),
summed AS (
    SELECT *, TRY(task_fee + shot_fee) AS qpu_fee FROM metered
),
classified AS (
    SELECT
        *,
        CASE
            WHEN NOT is_terminal THEN 'pending'
            WHEN status IN ('FAILED', 'CANCELLED') THEN 'not_billed'
            WHEN is_reserved THEN 'reservation'
            WHEN NOT has_price THEN 'no_price'
            WHEN device_type = 'SIMULATOR' AND billed_ms IS NULL THEN 'no_duration'
            WHEN coalesce(run_fee, qpu_fee) IS NULL THEN 'no_price'
            ELSE 'priced'
        END AS cost_status
    FROM summed
)
SELECT
    quantum_task_arn,
    CASE cost_status
        WHEN 'priced' THEN coalesce(run_fee, qpu_fee)
        WHEN 'not_billed' THEN 0
        WHEN 'reservation' THEN 0
    END::DECIMAL(38, 12) AS cost_usd,
    cost_status,
    CASE WHEN cost_status = 'pending' AND device_type = 'QPU'
        THEN CASE WHEN is_reserved THEN 0 ELSE qpu_fee END
    END::DECIMAL(38, 12) AS committed_usd,
    CASE
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        WHEN cost_status = 'priced' AND device_type = 'QPU' THEN task_fee
        WHEN cost_status = 'priced' THEN 0
    END::DECIMAL(38, 12) AS task_fee_usd,
    CASE
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        WHEN cost_status = 'priced' AND device_type = 'QPU' THEN shot_fee
        WHEN cost_status = 'priced' THEN 0
    END::DECIMAL(38, 12) AS shot_fee_usd,
    CASE
        WHEN device_type <> 'QPU' OR NOT is_terminal THEN NULL
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        ELSE shots
    END AS billed_shots,
    CASE
        WHEN device_type <> 'SIMULATOR' OR NOT is_terminal THEN NULL
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        ELSE TRY_CAST(billed_ms * 0.001 AS DECIMAL(18, 3))
    END::DECIMAL(18, 3) AS billed_seconds,
    CASE WHEN cost_status IN ('priced', 'pending', 'no_duration') THEN price_effective_from END AS price_effective_from,
    CASE WHEN cost_status IN ('priced', 'pending', 'no_duration') THEN price_source END AS price_source,
    CASE
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        WHEN cost_status = 'priced' AND device_type = 'SIMULATOR' THEN run_fee
        WHEN cost_status = 'priced' THEN 0
    END::DECIMAL(38, 12) AS run_fee_usd,
    CASE cost_status
        WHEN 'priced' THEN coalesce(run_fee, qpu_fee)
        WHEN 'no_duration' THEN least_run_fee
        WHEN 'no_price' THEN NULL
        ELSE 0  -- a pending task may yet fail
    END::DECIMAL(38, 12) AS cost_usd_lower,
    CASE cost_status
        WHEN 'priced' THEN coalesce(run_fee, qpu_fee)
        WHEN 'no_duration' THEN most_run_fee
        WHEN 'pending' THEN CASE WHEN is_reserved THEN 0 ELSE qpu_fee END
        WHEN 'no_price' THEN NULL
        ELSE 0
    END::DECIMAL(38, 12) AS cost_usd_upper,
    CASE
        WHEN cost_status = 'not_billed' THEN 'a task that failed or was cancelled is not billed'
        WHEN is_reserved THEN 'a task in a reservation is paid by the reservation'
        WHEN device_type = 'QPU' AND cost_status = 'pending' THEN 'task fee + requested shots'
        WHEN device_type = 'QPU' AND is_shots_requested THEN 'task fee + requested shots (successful ones not told)'
        WHEN device_type = 'QPU' THEN 'task fee + successful shots'
        WHEN device_type = 'SIMULATOR' THEN 'run time, 3 s at least'
        ELSE 'no rule for this kind of device'
    END AS cost_rule,
    charged_at,
    charge_date,
    account_id,
    region,
    status,
    is_terminal,
    created_at,
    created_date,
    device_arn,
    device_name,
    device_type,
    job_arn,
    reservation_arn,
    tags,
    requested_shots
FROM classified
