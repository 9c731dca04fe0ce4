-- One row a hybrid job and UTC day on which it ran, each with the cost of the whole job's instances and volumes, without
-- its tasks: job_costs reads the last day's, charges gives each day its share. For questions read those. The run of an open
-- job lasts until it was last seen running, and no longer than it may. A job of which no run is known (never started, ended
-- before it started, or longer than a year) has one row.
--
-- group: costs
-- key: job_arn, charge_date
-- job_arn: the job
-- instance_cost_usd: instance price x billed time x instances, at list price
-- volume_cost_usd: volume price x GB x billed time x instances, at list price; a month is 30 days
-- instance_cost_status: priced, not_billed, pending, no_price or no_duration
-- volume_cost_status: the same of the volumes
-- billed_seconds: billable duration in seconds, of one instance
-- instance_count: instances
-- instance_type: their type
-- volume_gb: volume of each in GB
-- duration_unit: unit of billableDuration that was inferred: seconds, milliseconds; NULL where neither fits
-- is_duration_plausible: whether the duration in that unit fits this job's own run time
-- price_effective_from: date from which the instance price holds
-- price_source: where the instance price comes from
-- cost_usd_upper: the most that instances and volumes cost where the duration is not known: by the whole run time
-- charged_at: the instant whose prices count
-- charge_date: UTC day on which it ran; where no run is known that of charged_at, of an open job that of its creation
-- is_last_day: whether it is the last of these days; true on one row of each job
-- ran_from: when it started, where its run is known
-- ran_to: when it ended, where its run is known; of an open job, when it was last seen running
-- account_id: account of the job
-- region: Region of the job
-- status: status of the job
-- is_terminal: whether it has ended
-- created_at: when it was created
-- created_date: UTC day of created_at
-- device_arn: device that it has priority on
-- device_name: last part of the device ARN
-- reservation_arn: reservation it runs in
-- tags: its tags
-- created_by: who created it
-- instance_accrued_usd: of an open job, what its instances have cost so far; NULL of ended ones
-- volume_accrued_usd: the same of its volumes
-- committed_at_most_usd: of an open job, the most that instances and volumes will cost, by maxRuntimeInSeconds
WITH
-- No CTE here is read twice, as in priced_tasks.
seen AS (
    SELECT job_arn, max(last_observed_at) AS last_running_at
    FROM job_observations
    WHERE status IN ('RUNNING', 'CANCELLING')
    GROUP BY job_arn
),
dated AS (
    SELECT
        -- no star: the unnest below carries whatever stands here, asked for or not
        job_arn, account_id, region, status, is_terminal, created_at, created_date, started_at, ended_at, fetched_at,
        billable_duration, device_config_device, device_name, reservation_arn, tags, instance_config_instance_type,
        instance_config_instance_count, instance_config_volume_size_in_gb, created_by,
        NULL::BIGINT AS most_ms,
        ended_at AS ran_until,
        coalesce(ended_at, created_at) AS charged_at,
        make_timestamp(epoch_us(coalesce(ended_at, created_at)))::DATE AS charged_on
    FROM jobs
    WHERE is_terminal
    UNION ALL
    -- those that are open are few. An answer that says nothing new is not stored again: polls saw the job later
    SELECT
        j.job_arn, account_id, region, status, is_terminal, created_at, make_timestamp(epoch_us(created_at))::DATE,
        started_at, ended_at, fetched_at, billable_duration, device_config_device, device_name, reservation_arn, tags,
        instance_config_instance_type, instance_config_instance_count, instance_config_volume_size_in_gb,
        created_by,
        TRY(stopping_condition_max_runtime_in_seconds * 1000),
        least(
            greatest(fetched_at, s.last_running_at),
            TRY(to_timestamp(epoch_us(started_at) / 1e6 + stopping_condition_max_runtime_in_seconds))
        ),
        fetched_at,
        make_timestamp(epoch_us(created_at))::DATE
    FROM jobs AS j
    LEFT JOIN seen AS s ON s.job_arn = j.job_arn
    WHERE NOT is_terminal
),
runs AS (
    SELECT
        *,
        make_timestamp(epoch_us(started_at))::DATE AS first_day,
        make_timestamp(epoch_us(ran_until) - 1)::DATE AS last_day,  -- a run that ends at midnight has not run on that day
        coalesce(started_at < ran_until AND last_day - first_day <= 366, false) AS has_run
    FROM dated
),
-- The days come before all joins, as in priced_tasks.
days AS (
    SELECT
        *,
        unnest(range(CASE WHEN has_run THEN last_day - first_day + 1 ELSE 1 END)) AS nth_day,
        CASE WHEN has_run THEN first_day + nth_day::INTEGER ELSE charged_on END AS charge_date,
        NOT has_run OR charge_date = last_day AS is_last_day
    FROM runs
),
durations AS (
    SELECT
        j.*,
        CASE WHEN j.is_terminal THEN i.duration_unit END AS duration_unit,
        CASE WHEN j.is_terminal AND j.billable_duration >= 0 THEN CASE i.duration_unit
            WHEN 'seconds' THEN TRY(j.billable_duration * 1000)
            WHEN 'milliseconds' THEN j.billable_duration
        END END AS billable_ms,
        CASE WHEN j.is_terminal THEN (epoch_ms(j.ended_at) - epoch_ms(j.started_at)) / 1e3 END AS run_seconds,
        CASE
            WHEN j.is_terminal THEN NULL
            WHEN j.has_run THEN epoch_ms(j.ran_until) - epoch_ms(j.started_at)
            WHEN j.started_at IS NULL OR j.started_at >= j.ran_until THEN 0
        END AS run_ms_so_far
    FROM days AS j
    CROSS JOIN job_duration_unit AS i
),
checked AS (
    -- starting and ending take minutes, hence the slack
    SELECT
        *,
        billable_ms / 1e3 BETWEEN run_seconds / 5 - 300 AND run_seconds * 5 + 300 AS is_duration_plausible
    FROM durations
),
-- 10^-12 is 10^-9 of the billion times 10^-3 of the millisecond
instance_prices AS (
    SELECT *, TRY(usd_per_billion * 0.000000000001) AS usd_per_ms
    FROM price_periods
    WHERE meter = 'instance'
),
volume_prices AS (
    SELECT *, TRY(usd_per_billion * 0.000000000001) AS usd_per_ms
    FROM price_periods
    WHERE meter = 'volume'
),
timed AS (
    SELECT
        *,
        device_config_device AS device_arn,
        instance_config_instance_type AS instance_type,
        coalesce(instance_config_instance_count, 1) AS instance_count,
        instance_config_volume_size_in_gb AS volume_gb,
        CASE WHEN coalesce(is_duration_plausible, run_seconds IS NULL) AND billable_ms <= 1000000000000
            THEN billable_ms END AS billed_ms,
        CASE WHEN run_seconds >= 0 THEN (run_seconds * 1000)::BIGINT END AS run_ms,
        -- an instance that never ran has no start; nothing is billed for it
        is_terminal AND coalesce(billable_duration, 0) = 0
            AND (started_at IS NULL OR billable_duration = 0) AS is_not_billed
    FROM checked
),
-- TRY, and the bound of 10^12 dollars below, make a number beyond all sense NULL, so that no sum of costs overflows; round()
-- takes half of what a cast takes, and rounds the same
metered AS (
    SELECT
        t.*,
        TRY(round(t.billed_ms * i.usd_per_ms, 12) * t.instance_count) AS instance_fee,
        TRY(round(t.billed_ms * v.usd_per_ms * t.volume_gb, 12) * t.instance_count) AS volume_fee,
        CASE WHEN t.billed_ms IS NULL
            THEN TRY(round(t.run_ms * i.usd_per_ms + t.run_ms * v.usd_per_ms * t.volume_gb, 12) * t.instance_count)
        END AS most_fee,
        TRY(round(t.run_ms_so_far * i.usd_per_ms, 12) * t.instance_count) AS instance_so_far,
        CASE WHEN t.volume_gb = 0 THEN 0
            ELSE TRY(round(t.run_ms_so_far * v.usd_per_ms * t.volume_gb, 12) * t.instance_count) END AS volume_so_far,
        TRY(
            round(t.most_ms * i.usd_per_ms, 12) * t.instance_count
            + CASE WHEN t.volume_gb = 0 THEN 0
                ELSE round(t.most_ms * v.usd_per_ms * t.volume_gb, 12) * t.instance_count END
        ) AS fee_at_most,
        i.price_effective_from,
        i.price_source
    FROM timed AS t
    LEFT JOIN instance_prices AS i
        ON i.item = t.instance_type AND i.region = t.region
        AND t.charged_at >= i.valid_from AND t.charged_at < i.valid_to
    LEFT JOIN volume_prices AS v
        ON v.region = t.region AND t.charged_at >= v.valid_from AND t.charged_at < v.valid_to
),
statuses AS (
    SELECT
        *,
        CASE
            WHEN NOT is_terminal THEN 'pending'
            WHEN is_not_billed THEN 'not_billed'
            WHEN billed_ms IS NULL THEN 'no_duration'
            WHEN coalesce(instance_fee >= 1000000000000, true) THEN 'no_price'
            ELSE 'priced'
        END AS instance_cost_status,
        CASE
            WHEN NOT is_terminal THEN 'pending'
            WHEN is_not_billed OR volume_gb = 0 THEN 'not_billed'
            WHEN billed_ms IS NULL THEN 'no_duration'
            WHEN coalesce(volume_fee >= 1000000000000, true) THEN 'no_price'
            ELSE 'priced'
        END AS volume_cost_status
    FROM metered
)
SELECT
    job_arn,
    CASE instance_cost_status WHEN 'priced' THEN instance_fee WHEN 'not_billed' THEN 0 END::DECIMAL(38, 12)
        AS instance_cost_usd,
    CASE volume_cost_status WHEN 'priced' THEN volume_fee WHEN 'not_billed' THEN 0 END::DECIMAL(38, 12)
        AS volume_cost_usd,
    instance_cost_status,
    volume_cost_status,
    TRY_CAST(billed_ms * 0.001 AS DECIMAL(18, 3)) AS billed_seconds,
    instance_count,
    instance_type,
    volume_gb,
    duration_unit,
    is_duration_plausible,
    CASE WHEN instance_cost_status IN ('priced', 'pending', 'no_duration') THEN price_effective_from END
        AS price_effective_from,
    CASE WHEN instance_cost_status IN ('priced', 'pending', 'no_duration') THEN price_source END AS price_source,
    CASE instance_cost_status
        WHEN 'priced' THEN TRY(instance_fee + CASE WHEN volume_cost_status = 'not_billed' THEN 0 ELSE volume_fee END)
        WHEN 'not_billed' THEN 0
        WHEN 'no_duration' THEN most_fee
    END::DECIMAL(38, 12) AS cost_usd_upper,
    charged_at,
    charge_date,
    is_last_day,
    CASE WHEN has_run THEN started_at END AS ran_from,
    CASE WHEN has_run THEN ran_until END AS ran_to,
    account_id,
    region,
    status,
    is_terminal,
    created_at,
    created_date,
    device_arn,
    device_name,
    reservation_arn,
    tags,
    created_by,
    CASE WHEN NOT is_terminal AND instance_so_far < 1000000000000 THEN instance_so_far END::DECIMAL(38, 12)
        AS instance_accrued_usd,
    CASE WHEN NOT is_terminal AND volume_so_far < 1000000000000 THEN volume_so_far END::DECIMAL(38, 12)
        AS volume_accrued_usd,
    CASE WHEN NOT is_terminal AND fee_at_most < 1000000000000 THEN fee_at_most END::DECIMAL(38, 12)
        AS committed_at_most_usd
FROM statuses
