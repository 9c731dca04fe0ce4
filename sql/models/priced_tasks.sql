-- One row a quantum task with its cost: what task_costs and charges read, so that the price of a task is looked up in
-- one place. For questions read task_costs, which says what each column means.
--
-- group: costs
-- key: quantum_task_arn
-- quantum_task_arn: the task
-- cost_usd: what it costs: task_fee_usd + shot_fee_usd + run_fee_usd; 0 for not_billed and reservation, else NULL
-- cost_status: priced; not_billed (failed, cancelled); reservation (paid by the hour); pending (not ended);
--   no_price (none known, or contradictory ones, or a count that cannot be priced); no_duration (run time not known)
-- committed_usd: pending where shots are paid: what it will cost if all of them succeed
-- task_fee_usd: fee for the task, where there is one
-- shot_fee_usd: fee for its shots, where they are paid
-- billed_shots: shots that are paid: those that succeeded, else those requested
-- billed_seconds: run time that is paid, where it is paid by time (simulators: at least 3 s), to the millisecond
-- price_effective_from: date from which its price holds (the later one, if those of task and shot differ)
-- price_source: where its price comes from: price_list with its day; seed, (evidenced) where a dated
--   source attests the price at that time, else (assumed) or (assumed equal), as price_periods says
-- run_fee_usd: fee for the run time, where it is paid
-- cost_usd_lower: the least that it costs, where that is known
-- cost_usd_upper: the most that it costs, where that is known
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
-- kind: kind of price_rules by which it is paid; NULL where there is none
-- job_arn: job that created it
-- reservation_arn: reservation it runs in
-- tags: its tags
-- requested_shots: shots requested
-- created_by: who created it
-- accrued_usd: of an open task, what its run has cost so far, as far as it was seen; NULL of ended ones
-- committed_at_most_usd: of an open task, the most that it will cost; NULL of ended ones and where it is not known
WITH
-- No CTE here is read twice: DuckDB would keep it by itself and then read every column of all tasks for any question.
wanted AS (
    -- few combinations stand for all tasks: only for these a price is looked up. is_bare: the time before any price
    SELECT
        t.region,
        t.device_name,
        t.device_type,
        j.is_in_job,
        j.is_bare,
        k.device_key
    FROM (
        SELECT region, device_name, device_type FROM quantum_tasks GROUP BY region, device_name, device_type
    ) AS t
    CROSS JOIN (VALUES (true, true), (true, false), (false, true), (false, false)) AS j (is_in_job, is_bare)
    JOIN device_keys AS k ON k.device_name = t.device_name
),
-- A task is priced where all that its kind pays is known: the spans in which all of it stays what it is.
spans AS (
    SELECT
        w.region,
        w.device_name,
        w.device_type,
        w.is_in_job,
        w.is_bare,
        r.kind,
        r.meter = 'run_time' AS is_by_time,
        r.least_ms,
        r.most_ms,
        f.product_family IS NOT NULL AS has_task_fee,
        CASE WHEN w.is_bare THEN TIMESTAMPTZ '-infinity' ELSE greatest(u.valid_from, p.valid_from) END AS valid_from,
        CASE WHEN w.is_bare THEN TIMESTAMPTZ 'infinity' ELSE least(u.valid_to, p.valid_to) END AS valid_to,
        p.price_usd AS task_fee,
        u.price_usd,
        u.usd_per_billion,
        -- a whole price of 10^9 seconds is exact by the millisecond, so that a fee by it needs no rounding, which is dear
        CASE WHEN u.usd_per_billion < 1000000000 AND u.usd_per_billion = u.usd_per_billion::DECIMAL(38, 0)
            THEN (u.usd_per_billion * 0.000000000001)::DECIMAL(38, 12) END AS usd_per_ms,
        TRY((r.least_ms * u.usd_per_billion * 0.000000000001)::DECIMAL(38, 12)) AS least_run_fee,
        greatest(u.price_effective_from, p.price_effective_from) AS price_effective_from,
        CASE WHEN p.price_source <> u.price_source
            THEN 'task: ' || p.price_source || '; ' || replace(r.meter, '_', ' ') || ': ' || u.price_source
            ELSE u.price_source
        END AS price_source
    FROM wanted AS w
    JOIN price_rules AS r ON r.device_type = w.device_type AND r.is_in_job = w.is_in_job AND r.meter <> 'task'
    LEFT JOIN price_rules AS f ON f.kind = r.kind AND f.is_in_job = r.is_in_job AND f.meter = 'task'
    LEFT JOIN price_periods AS u
        ON u.product_family = r.product_family AND u.item = w.device_key AND u.region = w.region AND NOT w.is_bare
    LEFT JOIN price_periods AS p
        ON p.product_family = f.product_family AND p.item = w.device_key AND p.region = w.region
        AND p.valid_from < u.valid_to AND u.valid_from < p.valid_to
    WHERE CASE WHEN w.is_bare THEN r.kind = r.device_type
        ELSE u.region IS NOT NULL AND (f.product_family IS NULL OR p.region IS NOT NULL) END
),
begun AS (
    SELECT
        *,
        min(valid_from) OVER (PARTITION BY region, device_name, device_type, is_in_job, is_bare, kind) AS kind_from
    FROM spans
),
-- A kind holds until the next one begins, so that an instant has one price.
prices_together AS (
    SELECT
        * EXCLUDE (is_bare, kind_from, valid_to),
        least(valid_to, min(kind_from) OVER (
            PARTITION BY region, device_name, device_type, is_in_job
            ORDER BY kind_from, kind
            GROUPS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        )) AS valid_to
    FROM begun
),
-- How long open tasks have been seen running: these are few, whatever was ever seen of others.
running AS (
    SELECT quantum_task_arn, epoch_ms(max(last_observed_at)) - epoch_ms(min(observed_at)) AS seen_ms
    FROM task_observations
    WHERE status = 'RUNNING' AND quantum_task_arn IN (SELECT quantum_task_arn FROM quantum_tasks WHERE status = 'RUNNING')
    GROUP BY quantum_task_arn
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
        t.created_by,
        t.job_arn IS NOT NULL AS is_in_job,
        t.reservation_arn IS NOT NULL AS is_reserved,
        t.charged_at,
        t.charge_date,
        CASE WHEN t.status = 'COMPLETED'
            THEN coalesce(t.num_successful_shots, r.successful_shots, t.shots)
            ELSE t.shots
        END AS shots,
        t.num_successful_shots IS NULL AND r.successful_shots IS NULL AS is_shots_requested,
        -- a negative duration, or one of decades, is no duration
        CASE WHEN r.execution_duration_ms BETWEEN 0 AND 1000000000000 THEN r.execution_duration_ms END AS run_ms,
        epoch_ms(t.ended_at) - epoch_ms(t.created_at) AS most_run_ms,
        CASE WHEN t.status = 'RUNNING' THEN coalesce(w.seen_ms, 0) END AS seen_ms
    FROM dated AS t
    LEFT JOIN running AS w ON w.quantum_task_arn = t.quantum_task_arn
    LEFT JOIN task_results AS r ON r.quantum_task_arn = t.quantum_task_arn
),
-- TRY and the bounds: a number beyond all sense makes one cost NULL, not an error for all. 10^-12 is 10^-9 of the
-- billion times 10^-3 of the millisecond; products only, since DuckDB makes a DOUBLE of a DECIMAL that is divided.
timed AS (
    SELECT
        t.*,
        p.kind,
        p.is_by_time,
        p.has_task_fee,
        p.task_fee,
        p.price_usd,
        p.usd_per_billion,
        p.usd_per_ms,
        p.least_ms,
        p.least_run_fee,
        p.most_ms AS longest_ms,
        p.price_effective_from,
        p.price_source,
        CASE WHEN t.run_ms IS NOT NULL THEN greatest(t.run_ms, p.least_ms) END AS billed_ms,
        greatest(t.most_run_ms, p.least_ms) AS most_ms
    FROM tasks AS t
    LEFT JOIN prices_together AS p
        ON p.region = t.region AND p.device_name = t.device_name AND p.device_type = t.device_type
        AND p.is_in_job = t.is_in_job AND t.charged_at >= p.valid_from AND t.charged_at < p.valid_to
),
metered AS (
    SELECT
        *,
        CASE WHEN NOT is_by_time AND shots BETWEEN 0 AND 1000000000000
            THEN TRY((shots * price_usd)::DECIMAL(38, 12)) END AS shot_fee,
        CASE
            WHEN NOT is_by_time THEN NULL
            WHEN usd_per_ms IS NOT NULL THEN billed_ms * usd_per_ms
            ELSE TRY((billed_ms * usd_per_billion * 0.000000000001)::DECIMAL(38, 12))
        END AS run_fee,
        CASE WHEN is_by_time AND billed_ms IS NULL
            THEN TRY((most_ms * usd_per_billion * 0.000000000001)::DECIMAL(38, 12)) END AS most_run_fee,
        CASE WHEN is_by_time AND seen_ms IS NOT NULL
            THEN TRY((least(greatest(seen_ms, least_ms), longest_ms) * usd_per_billion * 0.000000000001)::DECIMAL(38, 12))
        END AS fee_so_far,
        CASE WHEN is_by_time AND NOT is_terminal
            THEN TRY((longest_ms * usd_per_billion * 0.000000000001)::DECIMAL(38, 12)) END AS longest_run_fee
    FROM timed
),
summed AS (
    SELECT
        *,
        CASE WHEN has_task_fee THEN TRY(task_fee + coalesce(shot_fee, run_fee)) ELSE coalesce(shot_fee, run_fee) END AS fee
    FROM metered
),
classified AS (
    SELECT
        *,
        CASE
            WHEN NOT is_terminal THEN 'pending'
            WHEN status IN ('FAILED', 'CANCELLED') THEN 'not_billed'
            WHEN is_reserved THEN 'reservation'
            WHEN usd_per_billion IS NULL OR (has_task_fee AND task_fee IS NULL) THEN 'no_price'
            WHEN is_by_time AND billed_ms IS NULL THEN 'no_duration'
            WHEN fee IS NULL THEN 'no_price'
            ELSE 'priced'
        END AS cost_status
    FROM summed
)
SELECT
    quantum_task_arn,
    CASE cost_status
        WHEN 'priced' THEN fee
        WHEN 'not_billed' THEN 0
        WHEN 'reservation' THEN 0
    END::DECIMAL(38, 12) AS cost_usd,
    cost_status,
    CASE WHEN cost_status = 'pending' AND NOT is_by_time
        THEN CASE WHEN is_reserved THEN 0 ELSE fee END
    END::DECIMAL(38, 12) AS committed_usd,
    CASE
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        WHEN cost_status = 'priced' THEN coalesce(task_fee, 0)
    END::DECIMAL(38, 12) AS task_fee_usd,
    CASE
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        WHEN cost_status = 'priced' THEN coalesce(shot_fee, 0)
    END::DECIMAL(38, 12) AS shot_fee_usd,
    CASE
        WHEN is_by_time OR NOT is_terminal THEN NULL
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        ELSE shots
    END AS billed_shots,
    CASE
        WHEN NOT is_by_time OR NOT is_terminal THEN NULL
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        ELSE TRY_CAST(billed_ms * 0.001 AS DECIMAL(18, 3))
    END::DECIMAL(18, 3) AS billed_seconds,
    CASE WHEN cost_status IN ('priced', 'pending', 'no_duration') THEN price_effective_from END AS price_effective_from,
    CASE WHEN cost_status IN ('priced', 'pending', 'no_duration') THEN price_source END AS price_source,
    CASE
        WHEN cost_status IN ('not_billed', 'reservation') THEN 0
        WHEN cost_status = 'priced' THEN coalesce(run_fee, 0)
    END::DECIMAL(38, 12) AS run_fee_usd,
    CASE cost_status
        WHEN 'priced' THEN fee
        WHEN 'no_duration' THEN TRY(coalesce(task_fee, 0) + least_run_fee)
        WHEN 'no_price' THEN NULL
        ELSE 0  -- a pending task may yet fail
    END::DECIMAL(38, 12) AS cost_usd_lower,
    CASE cost_status
        WHEN 'priced' THEN fee
        WHEN 'no_duration' THEN TRY(coalesce(task_fee, 0) + most_run_fee)
        WHEN 'pending' THEN CASE WHEN is_reserved THEN 0 WHEN NOT is_by_time THEN fee END
        WHEN 'no_price' THEN NULL
        ELSE 0
    END::DECIMAL(38, 12) AS cost_usd_upper,
    CASE
        WHEN cost_status = 'not_billed' THEN 'a task that failed or was cancelled is not billed'
        WHEN is_reserved THEN 'a task in a reservation is paid by the reservation'
        WHEN is_by_time IS NULL THEN 'no rule for this kind of device'
        ELSE CASE WHEN has_task_fee THEN 'task fee + ' ELSE '' END || CASE
            WHEN is_by_time AND least_ms > 0 THEN 'run time, ' || (least_ms * 0.001)::INTEGER || ' s at least'
            WHEN is_by_time THEN 'run time'
            WHEN cost_status = 'pending' THEN 'requested shots'
            WHEN is_shots_requested THEN 'requested shots (successful ones not told)'
            ELSE 'successful shots'
        END
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
    kind,
    job_arn,
    reservation_arn,
    tags,
    requested_shots,
    created_by,
    CASE
        WHEN cost_status <> 'pending' OR (price_usd IS NULL AND NOT is_reserved) THEN NULL
        WHEN is_by_time AND NOT is_reserved AND status = 'RUNNING' THEN fee_so_far
        ELSE 0  -- it has not begun, or costs nothing before it completes
    END::DECIMAL(38, 12) AS accrued_usd,
    CASE
        WHEN cost_status <> 'pending' THEN NULL
        WHEN is_reserved THEN 0
        WHEN NOT is_by_time THEN fee
        WHEN has_task_fee THEN TRY(task_fee + longest_run_fee)
        ELSE longest_run_fee
    END::DECIMAL(38, 12) AS committed_at_most_usd
FROM classified
