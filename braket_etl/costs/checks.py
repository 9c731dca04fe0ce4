"""What to look at before the costs are believed: checks of the models of costs."""

from __future__ import annotations

from braket_etl.warehouse.checks import Check

CHECKS = (
    Check(
        "every_task_has_a_price",
        "task_costs",
        "No price is known for tasks that ended: load a price list that covers them (`braket-etl prices import`).",
        """SELECT concat_ws(' ', coalesce(t.device_name, t.device_arn), 'in', t.region,
                  CASE WHEN t.job_arn IS NOT NULL THEN 'inside jobs' END, 'from', min(t.created_date)), count(*)
        FROM priced_tasks AS t WHERE t.cost_status = 'no_price'
        GROUP BY t.device_name, t.device_arn, t.region, t.job_arn IS NOT NULL""",
    ),
    Check(
        "prices_do_not_contradict",
        "price_periods",
        "A publication of the price list gives two prices for the same thing, Region and date.",
        """SELECT concat_ws(' ', product_family, item, 'in', region, 'from', valid_from::DATE, price_source), 1
        FROM price_periods WHERE is_contradictory AND valid_to > valid_from""",
        is_error=True,
    ),
    Check(
        "no_price_is_assumed",
        "task_costs",
        "Tasks in jobs are priced like tasks by themselves although a price list is loaded: it lacks their price.",
        """SELECT concat_ws(' ', t.device_name, 'in', t.region), count(*) FROM priced_tasks AS t
        WHERE t.price_source LIKE '%assumed%' AND t.charged_at >= (SELECT min(effective_from) FROM prices WHERE NOT is_seed)
        GROUP BY t.device_name, t.region""",
    ),
    Check(
        "reservations_are_known",
        "reservation_costs",
        "Tasks name reservations that are not in the file: these cost thousands of dollars an hour and are not "
        "counted. Add them and run `braket-etl billing reservations FILE`.",
        """SELECT min(t.reservation_arn), count(*) FROM quantum_tasks AS t ANTI JOIN reservations AS r
        ON lower(r.reservation_arn) = lower(t.reservation_arn) WHERE t.reservation_arn IS NOT NULL
        GROUP BY lower(t.reservation_arn)""",
        is_error=True,
    ),
    Check(
        "every_reservation_has_a_price",
        "reservation_costs",
        "No price is known for reservations: put agreed_usd into the file, or load a price list.",
        "SELECT reservation_arn, 1 FROM reservation_costs WHERE cost_status = 'no_price'",
    ),
    Check(
        "durations_of_jobs_fit",
        "job_costs",
        "The billable duration of jobs fits neither seconds nor milliseconds of their run time.",
        """SELECT concat_ws(' ', c.job_arn, 'billable', j.billable_duration, 'run time',
                  (epoch_ms(j.ended_at) - epoch_ms(j.started_at)) / 1e3, 's'), 1
        FROM job_costs AS c JOIN jobs AS j ON j.job_arn = c.job_arn
        WHERE c.is_duration_plausible = false OR (c.duration_unit IS NULL AND j.is_terminal AND j.billable_duration > 0)""",
        is_error=True,
    ),
    Check(
        "every_job_has_a_price",
        "job_costs",
        "No price is known for the instances or volumes of jobs: load a price list that has them.",
        """SELECT concat_ws(' ', coalesce(instance_type, meter), 'in', region), count(DISTINCT record_arn) FROM charges
        WHERE record_kind = 'job' AND cost_status = 'no_price' GROUP BY instance_type, meter, region""",
    ),
    Check(
        "simulator_durations_are_known",
        "task_costs",
        "The run time of tasks that are paid by it, such as on simulators, is not known: results.json could not be read.",
        """SELECT concat_ws(' ', device_name, 'in', region), count(*) FROM priced_tasks
        WHERE cost_status = 'no_duration' GROUP BY device_name, region""",
    ),
    Check(
        "the_bill_is_explained",
        "cost_reconciliation",
        "Days on which the bill and the estimate differ for no reason that is known.",
        """SELECT concat_ws(' ', charge_date, account_id, region, product_family, device_key,
                  CASE WHEN unexplained_usd < 0 THEN 'billed more by' ELSE 'billed less by' END, abs(unexplained_usd)), 1
        FROM cost_reconciliation WHERE explanation = 'unexplained' ORDER BY abs(unexplained_usd) DESC""",
    ),
    # Sums of DECIMALs are exact, so they agree to the last digit or something is counted twice or not at all.
    Check(
        "charges_are_all_costs",
        "charges",
        "Charges sum up, to the last digit, to the costs of all tasks, of the instances and volumes of all jobs, and of "
        "all reservations; so do the amounts committed.",
        """WITH sources AS (
            SELECT 'task' AS kind, sum(cost_usd) AS usd, sum(committed_usd) AS committed, count(*) AS n FROM task_costs
            UNION ALL
            SELECT 'job', coalesce(sum(instance_cost_usd), 0) + coalesce(sum(volume_cost_usd), 0), NULL, count(*)
            FROM job_costs
            UNION ALL
            SELECT 'reservation', sum(cost_usd), sum(committed_usd), count(*) FROM reservation_costs
        ),
        charged AS (
            SELECT record_kind, sum(cost_usd) AS usd, sum(committed_usd) AS committed,
                count(*) FILTER (is_record) AS n
            FROM charges GROUP BY record_kind
        )
        SELECT concat_ws(' ', s.kind, 'costs', s.usd, 'charged', c.usd, 'committed', s.committed, 'charged', c.committed),
            greatest(abs(s.n - coalesce(c.n, 0)), 1)::BIGINT
        FROM sources AS s LEFT JOIN charged AS c ON c.record_kind = s.kind
        WHERE coalesce(s.usd, 0) <> coalesce(c.usd, 0) OR coalesce(s.committed, 0) <> coalesce(c.committed, 0)
            OR s.n <> coalesce(c.n, 0)""",
        is_error=True,
    ),
    Check(
        "days_sum_to_charges",
        "daily_costs",
        "The days sum up, to the last digit, to the charges, and the parts of each day to its cost.",
        """WITH days AS MATERIALIZED (SELECT * FROM daily_costs)
        SELECT concat_ws(' ', 'days', d.usd, d.net, d.committed, 'charges', c.usd, c.net, c.committed), 1
        FROM (SELECT coalesce(sum(cost_usd), 0) AS usd, coalesce(sum(net_usd), 0) AS net,
                coalesce(sum(committed_usd), 0) AS committed FROM days) AS d
        CROSS JOIN (SELECT coalesce(sum(cost_usd), 0) AS usd, coalesce(sum(net_usd), 0) AS net,
                coalesce(sum(committed_usd), 0) AS committed FROM charges) AS c
        WHERE d.usd <> c.usd OR d.net <> c.net OR d.committed <> c.committed
        UNION ALL
        SELECT concat_ws(' ', charge_date, account_id, region, device_name, cost_usd), 1 FROM days
        WHERE cost_usd <> task_fee_usd + shot_fee_usd + run_fee_usd + instance_cost_usd + volume_cost_usd
                + reservation_cost_usd
            OR cost_usd <> net_usd + discount_usd""",
        is_error=True,
    ),
    Check(
        "tags_sum_to_charges",
        "tag_costs",
        "The values of each tag, with what is untagged, sum up to the charges to the last digit.",
        """SELECT concat_ws(' ', t.tag_key, t.usd, t.committed, 'charges', c.usd, c.committed), 1
        FROM (SELECT tag_key, sum(cost_usd) AS usd, sum(committed_usd) AS committed FROM tag_costs GROUP BY tag_key) AS t
        CROSS JOIN (SELECT coalesce(sum(cost_usd), 0) AS usd, coalesce(sum(committed_usd), 0) AS committed
            FROM charges) AS c
        WHERE t.usd <> c.usd OR t.committed <> c.committed""",
        is_error=True,
    ),
    Check(
        "jobs_sum_their_parts",
        "job_costs",
        "The cost of a job is that of its instances, volumes and tasks, to the last digit.",
        """WITH tasks AS (
            SELECT t.job_arn, coalesce(sum(c.cost_usd), 0) AS usd
            FROM quantum_tasks AS t JOIN task_costs AS c ON c.quantum_task_arn = t.quantum_task_arn
            WHERE t.job_arn IS NOT NULL GROUP BY t.job_arn
        )
        SELECT concat_ws(' ', j.job_arn, j.cost_usd, 'parts', j.instance_cost_usd, j.volume_cost_usd, t.usd), 1
        FROM job_costs AS j LEFT JOIN tasks AS t ON t.job_arn = j.job_arn
        WHERE j.task_cost_usd <> coalesce(t.usd, 0)
            OR j.cost_usd <> j.instance_cost_usd + j.volume_cost_usd + j.task_cost_usd""",
        is_error=True,
    ),
)
