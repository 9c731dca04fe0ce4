"""What to look at before the costs are believed: each check is one query on the models, with a line for the user.

Dagster's asset checks are made of these; what a run does when one fails is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from braket_etl.warehouse.connection import Connection


@dataclass(frozen=True, slots=True)
class CostCheck:
    """One check: the model it is of, what it asks, and a query whose rows are what is wrong.

    The query's first column says what is wrong in words, its second how many records it concerns.
    """

    name: str
    model: str
    description: str
    sql: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: nothing where `passed`; `examples` are the first things found, in words."""

    check: CostCheck
    passed: bool
    records: int
    examples: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for the user."""
        if self.passed:
            return f"{self.check.name}: nothing found"
        return f"{self.check.name}: {self.records} records; {'; '.join(self.examples)}"

    @property
    def metadata(self) -> Mapping[str, str | int]:
        """What was found, as plain values."""
        return {"records": self.records, "examples": "\n".join(self.examples)}


CHECKS = (
    CostCheck(
        "every_task_has_a_price",
        "task_costs",
        "No price is known for tasks that ended: load a price list that covers them (`braket-etl prices import`).",
        """SELECT concat_ws(' ', coalesce(t.device_name, t.device_arn), 'in', t.region,
                  CASE WHEN t.job_arn IS NOT NULL THEN 'inside jobs' END, 'from', min(t.created_date)), count(*)
        FROM priced_tasks AS t WHERE t.cost_status = 'no_price'
        GROUP BY t.device_name, t.device_arn, t.region, t.job_arn IS NOT NULL""",
    ),
    CostCheck(
        "prices_do_not_contradict",
        "price_periods",
        "A publication of the price list gives two prices for the same thing, Region and date.",
        """SELECT concat_ws(' ', product_family, item, 'in', region, 'from', valid_from::DATE, price_source), 1
        FROM price_periods WHERE is_contradictory AND valid_to > valid_from""",
        is_error=True,
    ),
    CostCheck(
        "no_price_is_assumed",
        "task_costs",
        "Tasks in jobs are priced like tasks by themselves although a price list is loaded: it lacks their price.",
        """SELECT concat_ws(' ', t.device_name, 'in', t.region), count(*) FROM priced_tasks AS t
        WHERE t.price_source LIKE '%assumed%' AND t.charged_at >= (SELECT min(effective_from) FROM prices WHERE NOT is_seed)
        GROUP BY t.device_name, t.region""",
    ),
    CostCheck(
        "reservations_are_known",
        "reservation_costs",
        "Tasks name reservations that are not in the file: these cost thousands of dollars an hour and are not "
        "counted. Add them and run `braket-etl billing reservations FILE`.",
        """SELECT t.reservation_arn, count(*) FROM quantum_tasks AS t ANTI JOIN reservations AS r
        ON r.reservation_arn = t.reservation_arn WHERE t.reservation_arn IS NOT NULL GROUP BY t.reservation_arn""",
        is_error=True,
    ),
    CostCheck(
        "every_reservation_has_a_price",
        "reservation_costs",
        "No price is known for reservations: put agreed_usd into the file, or load a price list.",
        "SELECT reservation_arn, 1 FROM reservation_costs WHERE cost_status = 'no_price'",
    ),
    CostCheck(
        "durations_of_jobs_fit",
        "job_costs",
        "The billable duration of jobs fits neither seconds nor milliseconds of their run time.",
        """SELECT concat_ws(' ', c.job_arn, 'billable', j.billable_duration, 'run time',
                  (epoch_ms(j.ended_at) - epoch_ms(j.started_at)) / 1e3, 's'), 1
        FROM job_costs AS c JOIN jobs AS j ON j.job_arn = c.job_arn
        WHERE c.is_duration_plausible = false OR (c.duration_unit IS NULL AND j.is_terminal AND j.billable_duration > 0)""",
        is_error=True,
    ),
    CostCheck(
        "every_job_has_a_price",
        "job_costs",
        "No price is known for the instances or volumes of jobs: load a price list that has them.",
        """SELECT concat_ws(' ', coalesce(instance_type, meter), 'in', region), count(*) FROM charges
        WHERE record_kind = 'job' AND cost_status = 'no_price' GROUP BY instance_type, meter, region""",
    ),
    CostCheck(
        "simulator_durations_are_known",
        "task_costs",
        "The run time of simulator tasks is not known: results.json could not be read.",
        """SELECT concat_ws(' ', device_name, 'in', region), count(*) FROM priced_tasks
        WHERE cost_status = 'no_duration' GROUP BY device_name, region""",
    ),
    CostCheck(
        "the_bill_is_explained",
        "cost_reconciliation",
        "Days on which the bill and the estimate differ for no reason that is known.",
        """SELECT concat_ws(' ', charge_date, account_id, region, product_family, device_key,
                  CASE WHEN unexplained_usd < 0 THEN 'billed more by' ELSE 'billed less by' END, abs(unexplained_usd)), 1
        FROM cost_reconciliation WHERE explanation = 'unexplained' ORDER BY abs(unexplained_usd) DESC""",
    ),
)
_EXAMPLES = 5


def run_check(connection: Connection, check: CostCheck) -> Finding:
    """Run one check on a warehouse whose models are there."""
    rows = connection.execute(check.sql).fetchall()
    examples = tuple(f"{what} ({n})" if n != 1 else str(what) for what, n in rows[:_EXAMPLES])
    return Finding(check, not rows, sum(n for _, n in rows), examples)


def run_checks(connection: Connection) -> list[Finding]:
    """Run all checks, in their order."""
    return [run_check(connection, check) for check in CHECKS]
