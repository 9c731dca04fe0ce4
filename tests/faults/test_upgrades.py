"""A warehouse of every released version is opened by today's code, keeps what it holds, and goes on from there."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from braket_etl.tables import ALL, MAIN
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.migrate import numbered_migrations
from braket_etl.warehouse.models import models
from tests.conftest import Program
from tests.faults.kills import Place
from tests.faults.program import NOT_COMPARED, Forked, coverage_of
from tests.fixtures.released import ADDED, BEFORE, lay, released

Rows = list[tuple[object, ...]]
NOT_EQUAL = {"fetched_at", "first_seen_at", *NOT_COMPARED}


@pytest.fixture(params=released())
def older(request: pytest.FixtureRequest, prepared: Place, tmp_path: Path) -> Forked:
    """A home with the warehouse of a released version, as its writer's file and as its published copy."""
    program = prepared.program(tmp_path)
    (program.writer.parent / "row_counts.json").unlink()
    for path in (program.writer, program.published):
        path.chmod(0o600)
        lay(request.param, path)
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


def declared(table: Table) -> list[str]:
    """The columns that are compared, in the order in which a fresh table has them."""
    return [column.name for column in table.columns if column.name not in NOT_EQUAL]


def test_there_is_one_of_before_the_first_release() -> None:
    assert BEFORE in released()


def test_what_it_holds_is_kept(older: Forked) -> None:
    columns = {
        table: names
        for table, names in columns_of(older.published).items()
        if table not in ("etl.properties", "etl.runs", "etl.migrations")
    }
    before = {table: rows_of(older, table, names) for table, names in columns.items()}
    assert len(before["main.quantum_tasks"]) > 20
    older.ok("rejects", "purge", "--yes")
    assert {table: rows_of(older, table, names) for table, names in columns.items()} == before
    now = columns_of(older.published)
    assert {f"{table.schema}.{table.name}": {c.name for c in table.columns} for table in ALL}.items() <= {
        table: set(names) for table, names in now.items()
    }.items()


def test_a_sync_goes_on_from_it(older: Forked, prepared: Place) -> None:
    added = {table: set(names) - set(columns_of(older.published)[table]) for table, names in ADDED.items()}
    ended = {
        arn
        for (arn,) in older.rows(
            "SELECT quantum_task_arn FROM quantum_tasks WHERE is_terminal "
            "UNION ALL SELECT job_arn FROM jobs WHERE is_terminal"
        )
    }
    older.ok("sync")
    for table in MAIN:
        lacked = added.get(f"main.{table.name}", set())
        shown = [column for column in declared(table) if column not in lacked | {"row_hash"}]
        places = [declared(table).index(column) for column in shown]
        expected = sorted(
            (tuple(row[place] for place in places) for row in prepared.contents[table.name]), key=repr
        )
        assert sorted(rows_of(older, table.name, shown), key=repr) == expected, table.name
    for table in ADDED:
        key = "job_arn" if table == "main.jobs" else "quantum_task_arn"
        for column in added[table] if table.startswith("main.") else ():
            filled = {arn for (arn,) in older.rows(f"SELECT {key} FROM {table} WHERE {column} IS NOT NULL")}
            assert not filled & ended, "what had ended is not asked for again"
    assert older.one("SELECT count(num_successful_shots) FROM quantum_tasks") > 50
    assert coverage_of(older) == prepared.coverage


@pytest.mark.parametrize("applied", range(len(numbered_migrations()) + 1))
def test_one_that_stopped_at_any_migration_is_brought_up(tmp_path: Path, applied: int) -> None:
    warehouse = Warehouse(tmp_path / "writer", tmp_path / "warehouse.duckdb")
    warehouse.folder.mkdir()
    with duckdb.connect(str(warehouse.file)) as connection:
        if applied:
            connection.execute("CREATE SCHEMA etl")
        for version, (name, sql) in numbered_migrations()[:applied]:
            connection.execute(sql)
            connection.execute("INSERT INTO etl.migrations VALUES (?, ?, now(), '0')", [version, name])
    with warehouse.writing("testing") as connection:
        versions = connection.execute("SELECT version FROM etl.migrations ORDER BY version").fetchall()
        views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    assert versions == [(version,) for version, _ in numbered_migrations()]
    assert {name for (name,) in views} == {model.name for model in models()}
    assert {f"{table.schema}.{table.name}" for table in ALL} <= columns_of(warehouse.file).keys()
