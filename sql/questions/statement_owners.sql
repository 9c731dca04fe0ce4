-- title: What each owner spent, and what a task and a thousand shots cost them
-- question: How much did each project, person or account spend, and how much is that a task, a thousand shots and a circuit?
-- read: amounts as in @statement. Unit costs are of tasks that have a cost, their part of a reservation included: by shots
--   requested, by successful ones where Braket tells them for all, and by circuits: executables of program sets, else one a task; of a
--   shared task as much of each as it has of the cost. Empty where nothing was charged in the period.
-- limits: first, last
-- param key (default project): account, person, or the key of a tag
-- chapter: What it cost, 29
WITH shares AS (
    SELECT
        owner,
        record_kind,
        record_arn,
        CASE WHEN record_kind = 'task' THEN record_arn ELSE nullif(used_by_arn, '') END AS task_arn,
        is_record AND amount_usd IS NOT NULL AS is_priced,
        share::DOUBLE AS share,
        amount_usd,
        accrued_usd,
        committed_usd
    FROM allocated_charges
    WHERE owner_key = coalesce(getvariable('key'), 'project')
        AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
        AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
),
summed AS (
    SELECT
        s.owner,
        coalesce(sum(s.amount_usd), 0)::DECIMAL(38, 12) AS amount_usd,
        coalesce(sum(s.accrued_usd), 0)::DECIMAL(38, 12) AS accrued_usd,
        coalesce(sum(s.committed_usd), 0)::DECIMAL(38, 12) AS committed_usd,
        count(DISTINCT s.record_arn) FILTER (s.record_kind = 'job') AS n_jobs,
        count(s.task_arn) FILTER (s.is_priced) AS n_tasks,
        (sum(s.amount_usd) FILTER (s.task_arn IS NOT NULL))::DOUBLE AS of_tasks,
        sum(s.share) FILTER (s.is_priced AND s.task_arn IS NOT NULL) AS tasks,
        sum(t.shots) FILTER (s.is_priced) AS n_shots,
        sum(t.shots * s.share) FILTER (s.is_priced) AS shots,
        CASE WHEN bool_and(t.num_successful_shots IS NOT NULL) FILTER (s.is_priced AND s.task_arn IS NOT NULL)
            THEN sum(t.num_successful_shots * s.share) FILTER (s.is_priced) END AS successful_shots,
        sum(coalesce(t.action_metadata_executable_count, 1) * s.share) FILTER (s.is_priced AND s.task_arn IS NOT NULL)
            AS circuits
    FROM shares AS s
    LEFT JOIN quantum_tasks AS t ON t.quantum_task_arn = CASE WHEN s.is_priced THEN s.task_arn END
    GROUP BY s.owner
)
SELECT
    owner,
    amount_usd,
    accrued_usd,
    committed_usd,
    n_jobs,
    n_tasks,
    n_shots,
    round(of_tasks / nullif(tasks, 0), 9) AS a_task_usd,
    round(1000 * of_tasks / nullif(shots, 0), 9) AS a_thousand_shots_usd,
    round(1000 * of_tasks / nullif(successful_shots, 0), 9) AS a_thousand_successful_shots_usd,
    round(of_tasks / nullif(circuits, 0), 9) AS a_circuit_usd
FROM summed
ORDER BY owner = '(unallocated)', amount_usd DESC, owner
