"""Asking Braket once more for records by their ARN: rejects, and whatever is named; and forgetting rejects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from braket_etl.aws.sessions import Account, Sessions, Target
from braket_etl.pull.events import OPERATION as EVENT
from braket_etl.pull.feed import read_rejects_again
from braket_etl.pull.naming import Naming
from braket_etl.pull.outcome import News, Outcome
from braket_etl.pull.owners import owners
from braket_etl.pull.puller import Puller
from braket_etl.pull.resources import BY_GET, RESOURCES
from braket_etl.tables.arns import owner_of
from braket_etl.tables.bookkeeping import REJECTED_RECORDS
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.listing import REJECT_IS_DUE
from braket_etl.warehouse.statements import affected, transaction

COLUMNS = tuple(column.name for column in REJECTED_RECORDS.columns)


@dataclass(frozen=True, slots=True)
class Retried:
    """What asking again gave, in records.

    `healed` became rows, `still_rejected` came damaged again, `unanswered` could not be asked for or are no
    longer known to Braket.
    """

    outcome: Outcome
    healed: int = 0
    still_rejected: int = 0
    unanswered: int = 0


@dataclass(slots=True)
class RetryPlan:
    """Whom to ask for which rejected records, and a warning for those that nobody can be asked for."""

    work: dict[tuple[Target, str], list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    attempts: dict[tuple[str, str], int] = field(default_factory=dict)
    """By operation and ARN, how often it was rejected so far."""

    @property
    def accounts(self) -> set[Account]:
        """The accounts that are asked."""
        return {target.account for target, _ in self.work}


def stored_rejects(connection: Connection, arns: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of etl.rejected_records, those seen last first; only of these ARNs if any are named."""
    rows = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM {REJECTED_RECORDS.qualified_name} "
        "WHERE len(?) = 0 OR list_contains(?, arn) ORDER BY last_seen_at DESC, operation, arn",
        [list(arns), list(arns)],
    ).fetchall()
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def plan_retry(warehouse: Warehouse, sessions: Sessions, arns: Sequence[str] = ()) -> RetryPlan:
    """Whom to ask for the rejected records, or for those of them that are named. Raises WarehouseError."""
    with warehouse.writing("looking up rejects") as connection:
        rejects = stored_rejects(connection, arns)
        plan = _plan(connection, sessions, [(r["operation"], r["arn"]) for r in rejects])
    plan.attempts = {(r["operation"], r["arn"]): r["attempts"] for r in rejects}
    return plan


def plan_gets(warehouse: Warehouse, sessions: Sessions, arns: Sequence[str]) -> RetryPlan:
    """Whom to ask for these tasks and jobs, whatever is stored of them. Raises WarehouseError."""
    with warehouse.writing("looking up accounts") as connection:
        return _plan(connection, sessions, [(operation_of(arn) or "", arn) for arn in arns])


def operation_of(arn: str) -> str | None:
    """The operation that gets the record of an ARN; None for an ARN of neither a task nor a job."""
    kind = arn.split(":", 5)[-1].split("/")[0]
    gets = {resource.get.arn_kind: resource.get.name for resource in RESOURCES}
    return gets.get(kind) if owner_of(arn)[1] else None


def _plan(connection: Connection, sessions: Sessions, records: Iterable[tuple[str, str]]) -> RetryPlan:
    """Whom to ask for the records, each an operation and an ARN."""
    plan = RetryPlan()
    known = owners(connection, sessions)
    # Whoever has one account need not have searched it with success before; credentials reach no second one.
    only = sessions.accounts[0] if len(sessions.accounts) == 1 else None
    if only in known.values():
        only = None
    for operation, arn in records:
        account_id, region = owner_of(arn)
        account = known.get(account_id or "", only)
        if operation == EVENT:
            continue  # read again by `retry_rejects`: there is nobody to ask
        if operation not in BY_GET or not region:
            plan.warnings.append(f"{arn} ({operation or 'unknown'}) cannot be asked for by its ARN")
        elif account is None:
            plan.warnings.append(f"{arn}: no configured account reaches account {account_id}")
        else:
            plan.work.setdefault((Target(account, region), operation), []).append(arn)
    return plan


def retry_due(puller: Puller, targets: Sequence[Target]) -> Outcome:
    """Ask these targets again for the rejects that are due and that this run has not asked for yet."""
    with puller.warehouse.writing("looking up rejects") as connection:
        due = connection.execute(
            f"SELECT operation, arn FROM {REJECTED_RECORDS.qualified_name} "
            f"WHERE run_id <> ? AND list_contains(?, operation) AND ({REJECT_IS_DUE})",
            [puller.run_id, list(BY_GET), puller.clock.now()],
        ).fetchall()
        plan = _plan(connection, puller.sessions, due)
    if puller.only_looks and any(target in targets for target, _ in plan.work):
        raise News(f"{len(due):,} rejects are due")
    outcome = Outcome()
    for (target, operation), arns in plan.work.items():
        if target in targets:
            outcome += puller.fetch_records(target, BY_GET[operation], arns)
    return outcome


def get_again(puller: Puller, plan: RetryPlan) -> Outcome:
    """Ask for the records of a plan, whatever is stored of them."""
    outcome = Outcome()
    for warning in plan.warnings:
        outcome.warnings[warning] += 1
    for (target, operation), arns in plan.work.items():
        outcome += puller.fetch_records(target, BY_GET[operation], arns)
    return outcome


def retry_rejects(puller: Puller, plan: RetryPlan, *, naming: Naming | None = None) -> Retried:
    """Ask for every record of the plan again, and read events again; what comes whole is stored and no reject any longer."""
    outcome = get_again(puller, plan)
    with puller.warehouse.writing("looking up rejects") as connection:
        if any(operation == EVENT for operation, _ in plan.attempts):
            with transaction(connection):
                read_rejects_again(connection, naming=naming)
        now = {(row["operation"], row["arn"]): row["attempts"] for row in stored_rejects(connection)}
    left = {key: attempts for key, attempts in plan.attempts.items() if key in now}
    still = sum(now[key] > attempts or key[0] == EVENT for key, attempts in left.items())
    return Retried(outcome, len(plan.attempts) - len(left), still, len(left) - still)


def purge_rejects(warehouse: Warehouse, arns: Sequence[str] = ()) -> int:
    """Forget all rejects, or those of these ARNs; how many there were. Raises WarehouseError."""
    with warehouse.writing("purging rejects") as connection, transaction(connection):
        return affected(
            connection,
            f"DELETE FROM {REJECTED_RECORDS.qualified_name} WHERE len(?) = 0 OR list_contains(?, arn)",
            [list(arns), list(arns)],
        )
