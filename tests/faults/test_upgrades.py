"""A warehouse of every released version is opened by today's code, keeps what it holds, and goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from braket_etl.tables import ALL
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.migrate import numbered_migrations
from braket_etl.warehouse.models import models
from tests.faults.kills import Place
from tests.faults.outcome import Outcome
from tests.faults.upgrades import UPGRADES, columns_of, older, rows_of
from tests.fixtures.released import BEFORE, released


def test_there_is_one_of_before_the_first_release() -> None:
    assert BEFORE in released()


@pytest.mark.parametrize("version", released())
def test_what_it_holds_is_kept(prepared: Place, tmp_path: Path, version: str) -> None:
    program = older(version, prepared, tmp_path)
    columns = {
        table: names
        for table, names in columns_of(program.published).items()
        if table not in ("etl.properties", "etl.runs", "etl.migrations")
    }
    before = {table: rows_of(program, table, names) for table, names in columns.items()}
    assert len(before["main.quantum_tasks"]) > 20
    program.ok("rejects", "purge", "--yes")
    assert {table: rows_of(program, table, names) for table, names in columns.items()} == before
    now = columns_of(program.published)
    assert {f"{table.schema}.{table.name}": {c.name for c in table.columns} for table in ALL}.items() <= {
        table: set(names) for table, names in now.items()
    }.items()


@pytest.mark.parametrize("scenario", UPGRADES.values(), ids=UPGRADES)
def test_a_sync_goes_on_from_it(
    prepared: Place, tmp_path: Path, scenario: Callable[[Place, Path], Outcome]
) -> None:
    assert scenario(prepared, tmp_path / "at").lost == 0


@pytest.mark.parametrize("applied", range(len(numbered_migrations()) + 1))
def test_one_that_stopped_at_any_migration_is_brought_up(tmp_path: Path, applied: int) -> None:
    warehouse = FileWarehouse(tmp_path / "writer", tmp_path / "warehouse.duckdb")
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
