-- One row a share of a charge and owner key: whose it is, and by which rule. The keys are account, person, project, those that
-- allocations.toml and budgets.toml name, and the variable key where it is set; for each key the shares of all owners
-- sum up to charges.net_usd. The owner is
-- what the record's own tag says, else the tag of its job, else the first rule of allocations.toml that fits, else the owner
-- below [defaults], else (unallocated). The person is created_by, before the rules.
-- A reservation belongs to the tasks that used it, each day by the time that they kept the device: a moment counts for the
-- task that ended next, from its start (as early as it may have been) on. What no task kept is idle time, a share of
-- its own. By account it is that of who pays.
-- What is not billed, paid by a reservation or of no known cost has no row.
--
-- group: costs
-- key: record_arn, meter, charge_date, owner_key, used_by_arn, owner
-- charge_date: UTC day on which it ran, as in charges
-- record_arn: ARN of the task, job or reservation that is charged
-- owner_key: account, person, or the key of a tag
-- owner: who it belongs to; (unallocated) where no rule gives one
-- amount_usd: the share of it, less agreed discounts; NULL where it is not yet due
-- rule: what put it there: account, created_by, tag, tag of the job, the name of a rule of allocations.toml, default owner, or
--   none; of a reservation after `use of the reservation: ` or `idle time: `
-- accrued_usd: the share of what runs, as far as it was seen running, at list price
-- committed_usd: the share of what is open or to come, at list price
-- share: part of the charge that it is, from 0 to 1
-- record_kind: task, job or reservation
-- meter: task, shot, run_time, instance, volume or reservation
-- account_id: account that pays
-- device_arn: the device
-- device_name: last part of the device ARN
-- job_arn: the job; of a reservation, that of the task that used it
-- used_by_arn: the task that used the reservation; empty for all else
-- person: who created it; of a reservation, who created the task that used it
-- price_source: where its prices come from, as in charges
-- is_record: true on one row of each record, or use of a reservation, and owner of a key, of its last day: count these
WITH
-- The earliest start of tasks in a reservation: as task_latency has it, which would look at all tasks for these few.
reserved AS (
    SELECT quantum_task_arn, lower(reservation_arn) AS arn, job_arn, tags, created_by, created_at, ended_at
    FROM quantum_tasks
    WHERE reservation_arn IS NOT NULL AND is_terminal AND ended_at > created_at
),
waited AS (
    SELECT quantum_task_arn, max(last_observed_at) AS seen_waiting_at
    FROM task_observations
    WHERE status IN ('CREATED', 'QUEUED')
        AND quantum_task_arn IN (SELECT quantum_task_arn FROM quantum_tasks WHERE reservation_arn IS NOT NULL)
    GROUP BY quantum_task_arn
),
begun AS (
    SELECT
        quantum_task_arn,
        min(event_time) FILTER (status = 'RUNNING') AS started_at,
        max(event_time) FILTER (status IN ('CREATED', 'QUEUED')) AS told_waiting_at
    FROM state_changes
    WHERE doubt IS NULL
        AND quantum_task_arn IN (SELECT quantum_task_arn FROM quantum_tasks WHERE reservation_arn IS NOT NULL)
    GROUP BY quantum_task_arn
),
-- All that was kept of each reservation: each task, and at the end all that is left of it.
uses AS (
    SELECT
        r.reservation_arn,
        r.start_at,
        r.end_at,
        t.quantum_task_arn,
        t.job_arn,
        t.tags,
        t.created_by,
        greatest(
            r.start_at, coalesce(b.started_at, greatest(t.created_at, w.seen_waiting_at, b.told_waiting_at))
        ) AS from_at,
        least(r.end_at, t.ended_at) AS to_at,
        false AS is_idle
    FROM reserved AS t
    JOIN reservations AS r ON lower(r.reservation_arn) = t.arn
    LEFT JOIN waited AS w ON w.quantum_task_arn = t.quantum_task_arn
    LEFT JOIN begun AS b ON b.quantum_task_arn = t.quantum_task_arn
    UNION ALL
    SELECT reservation_arn, start_at, end_at, '', NULL, NULL, NULL, start_at, end_at, true
    FROM reservations
),
kept AS (
    SELECT
        * EXCLUDE (from_at),
        CASE WHEN is_idle THEN from_at ELSE greatest(
            from_at,
            max(to_at) OVER (
                PARTITION BY reservation_arn
                ORDER BY is_idle, to_at, quantum_task_arn
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            )
        ) END AS from_at
    FROM uses
),
-- Each day of the reservation by itself, in milliseconds.
days AS (
    SELECT
        c.charge_date,
        c.record_arn,
        c.net_usd,
        c.committed_usd,
        c.account_id,
        c.device_arn,
        c.device_name,
        c.price_source,
        k.*,
        c.charge_date = make_timestamp(epoch_us(k.to_at) - 1)::DATE AS is_record,
        greatest(epoch_ms(c.charge_date::TIMESTAMP), epoch_ms(k.start_at)) AS day_from,
        least(epoch_ms(c.charge_date::TIMESTAMP) + 86400000, epoch_ms(k.end_at)) AS day_to,
        greatest(least(epoch_ms(k.to_at), day_to) - greatest(epoch_ms(k.from_at), day_from), 0) AS own_ms
    FROM charges AS c
    JOIN kept AS k ON k.reservation_arn = c.record_arn
    WHERE c.record_kind = 'reservation'
),
used AS (
    SELECT
        *,
        greatest(day_to - day_from, 1) AS whole_ms,
        coalesce(sum(CASE WHEN is_idle THEN 0 ELSE own_ms END) OVER (
            PARTITION BY record_arn, charge_date
            ORDER BY is_idle, to_at, quantum_task_arn
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0)::BIGINT AS before_ms,
        CASE WHEN is_idle THEN whole_ms ELSE before_ms + own_ms END AS until_ms
    FROM days
),
-- What is due until the end of the use less what was due before it, in whole 10^-12, so that they add up to the day's.
parts AS (
    SELECT
        *,
        (net_usd * 1000000000000)::HUGEINT AS net,
        (committed_usd * 1000000000000)::HUGEINT AS committed
    FROM used
    WHERE until_ms > before_ms
),
-- Parts of reservations are sorted, and come first, for clients of DuckDB 1.4, as in charges; all rows would be dear to sort.
of_reservations AS (
    SELECT
        charge_date, record_arn, 'reservation' AS record_kind, 'reservation' AS meter, account_id, device_arn, device_name,
        job_arn, record_arn AS reservation_arn, quantum_task_arn AS used_by_arn, tags, created_by, price_source, is_record,
        CASE WHEN is_idle THEN 'idle time: ' ELSE 'use of the reservation: ' END AS how,
        TRY((net * until_ms // whole_ms - net * before_ms // whole_ms) * 0.000000000001)::DECIMAL(38, 12) AS net_usd,
        NULL::DECIMAL(38, 12) AS accrued_usd,
        TRY((committed * until_ms // whole_ms - committed * before_ms // whole_ms) * 0.000000000001)::DECIMAL(38, 12)
            AS committed_usd
    FROM parts
    WHERE net <> 0 OR committed <> 0
    ORDER BY charge_date
),
shares AS (
    SELECT * FROM of_reservations
    UNION ALL
    SELECT
        charge_date, record_arn, record_kind, meter, account_id, device_arn, device_name, job_arn, NULL, '', tags, created_by,
        price_source, is_record, '', net_usd, accrued_usd, committed_usd
    FROM charges
    WHERE record_kind <> 'reservation' AND cost_status IN ('priced', 'pending')
),
-- The rules of a key as a list, so that no join has to find the first that fits.
rules AS (
    SELECT
        owner_key,
        list({
            'place': place, 'account': account, 'device': device, 'role': role, 'job_name': job_name, 'person': person,
            'reservation': reservation, 'tag_key': tag_key, 'tag_value': tag_value
        } ORDER BY place) AS rules
    FROM allocations
    WHERE share_from = 0
    GROUP BY owner_key
),
keys AS (
    SELECT k.owner_key, r.rules
    FROM (
        SELECT unnest(['account', 'person', 'project']) AS owner_key
        UNION
        SELECT owner_key FROM allocations
        UNION
        SELECT tag_key FROM budgets WHERE tag_key IS NOT NULL
        UNION
        -- and what a statement asks for besides
        SELECT getvariable('key')::VARCHAR WHERE getvariable('key') IS NOT NULL
    ) AS k
    LEFT JOIN rules AS r ON r.owner_key = k.owner_key
),
named AS (
    SELECT
        s.*,
        k.owner_key,
        k.rules,
        j.job_name,
        j.role_arn,
        j.tags AS job_tags,
        CASE k.owner_key
            WHEN 'account' THEN s.account_id
            WHEN 'person' THEN s.created_by
            ELSE nullif(s.tags[k.owner_key], '')
        END AS own,
        CASE WHEN k.owner_key NOT IN ('account', 'person') THEN nullif(j.tags[k.owner_key], '') END AS of_job
    FROM shares AS s
    LEFT JOIN jobs AS j ON j.job_arn = s.job_arn
    CROSS JOIN keys AS k
),
placed AS (
    SELECT
        *,
        CASE WHEN own IS NULL AND of_job IS NULL AND rules IS NOT NULL THEN list_min(list_transform(rules, lambda r: CASE
            WHEN (r.account IS NULL OR account_id GLOB r.account)
                AND (r.device IS NULL OR device_name GLOB r.device)
                AND (r.role IS NULL OR role_arn GLOB r.role OR split_part(role_arn, '/', -1) GLOB r.role)
                AND (r.job_name IS NULL OR job_name GLOB r.job_name)
                AND (r.person IS NULL OR created_by GLOB r.person)
                AND (r.reservation IS NULL OR reservation_arn GLOB r.reservation)
                AND (r.tag_key IS NULL OR coalesce(tags[r.tag_key], job_tags[r.tag_key]) GLOB r.tag_value)
            THEN r.place
        END)) END AS place
    FROM named
),
owned AS (
    SELECT
        p.*,
        a.share_from,
        a.share_to,
        a.rule AS rule_of_file,
        coalesce(p.own, p.of_job, a.owner, '(unallocated)') AS owner
    FROM placed AS p
    LEFT JOIN allocations AS a ON a.owner_key = p.owner_key AND a.place = p.place
)
SELECT
    charge_date,
    record_arn,
    owner_key,
    owner,
    CASE WHEN share_to IS NULL OR (share_from = 0 AND share_to = 1) THEN net_usd
        ELSE (net_usd * share_to)::DECIMAL(38, 12) - (net_usd * share_from)::DECIMAL(38, 12) END::DECIMAL(38, 12) AS amount_usd,
    how || CASE
        WHEN owner_key = 'account' THEN 'account'
        WHEN own IS NOT NULL THEN CASE owner_key WHEN 'person' THEN 'created_by' ELSE 'tag' END
        WHEN of_job IS NOT NULL THEN 'tag of the job'
        ELSE coalesce(rule_of_file, 'none')
    END AS rule,
    CASE WHEN share_to IS NULL OR (share_from = 0 AND share_to = 1) THEN accrued_usd
        ELSE (accrued_usd * share_to)::DECIMAL(38, 12) - (accrued_usd * share_from)::DECIMAL(38, 12)
    END::DECIMAL(38, 12) AS accrued_usd,
    CASE WHEN share_to IS NULL OR (share_from = 0 AND share_to = 1) THEN committed_usd
        ELSE (committed_usd * share_to)::DECIMAL(38, 12) - (committed_usd * share_from)::DECIMAL(38, 12)
    END::DECIMAL(38, 12) AS committed_usd,
    coalesce(share_to - share_from, 1)::DECIMAL(38, 12) AS share,
    record_kind,
    meter,
    account_id,
    device_arn,
    device_name,
    job_arn,
    used_by_arn,
    created_by AS person,
    price_source,
    is_record
FROM owned
