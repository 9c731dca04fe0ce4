"""How things stand by the published copy: what is stored and how fresh, what is open, spent, waiting and wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from braket_etl.tables import MAIN
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.coverage import missing
from braket_etl.warehouse.queries import Value, answer, named_query

#: The column that says when a row came, by which it is there first.
_CAME = ("fetched_at", "computed_at", "loaded_at", "read_at", "imported_at", "closed_at")
_OPEN = ("quantum_tasks", "jobs")


@dataclass(frozen=True)
class Stored:
    """A table: its rows, when the newest came (UTC), the records that can still change, and its rejects."""

    table: str
    rows: int
    newest: datetime | None
    open: int | None = None
    rejected: int | None = None


@dataclass(frozen=True)
class Searched:
    """When an account and Region were last searched whole for tasks and jobs (UTC)."""

    account: str
    region: str
    at: datetime


@dataclass(frozen=True)
class Spent:
    """A UTC month: cost at list price as far as known, what open tasks will cost, what runs has cost so far."""

    month: str
    cost_usd: Decimal
    committed_usd: Decimal
    accrued_usd: Decimal
    n_tasks: int
    n_jobs: int
    n_unknown: int


@dataclass(frozen=True)
class Budget:
    """A budget: its amount, what is spent and what runs so far, the forecast for its end, and the share that is used."""

    budget: str
    period_from: date
    period_to: date
    amount_usd: Decimal
    used_usd: Decimal
    used_share: float
    forecast_usd: Decimal


@dataclass(frozen=True)
class Waiting:
    """What waits at a device: how many records, the longest of their waits, how many were ahead when last seen."""

    device_arn: str
    kind: str
    n: int
    longest_seconds: float
    ahead: int | None
    most_start_in_seconds: float | None


@dataclass(frozen=True)
class Run:
    """One run; `seconds` is NULL while it runs."""

    kind: str
    started_at: datetime
    seconds: float | None
    outcome: str
    new: int
    changed: int
    problems: int


@dataclass(frozen=True)
class Standing:
    """All of it, as of `at` (UTC).

    `missing` says in words what is missing; the days that are not whole or lost are those of the ready question, each
    account, Region and table by itself.
    """

    at: datetime
    missing: tuple[str, ...]
    tables: list[Stored]
    searched: list[Searched]
    rejects: int
    drift: int
    days_not_whole: int
    days_lost: int
    spent: list[Spent]
    budgets: list[Budget]
    waiting: list[Waiting]
    runs: list[Run]


def standing(connection: Connection, *, runs: int = 5) -> Standing:
    """How things stand now; `runs` is how many of the last runs are shown."""
    rejects = dict(
        connection.execute("SELECT operation, count(*) FROM etl.rejected_records GROUP BY ALL").fetchall()
    )
    found = missing(connection)
    return Standing(
        datetime.now(UTC),
        found.lines,
        [_stored(connection, table, rejects) for table in MAIN],
        _searched(connection),
        sum(rejects.values()),
        _one(connection, "SELECT count(*) FROM etl.schema_drift"),
        found.days,
        found.lost,
        [Spent(f"{month:%Y-%m}", *known) for month, *known in _rows(connection, "spent_by_month")],
        list(_budgets(connection)),
        [Waiting(*row) for row in _rows(connection, "waiting_by_device", since=_oldest_open(connection))],
        [Run(*row[:-1]) for row in _rows(connection, "latest_runs", rows=runs)],
    )


def _rows(connection: Connection, question: str, **values: Value) -> Sequence[Sequence[Any]]:
    return answer(connection, named_query(question), values).rows


def _budgets(connection: Connection) -> Iterator[Budget]:
    if not _one(connection, "SELECT count(*) FROM budgets"):
        return
    for found in answer(connection, named_query("budgets")).records():
        used = found["spent_usd"] + found["accrued_usd"]
        rest = {name: found[name] for name in Budget.__dataclass_fields__ if name != "used_usd"}
        yield Budget(used_usd=used, **rest)


def _searched(connection: Connection) -> list[Searched]:
    """An account and Region is as fresh as the staler of its two searches; the stalest comes first."""
    oldest: dict[tuple[str, str], datetime] = {}
    for found in answer(connection, named_query("days_searched")).records():
        place, at = (found["account"], found["region"]), found["last_searched_at"]
        if at is not None:
            oldest[place] = min(at, oldest.get(place, at))
    return sorted((Searched(*place, at) for place, at in oldest.items()), key=lambda each: each.at)


def _oldest_open(connection: Connection) -> str:
    return str(_one(connection, _OLDEST_OPEN) or "infinity")


def _stored(connection: Connection, table: Table, rejects: dict[str, int]) -> Stored:
    names = {column.name for column in table.columns}
    came = next(name for name in _CAME if name in names)
    rows, newest = connection.execute(f"SELECT count(*), max({came}) FROM {table.qualified_name}").fetchall()[
        0
    ]
    if table.name not in _OPEN:
        return Stored(table.name, rows, newest)
    still = f"SELECT count(*) FROM {table.qualified_name} WHERE NOT is_terminal AND expired_at IS NULL"
    return Stored(table.name, rows, newest, _one(connection, still), rejects.get(table.operation or "", 0))


def _one(connection: Connection, query: str) -> Any:
    return connection.execute(query).fetchall()[0][0]


#: Nothing that is open was created before: what was need not be looked at to know what waits.
_OLDEST_OPEN = """
SELECT min(created_at) FROM
    (SELECT created_at, is_terminal FROM quantum_tasks UNION ALL SELECT created_at, is_terminal FROM jobs)
WHERE NOT is_terminal
"""
