"""How things stand by the published copy: what is stored and how fresh, what is open, spent, waiting and wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from braket_etl.tables import MAIN
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.coverage import missing

#: The column that says when a row came, by which it is there first.
_CAME = ("fetched_at", "computed_at", "loaded_at", "read_at", "imported_at")
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
    """A UTC month: cost at list price as far as known, what open tasks will cost, how much is not known."""

    month: str
    cost_usd: Decimal
    committed_usd: Decimal
    n_tasks: int
    n_jobs: int
    n_unknown: int


@dataclass(frozen=True)
class Waiting:
    """What waits at a device: how many records, the longest of their waits, how many were ahead when last seen."""

    device_arn: str
    kind: str
    n: int
    longest_seconds: float
    ahead: int | None


@dataclass(frozen=True)
class Run:
    """One run; `seconds` is NULL while it runs."""

    kind: str
    outcome: str
    started_at: datetime
    seconds: float | None
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
    waiting: list[Waiting]
    runs: list[Run]


def standing(connection: Connection, *, runs: int = 5) -> Standing:
    """How things stand now; `runs` is how many of the last runs are shown."""
    now = datetime.now(UTC)
    this_month = now.date().replace(day=1)
    months = {"this": this_month, "last": (this_month - timedelta(days=1)).replace(day=1)}
    rejects = dict(
        connection.execute("SELECT operation, count(*) FROM etl.rejected_records GROUP BY ALL").fetchall()
    )
    found = missing(connection)
    return Standing(
        now,
        found.lines,
        [_stored(connection, table, rejects) for table in MAIN],
        [Searched(*row) for row in connection.execute(_SEARCHED).fetchall()],
        sum(rejects.values()),
        _one(connection, "SELECT count(*) FROM etl.schema_drift"),
        found.days,
        found.lost,
        [Spent(*row) for row in connection.execute(_SPENT, months).fetchall()],
        [
            Waiting(*row)
            for row in connection.execute(_WAITING, {"oldest": _one(connection, _OLDEST_OPEN)}).fetchall()
        ],
        [Run(*row) for row in connection.execute(_RUNS, [runs]).fetchall()],
    )


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


#: An account and Region is as fresh as the staler of its two searches.
_SEARCHED = """
SELECT account, region, min(searched) AS oldest FROM
    (SELECT account, region, table_name, max(searched_at) AS searched FROM etl.coverage GROUP BY ALL)
GROUP BY ALL ORDER BY oldest, account, region
"""
#: Of two months, the first day of each a parameter: what they limit is all that is priced.
_SPENT = """
SELECT strftime(month, '%Y-%m'), coalesce(sum(cost_usd), 0), coalesce(sum(committed_usd), 0),
    coalesce(sum(n_tasks), 0)::BIGINT, coalesce(sum(n_jobs), 0)::BIGINT, coalesce(sum(n_unknown), 0)::BIGINT
FROM (VALUES ($this), ($last)) AS months(month)
LEFT JOIN (FROM daily_costs WHERE charge_date >= $last) ON date_trunc('month', charge_date) = month
GROUP BY month ORDER BY month DESC
"""
_OLDEST_OPEN = """
SELECT coalesce(min(created_at), 'infinity') FROM
    (SELECT created_at, is_terminal FROM quantum_tasks UNION ALL SELECT created_at, is_terminal FROM jobs)
WHERE NOT is_terminal
"""
#: `$oldest`: nothing that is open was created before.
_WAITING = """
WITH latest AS (
    SELECT record_arn, arg_max(ahead, observed_at) AS ahead
    FROM queue_depth WHERE record_arn IS NOT NULL
    GROUP BY record_arn
)
SELECT device_arn, record_kind, count(*), max(wait_seconds_lower), max(ahead)
FROM waits LEFT JOIN latest USING (record_arn)
WHERE is_waiting AND created_at >= $oldest
GROUP BY device_arn, record_kind ORDER BY 3 DESC, 1, 2
"""
_RUNS = """
SELECT kind, outcome, started_at, epoch(ended_at) - epoch(started_at),
    coalesce(list_sum([n::BIGINT FOR n IN json_extract_string(summary, '$.*.rows.*.new')]), 0)::BIGINT,
    coalesce(list_sum([n::BIGINT FOR n IN json_extract_string(summary, '$.*.rows.*.changed')]), 0)::BIGINT,
    coalesce(list_sum([json_array_length(p) FOR p IN json_extract(summary, '$.*.problems')]), 0)::BIGINT
FROM etl.runs ORDER BY started_at DESC LIMIT ?
"""
