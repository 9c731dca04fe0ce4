-- One row a reservation of device time: what it costs. Its tasks cost nothing themselves.
--
-- group: costs
-- key: reservation_arn
-- reservation_arn: the reservation
-- account_id: account that pays for it
-- region: Region of the device
-- device_arn: the device
-- device_name: last part of the device ARN
-- start_at: begin of the window
-- end_at: end of the window
-- hours: hours of it, each begun hour whole
-- cost_usd: the agreed price, else list price x hours, by the price valid at start_at; NULL where it is not known
-- cost_status: priced; not_billed (cancelled 48 hours before or earlier); pending (not begun); no_price
-- committed_usd: pending: what it will cost
-- is_agreed: whether the agreed price was taken
-- n_tasks: tasks that name it
-- price_usd: list price of an hour
-- price_effective_from: date from which the list price holds
-- price_source: where the price comes from: agreed, or the price list
WITH tasks AS (
    -- the file is kept by people: an ARN is the same in another case
    SELECT lower(reservation_arn) AS arn, count(*) AS n_tasks
    FROM quantum_tasks
    WHERE reservation_arn IS NOT NULL
    GROUP BY lower(reservation_arn)
),
priced AS (
    SELECT
        r.*,
        p.usd_per_billion,
        p.price_usd,
        p.unit,
        p.price_effective_from,
        p.price_source,
        coalesce(
            r.agreed_usd,
            TRY((r.hours * 0.0000036 * p.usd_per_billion)::DECIMAL(38, 12))  -- 3600 s an hour, 10^-9 of the billion
        ) AS fee,
        coalesce(epoch_us(r.cancelled_at) <= epoch_us(r.start_at) - 48 * 3600000000, false) AS is_free
    FROM reservations AS r
    LEFT JOIN device_keys AS k ON k.device_name = r.device_name
    LEFT JOIN price_periods AS p
        ON p.meter = 'reservation' AND p.item = k.device_key AND p.region = r.region
        AND r.start_at >= p.valid_from AND r.start_at < p.valid_to
),
classified AS (
    SELECT
        *,
        CASE
            WHEN is_free THEN 'not_billed'
            WHEN start_at > now() THEN 'pending'
            WHEN fee IS NULL THEN 'no_price'
            ELSE 'priced'
        END AS cost_status
    FROM priced
)
SELECT
    c.reservation_arn,
    c.account_id,
    c.region,
    c.device_arn,
    c.device_name,
    c.start_at,
    c.end_at,
    c.hours,
    CASE c.cost_status WHEN 'priced' THEN c.fee WHEN 'not_billed' THEN 0 END::DECIMAL(38, 12) AS cost_usd,
    c.cost_status,
    CASE WHEN c.cost_status = 'pending' THEN c.fee END::DECIMAL(38, 12) AS committed_usd,
    c.agreed_usd IS NOT NULL AS is_agreed,
    coalesce(t.n_tasks, 0) AS n_tasks,
    c.price_usd,
    c.price_effective_from,
    CASE WHEN c.agreed_usd IS NOT NULL THEN 'agreed' ELSE c.price_source END AS price_source
FROM classified AS c
LEFT JOIN tasks AS t ON t.arn = lower(c.reservation_arn)
