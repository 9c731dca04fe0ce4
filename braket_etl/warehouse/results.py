"""Results of what is derived from stored tables, kept with a fingerprint of what those tables held.

A step that repeats by itself answers with its last result where the tables behind it hold what they held then: a sync
that finds nothing new costs the same on a thousand tasks and on a million. One row of etl.properties holds the results
of a step; they go with the file, so that a restored warehouse has those that belong to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any

import pyarrow as pa

from braket_etl import __version__
from braket_etl.tables import (
    ALL,
    DEVICE_OBSERVATIONS,
    DEVICES,
    JOB_EVENTS,
    JOB_OBSERVATIONS,
    JOBS,
    QUANTUM_TASKS,
    RECORD_CALLERS,
    RESERVATIONS,
    SPENDING_LIMITS,
    STATE_CHANGE_EVENTS,
    TASK_OBSERVATIONS,
    TASK_RESULTS,
)
from braket_etl.tables.bookkeeping import WANTED
from braket_etl.tables.declaration import Column, Table
from braket_etl.values import instant
from braket_etl.warehouse.migrate import declared_fingerprint
from braket_etl.warehouse.models import models
from braket_etl.warehouse.statements import Connection, transaction

_DECLARED = {table.name if table.schema == "main" else f"{table.schema}.{table.name}": table for table in ALL}
_DEVICE_STATE = (
    "device_arn, device_status, status_reason, status_started_at, status_estimated_end_at, execution_windows"
)
#: What is looked at instead of all columns and rows, where each poll writes: its instant is nothing new, nor is a queue
#: that is longer (who reads depths says so, see `depths`). What a limit or a reservation is depends on the present, and
#: which days that are wanted are over.
_LOOKED_AT = {
    DEVICES.name: (DEVICES.qualified_name, "* EXCLUDE (fetched_at)"),
    DEVICE_OBSERVATIONS.name: (
        f"(SELECT DISTINCT {_DEVICE_STATE} FROM device_observations)",
        _DEVICE_STATE,
    ),
    SPENDING_LIMITS.name: (
        SPENDING_LIMITS.qualified_name,
        "* EXCLUDE (fetched_at), fetched_at >= time_period_start_at, fetched_at < time_period_end_at",
    ),
    RESERVATIONS.name: (RESERVATIONS.qualified_name, "*, start_at > now()"),
    WANTED.name: (WANTED.qualified_name, "*, date_trunc('hour', now())"),
}
#: What grows with each record and poll.
_OF_RECORDS = frozenset(
    table.name
    for table in (
        QUANTUM_TASKS,
        JOBS,
        JOB_EVENTS,
        TASK_OBSERVATIONS,
        JOB_OBSERVATIONS,
        TASK_RESULTS,
        DEVICE_OBSERVATIONS,
        STATE_CHANGE_EVENTS,
        RECORD_CALLERS,
    )
)
#: From so many tasks on, what is asked of all history is asked once a UTC day.
MANY_TASKS = 500_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A result (a JSON value) and when it was made."""

    value: Any
    made_at: datetime


@dataclass
class Contents:
    """What the tables hold, as far as it was asked; nobody else writes to them meanwhile."""

    connection: Connection
    _seen: dict[str, str] = field(init=False, default_factory=dict)
    _keys: dict[str, str] = field(init=False, default_factory=dict)

    def made_of(
        self, question: str, reads: Iterable[str], *, only_keys: bool = False, daily: bool = False
    ) -> str:
        """What changes when the question does, or what any of the tables behind those tables and models holds.

        With `only_keys` what their keys are: of a million tasks in half the time, and a new status is nothing new. With
        `daily`, where `has_many`, records are taken to be those of the day (UTC).
        """
        digest = hashlib.sha256(f"{__version__} {declared_fingerprint()} {question}".encode())
        for name in sorted(tables_behind(frozenset(reads))):
            if daily and self.has_many and name in _OF_RECORDS:
                held = f"{datetime.now(UTC):%Y-%m-%d}"
            else:
                held = self.keys_of(name) if only_keys else self.of(name)
            digest.update(f" {name} {held}".encode())
        return digest.hexdigest()

    @cached_property
    def has_many(self) -> bool:
        """Whether so much is stored that not all of it is looked at each time."""
        count = f"SELECT count(*) FROM {QUANTUM_TASKS.qualified_name}"
        return bool(self.connection.execute(count).fetchall()[0][0] >= MANY_TASKS)

    def of(self, table: str) -> str:
        """What changes when the rows of a table do; looked at once until `forget`."""
        if table not in self._seen:
            self._seen[table] = fingerprint(self.connection, _DECLARED[table])
        return self._seen[table]

    def keys_of(self, table: str) -> str:
        """What changes when the keys of a table do; looked at once until `forget`."""
        if table not in self._keys:
            declared = _DECLARED[table]
            columns = ", ".join(f'"{column}"' for column in declared.key)
            self._keys[table] = fingerprint_of(
                self.connection, f"SELECT {columns} FROM {declared.qualified_name}"
            )
        return self._keys[table]

    def forget(self, table: str) -> None:
        """Look at a table again, which was written to."""
        self._seen.pop(table, None)
        self._keys.pop(table, None)


