"""Rejects: asking Braket once more for the records whose response could not become a row, and forgetting them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from braket_etl.aws.sessions import Account, Sessions, Target
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.owners import owners
from braket_etl.pull.pull import Puller
from braket_etl.pull.resources import BY_GET, Resource
from braket_etl.tables.bookkeeping import REJECTED_RECORDS
from braket_etl.warehouse.connection import Connection, Warehouse
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
    plan = RetryPlan()
    with warehouse.writing("looking up rejects") as connection:
        rejects = stored_rejects(connection, arns)
        known = owners(connection, sessions)
    # Whoever has one account need not have searched it with success before; credentials reach no second one.
    only = sessions.accounts[0] if len(sessions.accounts) == 1 else None
    if only in known.values():
        only = None
    for reject in rejects:
        operation, arn = reject["operation"], reject["arn"]
        plan.attempts[operation, arn] = reject["attempts"]
        account = known.get(reject["account_id"], only)
        if operation not in BY_GET or not reject["region"]:
            plan.warnings.append(f"{arn} ({operation}) cannot be asked for by its ARN")
        elif account is None:
            plan.warnings.append(f"{arn}: no configured account reaches account {reject['account_id']}")
        else:
            plan.work.setdefault((Target(account, reject["region"]), operation), []).append(arn)
    return plan


def retry_rejects(puller: Puller, plan: RetryPlan) -> Retried:
    """Ask for every record of the plan again; those that come whole are stored and are no rejects any longer."""
    outcome = Outcome()
    for warning in plan.warnings:
        outcome.warnings[warning] += 1
    for (target, operation), arns in plan.work.items():
        resource: Resource = BY_GET[operation]
        outcome += puller.fetch_records(target, resource, arns)
    with puller.warehouse.writing("looking up rejects") as connection:
        now = {(row["operation"], row["arn"]): row["attempts"] for row in stored_rejects(connection)}
    left = {key: attempts for key, attempts in plan.attempts.items() if key in now}
    still = sum(now[key] > attempts for key, attempts in left.items())
    return Retried(outcome, len(plan.attempts) - len(left), still, len(left) - still)


def purge_rejects(warehouse: Warehouse, arns: Sequence[str] = ()) -> int:
    """Forget all rejects, or those of these ARNs; how many there were. Raises WarehouseError."""
    with warehouse.writing("purging rejects") as connection, transaction(connection):
        return affected(
            connection,
            f"DELETE FROM {REJECTED_RECORDS.qualified_name} WHERE len(?) = 0 OR list_contains(?, arn)",
            [list(arns), list(arns)],
        )
