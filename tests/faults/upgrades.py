"""A warehouse of a released version, opened by today's code, and what a sync makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import duckdb

from braket_etl.tables import MAIN
from tests.conftest import Program
from tests.faults.kills import Place
from tests.faults.outcome import Outcome
from tests.faults.program import NOT_COMPARED, RECORDS, Forked, coverage_of
from tests.fixtures.released import ADDED, lay, released

Rows = list[tuple[object, ...]]
_NOT_EQUAL = {"fetched_at", "first_seen_at", "row_hash", *NOT_COMPARED}
_OBSERVED = "SELECT device_arn, observed_at, device_status FROM device_observations"


def older(version: str, at: Place, folder: Path) -> Forked:
    """A home with the warehouse of a released version, as its writer's file and as its published copy."""
    program = at.program(folder)
    (program.writer.parent / "row_counts.json").unlink()
    for path in (program.writer, program.published):
        path.chmod(0o600)
        lay(version, path)
    return program


def columns_of(file: Path) -> dict[str, list[str]]:
    """The columns of each table."""
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(
            "SELECT schema_name || '.' || table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
            "JOIN (SELECT DISTINCT table_oid FROM duckdb_tables()) USING (table_oid) GROUP BY ALL"
        ).fetchall()
    return dict(found)


def rows_of(program: Program, table: str, columns: list[str]) -> Rows:
    return program.rows(f"SELECT {', '.join(columns)} FROM {table} ORDER BY ALL")


def _upgraded(version: str, at: Place, folder: Path) -> Outcome:
    program = older(version, at, folder)
    held = columns_of(program.published)
    added = {table: set(names) - set(held[table]) for table, names in ADDED.items()}
    ended = {
        arn
        for (arn,) in program.rows(
            "SELECT quantum_task_arn FROM quantum_tasks WHERE is_terminal "
            "UNION ALL SELECT job_arn FROM jobs WHERE is_terminal"
        )
    }
    observed = set(program.rows(_OBSERVED))
    began = time.monotonic()
    program.ok("sync")
    seconds = round(time.monotonic() - began, 1)
    expected = there = 0
    for table in MAIN:
        unequal = _NOT_EQUAL | added.get(f"main.{table.name}", set())
        shown = [column.name for column in table.columns if column.name not in unequal]
        rows, undisturbed = rows_of(program, table.name, shown), _undisturbed(at, table.name, shown)
        if table.name == "device_observations":
            rows, undisturbed = _later(rows, shown, observed), _later(undisturbed, shown, observed)
        assert sorted(rows, key=repr) == sorted(undisturbed, key=repr), table.name
        if table.name in RECORDS:
            expected, there = expected + len(undisturbed), there + len(rows)
    for table_name in ("main.quantum_tasks", "main.jobs"):
        key = "job_arn" if table_name == "main.jobs" else "quantum_task_arn"
        for column in added[table_name]:
            filled = {
                arn for (arn,) in program.rows(f"SELECT {key} FROM {table_name} WHERE {column} IS NOT NULL")
            }
            assert not filled & ended, "what had ended is not asked for again"
    assert observed <= set(program.rows(_OBSERVED)), "what was observed stays as it was"
    assert program.one("SELECT count(num_successful_shots) FROM quantum_tasks") > 50
    assert coverage_of(program) == at.coverage
    fault = f"a warehouse of version {version.replace('before-', 'before ')}; `sync`"
    return Outcome(fault, 1, 1, expected, there, (seconds,))


def _undisturbed(at: Place, table: str, columns: list[str]) -> Rows:
    with duckdb.connect(str(at.newer), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()


def _later(rows: Rows, columns: list[str], observed: set[tuple[object, ...]]) -> Rows:
    """The observations that were not there before the upgrade."""
    key = columns.index("device_arn"), columns.index("observed_at")
    before = {row[:2] for row in observed}
    return [row for row in rows if tuple(row[place] for place in key) not in before]


UPGRADES: Mapping[str, Callable[[Place, Path], Outcome]] = {
    version: partial(_upgraded, version) for version in released()
}
