"""The checks of sql/checks: each is one query whose rows are what is wrong, with a line for the user.

A file is a check, and its name the check's. The comment on top says the rest, a field a line; a line that is indented
goes on with the field before it, and an empty comment line ends the fields:

    -- of: quantum_tasks, jobs
    -- severity: error
    -- means: Every record that the last search of a day listed is stored or rejected.
    -- do: the next sync asks for it again.

`of` names the tables or models that it is a check of. It is an error where what is shown would be wrong, else a warning.
`blocks: publishing` holds back what is made of the data, `reads: keys` says that it looks at nothing but keys, `when:
daily` that it holds all history against itself, which of many records is done once a UTC day, and `parts` names the check
whose findings, of all its tables, are this one's. The first column of the query, `found`, says what is wrong in words, the
second, `records`, how many records it concerns.

A check of several tables has one query, in which `{table}`, `{name}`, `{key}`, `{arn}`, `{operation}` stand for what
the table's declaration says, `{started_at}` for its column or NULL, and `{is_known}` for the drift that it has learned.
Dagster's asset checks are made of these; what a run does when one fails is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import duckdb

from braket_etl.package_files import packaged_sql
from braket_etl.tables import ALL
from braket_etl.tables.declaration import Table, quoted
from braket_etl.warehouse.connection import Connection, first_line, row_counts
from braket_etl.warehouse.parsed import kept
from braket_etl.warehouse.results import Results

#: The asset that stands for what is stored in all tables of records.
_RECORDS = "open_records"
_FIELDS = frozenset({"of", "severity", "blocks", "reads", "when", "parts", "means", "do"})


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one table or model: what it means when it fails, what to do then, and a query for what is wrong."""

    name: str
    table: str
    means: str
    remedy: str
    sql: str = ""
    is_error: bool = False
    is_blocking: bool = False
    """Whether nothing may be made of the data, or published, when it fails."""
    is_of_keys: bool = False
    """Whether it looks at nothing but the keys of its tables."""
    is_daily: bool = False
    """Whether it is asked once a UTC day where many records are stored (see `Contents.made_of`)."""
    parts: tuple[Check, ...] = ()
    """The checks that find what this one does, where it asks nothing itself."""

    @property
    def description(self) -> str:
        """What it means and what to do, in sentences."""
        return f"{self.means} {self.remedy[:1].upper()}{self.remedy[1:]}"

    @property
    def queries(self) -> tuple[str, ...]:
        """All that it asks, itself or through its parts."""
        return (self.sql,) if self.sql else tuple(sql for part in self.parts for sql in part.queries)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found: nothing where `passed`; `examples` are the first things found, in words."""

    check: Check
    passed: bool
    records: int
    examples: tuple[str, ...]
    was_asked: bool = True

    @property
    def summary(self) -> str:
        """One line for the user."""
        if self.passed:
            return f"{self.check.name}: nothing found"
        return f"{self.check.name}: {self.records} records; {'; '.join(self.examples)}"

    @property
    def metadata(self) -> Mapping[str, str | int]:
        """What was found, as plain values."""
        return {
            "records": self.records,
            "examples": "\n".join(self.examples),
            "what to do": self.check.remedy,
        }


#: Rows that checks found in a warehouse, so that a check and what it is a part of ask once.
Rows = dict[Check, list[tuple[Any, ...]]]

_EXAMPLES = 5


def run_check(connection: Connection, check: Check, known: Rows | None = None) -> CheckResult:
    """Ask one check of a warehouse whose models are there; a question that cannot be asked is not passed."""
    try:
        rows = _found(connection, check, {} if known is None else known)
    except duckdb.Error as error:
        told = f"it could not be asked: {first_line(error)}"
        return CheckResult(check, False, 0, (told,), was_asked=False)
    examples = tuple(f"{what} ({n})" if n != 1 else str(what) for what, n in rows[:_EXAMPLES])
    return CheckResult(check, not rows, sum(n for _, n in rows), examples)


def _found(connection: Connection, check: Check, known: Rows) -> list[tuple[Any, ...]]:
    if check.parts:
        return [
            (f"{part.table} {what}", n) for part in check.parts for what, n in _found(connection, part, known)
        ]
    if check not in known:
        known[check] = connection.execute(check.sql).fetchall()
    return known[check]


def last_or_new(results: Results, check: Check, known: Rows) -> tuple[CheckResult, datetime | None]:
    """What the check finds, and when it did where nothing that it reads has changed since."""
    name, made_of = _kept_as(results, check)
    if last := results.last(name, made_of):
        passed, records, examples = last.value
        return CheckResult(check, passed, records, tuple(examples)), last.made_at
    finding = run_check(results.connection, check, known)
    if finding.was_asked:
        results.keep(name, made_of, [finding.passed, finding.records, finding.examples])
    return finding, None


def finds_nothing(results: Results, check: Check, known: Rows) -> bool:
    """Whether the check passes; what it finds is kept in `known` alone, so that who asks next is the first to tell."""
    if last := results.last(*_kept_as(results, check)):
        return bool(last.value[0])
    return run_check(results.connection, check, known).passed


def _kept_as(results: Results, check: Check) -> tuple[str, str]:
    """The name of a check's result, and what it is made of."""
    reads = tables_read(check)
    made_of = results.contents.made_of(
        " ".join(check.queries), reads, only_keys=check.is_of_keys, daily=check.is_daily
    )
    return f"{check.table}.{check.name}", made_of


