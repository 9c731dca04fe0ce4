"""The one door to readers: nothing is shown to them unless the checks that block were asked, and found nothing.

Whatever publishes comes through `let_through`, on the writer's own connection. What a check found is remembered while the
keys that it looks at stay the same, so that the check in Dagster and the door ask once in a run, and an unchanged
warehouse is not asked again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

from braket_etl.values import instant
from braket_etl.warehouse import runs
from braket_etl.warehouse.checks import CheckResult, blocking_checks, last_or_new, run_check
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.errors import HeldBackError
from braket_etl.warehouse.outcomes import HeldBack
from braket_etl.warehouse.results import Results

#: Whose last results hold what these checks found.
STEP = "check_records"


def let_through(warehouse: Warehouse, connection: Connection, results: Results | None = None) -> None:
    """Ask the checks that block, and return where none finds anything; under the writer lock.

    Raises HeldBackError, which status and doctor tell too, until something is published.
    """
    results = results or Results(connection, STEP)
    for check in blocking_checks():
        finding, _ = last_or_new(results, check, {})
        if not finding.was_asked:
            for query in check.queries:
                connection.execute(query).fetchall()  # raises why
        if not finding.passed:
            _refuse(warehouse, connection, finding)
    results.save(connection)


def let_run_through(warehouse: Warehouse, connection: Connection, run_id: str, results: Results) -> None:
    """The same for a run of etl.runs, which ends in failure where it is refused. Raises HeldBackError."""
    try:
        let_through(warehouse, connection, results)
    except HeldBackError:
        runs.close(connection, run_id, "failure")
        raise


def unfit(connection: Connection) -> HeldBack | None:
    """What would hold this database back; None where nothing does, or it lacks a table of this version.

    Nothing is remembered, so it also goes for what is open to be read only.
    """
    for check in blocking_checks():
        finding = run_check(connection, check)
        if finding.was_asked and not finding.passed:
            return _held(finding)
    return None


def held_back(warehouse: Warehouse, connection: Connection | None = None) -> HeldBack | None:
    """What has held publishing back since it last was tried; None where nothing does.

    Whoever has a connection of `writing` must give it. Raises WarehouseError.
    """
    note = warehouse.held_back_note(connection)
    if note is None:
        return None
    told = json.loads(note)
    return HeldBack(told["check"], told["rows"], tuple(told["examples"]), instant(told["since"]))


def refusal(warehouse: Warehouse, held: HeldBack) -> str:
    """What whoever wanted to publish is told."""
    return (
        f"{held.summary}. Held back since {held.since:%Y-%m-%d %H:%M:%S} UTC: what readers see in {warehouse.place} stays "
        "as it was; what was fetched is stored"
    )


def _refuse(warehouse: Warehouse, connection: Connection, finding: CheckResult) -> None:
    now = _held(finding)
    before = held_back(warehouse, connection)
    if before and before.check == now.check:
        now = replace(now, since=before.since)
    warehouse.keep_held_back_note(connection, json.dumps(asdict(now), default=str))
    raise HeldBackError(refusal(warehouse, now))


def _held(finding: CheckResult) -> HeldBack:
    return HeldBack(finding.check.name, finding.records, finding.examples, datetime.now(UTC))