@dataclass
class Results:
    """The last results of one step, and those that it makes now. Used under the writer lock."""

    connection: Connection
    step: str
    anew: bool = False
    """Whether everything is made again, once, whatever is kept."""
    contents: Contents = field(init=False)
    _kept: dict[str, dict[str, Any]] = field(init=False)
    _made: set[str] = field(init=False, default_factory=set)
    _has_new: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.contents = Contents(self.connection)
        found = self.connection.execute(
            "SELECT value FROM etl.properties WHERE name = ?", [self._property]
        ).fetchall()
        self._kept = json.loads(found[0][0]) if found else {}

    def last(self, name: str, made_of: str) -> Kept | None:
        """The result of that name where it was made of the same (`Contents.made_of`); None where it has to be made."""
        kept = self._kept.get(name)
        is_too_old = self.anew and name not in self._made
        if is_too_old or kept is None or kept["made_of"] != made_of:
            return None
        return Kept(kept["value"], instant(kept["made_at"]))

    def keep(self, name: str, made_of: str, value: Any) -> None:
        """Keep a JSON value until `save`."""
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._kept[name] = {"made_of": made_of, "made_at": made_at, "value": value}
        self._made.add(name)
        self._has_new = True

    def save(self, connection: Connection) -> None:
        """Store what was made, through any connection that holds the lock."""
        if self._has_new:
            with transaction(connection):
                connection.execute("DELETE FROM etl.properties WHERE name = ?", [self._property])
                connection.execute(
                    "INSERT INTO etl.properties VALUES (?, ?)", [self._property, json.dumps(self._kept)]
                )
            self._has_new = False

    @property
    def _property(self) -> str:
        return f"results of {self.step}"


def fingerprint(connection: Connection, table: Table) -> str:
    """The number of rows and the sum of their hashes, for a million tasks in about a tenth of a second.

    The hash of a row's content stands for its widest columns, where the table has one.
    """
    columns = ", ".join(f'"{c.name}"' for c in table.columns if not (table.has("row_hash") and _is_wide(c)))
    rows, looked_at = _LOOKED_AT.get(table.name, (table.qualified_name, columns))
    return fingerprint_of(connection, f"SELECT {looked_at} FROM {rows}")


def depths(connection: Connection) -> str:
    """What changes when a device is seen with other depths of its queues."""
    return fingerprint_of(
        connection,
        "SELECT device_arn, observed_at, COLUMNS('.*_queue_(size|is_capped|raw)') FROM device_observations",
    )


def present(connection: Connection) -> str:
    """What changes when what each sync writes anew is another, or the time of a limit or a reservation has come."""
    return "; ".join(fingerprint(connection, table) for table in (DEVICES, SPENDING_LIMITS, RESERVATIONS))


def fingerprint_of(connection: Connection, query: str) -> str:
    """The number of rows that a query gives and the sum of their hashes, whatever their order."""
    rows, total = connection.execute(f"SELECT count(*), sum(hash(seen)) FROM ({query}) AS seen").fetchall()[0]
    return f"{rows} {total}"


def _is_wide(column: Column) -> bool:
    return column.content and (column.wide or pa.types.is_map(column.type))


@cache
def tables_behind(names: frozenset[str]) -> frozenset[str]:
    """The stored tables that tables and models are made of in the end, as `sql_parser.name_of` calls them."""
    read_by = {model.name: model.reads for model in models()}
    found, waiting = set[str](), set(names)
    while waiting:
        name = waiting.pop()
        if name in read_by:
            waiting |= read_by[name]
        else:
            found.add(name)
    return frozenset(found)