@cache
def tables_read(check: Check) -> frozenset[str]:
    """What its queries read."""
    return frozenset().union(*map(kept().tables_read, check.queries))


def differences_of_copy(connection: Connection, copy: Connection) -> dict[str, tuple[int, int]]:
    """Rows in the writer's file and in the published copy, by table, where they differ."""
    written, published = row_counts(connection, ALL), row_counts(copy, ALL)
    return {name: (n, published[name]) for name, n in written.items() if n != published[name]}


@cache
def checks() -> tuple[Check, ...]:
    """All checks, in the order of the files' names."""
    return tuple(check for path in _files() for check in checks_from(path))


@cache
def record_checks() -> tuple[Check, ...]:
    """Those of what was pulled and refreshed."""
    stored = {_RECORDS, *(table.name for table in ALL)}
    return tuple(check for check in checks() if check.table in stored)


@cache
def model_checks() -> tuple[Check, ...]:
    """Those of waits and costs."""
    records = record_checks()
    return tuple(check for check in checks() if check not in records)


def blocking_checks() -> tuple[Check, ...]:
    """What `warehouse.door` asks before anything is shown."""
    return tuple(check for check in checks() if check.is_blocking)


def _files() -> list[Path]:
    return sorted(packaged_sql("checks").glob("*.sql"))


def checks_from(path: Path) -> Iterator[Check]:
    """The checks of a file, one for each table or model; raises ValueError for a head that is not as told above."""
    lines = path.read_text("utf-8").splitlines()
    head = list(takewhile(lambda line: line.startswith("--"), lines))
    said = _fields(path, head)
    sql = "\n".join(lines[len(head) :]).strip().rstrip(";")
    parts = tuple(checks_from(path.with_stem(said["parts"]))) if "parts" in said else ()
    if bool(sql) == bool(parts):
        raise ValueError(f"{path.name}: a check has a query or parts")
    of_stored = {table.name: table for table in ALL}
    for name in said["of"].split(", "):
        values = _values(of_stored[name]) if name in of_stored else {}
        yield Check(
            path.stem,
            name,
            said["means"],
            said["do"],
            _filled(sql, values),
            is_error=said.get("severity") == "error",
            is_blocking=said.get("blocks") == "publishing",
            is_of_keys=said.get("reads") == "keys",
            is_daily=said.get("when") == "daily",
            parts=parts,
        )


def _fields(path: Path, head: list[str]) -> dict[str, str]:
    said: dict[str, str] = {}
    for line in takewhile(str.strip, (line.removeprefix("--") for line in head)):
        field, colon, value = line.strip().partition(": ")
        if line.startswith("  ") and said:
            said[next(reversed(said))] += f" {line.strip()}"
        elif colon and field in _FIELDS:
            said[field] = value
        else:
            raise ValueError(f"{path.name}: the comment on top of a check has no field {line.strip()!r}")
    if missing := {"of", "means", "do"} - said.keys():
        raise ValueError(f"{path.name}: the comment on top of a check lacks {', '.join(sorted(missing))}")
    return said


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], text)


def _values(table: Table) -> dict[str, str]:
    """What a query that is asked of several tables leaves open."""
    return {
        "table": table.qualified_name,
        "name": table.name,
        "key": ", ".join(table.key),
        "arn": table.key[0],
        "operation": table.operation or "",
        "started_at": "started_at" if table.has("started_at") else "NULL",
        "is_known": _is_known(table),
    }


def _is_known(table: Table) -> str:
    """Whether a row of etl.schema_drift is of a member or value that the declaration knows."""
    members = {column.source for column in table.columns if column.source}
    values = {(column.source or column.name, value) for column in table.columns for value in column.values}
    learned = [
        *(f"(kind = 'member' AND path = {quoted(member)})" for member in sorted(members)),
        *(
            f"(kind = 'value' AND path = {quoted(path)} AND value = {quoted(value)})"
            for path, value in sorted(values)
        ),
    ]
    return " OR ".join([*learned, "false"])
