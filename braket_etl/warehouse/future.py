"""Rows dated later than now: what an answer with a wrong date left, before such dates were refused.

Such a row would be newer than every later answer for ever. Its true time is not known; it is not after the present.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from braket_etl.tables import (
    DEVICE_OBSERVATIONS,
    DEVICES,
    JOB_EVENTS,
    JOB_OBSERVATIONS,
    JOBS,
    QUANTUM_TASKS,
    SPENDING_LIMITS,
    TASK_OBSERVATIONS,
)
from braket_etl.tables.bookkeeping import COVERAGE, UNSETTLED_RECORDS
from braket_etl.warehouse.statements import Connection, transaction

_OFFSET = "clock offset"
_DATED = (QUANTUM_TASKS, JOBS, JOB_EVENTS, DEVICES, SPENDING_LIMITS)
_OBSERVATIONS = (TASK_OBSERVATIONS, JOB_OBSERVATIONS, DEVICE_OBSERVATIONS)


def heal(connection: Connection, now: datetime, tolerance: timedelta) -> int:
    """Date what is dated later than now (aware) by more than the tolerance as of now; how many rows were.

    An observation that began later is dropped, and a day that was searched later is searched again. Row groups tell the
    newest of their dates, so nothing is read where nothing is wrong.
    """
    found = [
        *((t.qualified_name, "fetched_at") for t in _DATED),
        *((t.qualified_name, column) for t in _OBSERVATIONS for column in ("last_observed_at", "fetched_at")),
        (COVERAGE.qualified_name, "searched_at"),
        (UNSETTLED_RECORDS.qualified_name, "due_at - INTERVAL 1 DAY"),
    ]
    count = " + ".join(f"(SELECT count(*) FROM {table} WHERE {column} > $latest)" for table, column in found)
    wrong: int = connection.execute(f"SELECT {count}", {"latest": now + tolerance}).fetchall()[0][0]
    if wrong:
        with transaction(connection):
            _correct(connection, now)
    return wrong


def _correct(connection: Connection, latest: datetime) -> None:
    for table in _DATED:
        connection.execute(
            f"UPDATE {table.qualified_name} SET fetched_at = $latest WHERE fetched_at > $latest",
            {"latest": latest},
        )
        if table.has("first_seen_at"):
            connection.execute(
                f"UPDATE {table.qualified_name} SET first_seen_at = $latest WHERE first_seen_at > $latest",
                {"latest": latest},
            )
    for table in _OBSERVATIONS:
        connection.execute(f"DELETE FROM {table.qualified_name} WHERE observed_at > ?", [latest])
        connection.execute(
            f"UPDATE {table.qualified_name} SET last_observed_at = least(last_observed_at, $latest), "
            "fetched_at = least(fetched_at, $latest) WHERE greatest(last_observed_at, fetched_at) > $latest",
            {"latest": latest},
        )
    connection.execute(f"DELETE FROM {COVERAGE.qualified_name} WHERE searched_at > ?", [latest])
    connection.execute(
        f"UPDATE {UNSETTLED_RECORDS.qualified_name} SET due_at = $latest WHERE due_at - INTERVAL 1 DAY > $latest",
        {"latest": latest},
    )


def kept_offset(connection: Connection) -> timedelta | None:
    """How far Braket was ahead of this machine when its answers last agreed; None where they never did."""
    found = connection.execute("SELECT value FROM etl.properties WHERE name = ?", [_OFFSET]).fetchall()
    return timedelta(seconds=float(found[0][0])) if found else None


def keep_offset(connection: Connection, offset: timedelta) -> timedelta:
    """Keep that for runs with few answers; it is given back."""
    connection.execute("DELETE FROM etl.properties WHERE name = ?", [_OFFSET])
    connection.execute("INSERT INTO etl.properties VALUES (?, ?)", [_OFFSET, str(offset.total_seconds())])
    return offset
