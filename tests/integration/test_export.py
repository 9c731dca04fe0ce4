"""`braket-etl export`: the files hold what the warehouse holds, and a folder is replaced whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from braket_emulator import Emulator, running
from tests.conftest import NOW, Program


@pytest.fixture(scope="module")
def hostile() -> Iterator[Emulator]:
    """An account over two months, one of whose tasks has tags that a spreadsheet would run."""
    with running(tasks=150, jobs=6, days=30, seed=4, now=NOW, frozen=True, quotas=False) as started:
        created = started.truth()
        task = max(
            (arn for arn in created if ":quantum-task/" in arn), key=lambda arn: created[arn]["created"]
        )
        started.set_tags(task, {"=cmd|' /C calc'!A0": "@SUM(1)", "team": "=1+1"})
        yield started


@pytest.fixture(scope="module")
def synced(hostile: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Program:
    program = Program(tmp_path_factory.mktemp("synced") / "home", hostile.env())
    program.env["BRAKET_ETL_START_DATE"] = "2026-10-15"
    program.ok("sync")
    return program


def tables(program: Program) -> list[str]:
    return [
        name
        for (name,) in program.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY 1"
        )
    ]


def test_parquet_holds_every_row_and_type_of_every_table_and_model(synced: Program, tmp_path: Path) -> None:
    target = tmp_path / "out"
    told = json.loads(synced.ok("export", "parquet", "--output", str(target), "--json"))
    names = tables(synced)
    assert list(told["rows"]) == names
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = 'UTC'; ATTACH '{synced.published}' AS w (READ_ONLY)")
        for name in names:
            files = target / name if (target / name).is_dir() else target / f"{name}.parquet"
            source = f"'{files}/**/*.parquet'" if files.is_dir() else f"'{files}'"
            wide = connection.execute(
                f"SELECT list(column_name) FROM (DESCRIBE w.main.{name}) WHERE column_type = 'HUGEINT'"
            ).fetchall()[0][0]
            cast = ", ".join(f"{column}::BIGINT AS {column}" for column in wide or ())
            stored = f"SELECT * {f'REPLACE ({cast})' if cast else ''} FROM w.main.{name}"
            written = f"SELECT * FROM read_parquet({source}, hive_partitioning = false)"
            for one, other in ((stored, written), (written, stored)):
                missing = connection.execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchall()
                assert missing == [(0,)], name
            types = "SELECT list(column_type) FROM (DESCRIBE {})"
            assert (
                connection.execute(types.format(stored)).fetchall()
                == connection.execute(types.format(written)).fetchall()
            )


def test_what_grows_is_partitioned_by_month(synced: Program, tmp_path: Path) -> None:
    target = tmp_path / "out"
    synced.ok("export", "parquet", "-o", str(target), "--tables", "quantum_tasks,prices")
    assert {path.name for path in (target / "quantum_tasks").iterdir()} == {
        "created_month=2026-10",
        "created_month=2026-11",
    }
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        wrong = connection.execute(
            f"SELECT count(*) FROM read_parquet('{target}/quantum_tasks/**/*.parquet', hive_types_autocast = false) "
            "WHERE strftime(created_at, '%Y-%m') <> created_month"
        ).fetchall()
        codecs = connection.execute(
            f"SELECT DISTINCT compression FROM parquet_metadata('{target}/prices.parquet')"
        ).fetchall()
    assert wrong == [(0,)]
    assert codecs == [("ZSTD",)]


def test_a_table_without_rows_still_has_its_columns(synced: Program, tmp_path: Path) -> None:
    empty = tmp_path / "empty.duckdb"
    empty.write_bytes(synced.published.read_bytes())
    with duckdb.connect(str(empty)) as connection:
        connection.execute("DELETE FROM jobs")
    target = tmp_path / "out"
    synced.ok("export", "parquet", "-o", str(target), "-t", "jobs", env={"BRAKET_ETL_WAREHOUSE": str(empty)})
    with duckdb.connect() as connection:
        columns = connection.execute(f"DESCRIBE SELECT * FROM '{target}/jobs.parquet'").fetchall()
    assert "job_arn" in {column for column, *_ in columns}


def test_csv_reads_back_as_it_was_but_for_texts_that_a_spreadsheet_would_run(
    synced: Program, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    synced.ok("export", "csv", "-o", str(target))
    assert {path.name for path in target.iterdir()} == {f"{name}.csv" for name in tables(synced)} | {
        "_export.json"
    }

    tasks = {record["quantum_task_arn"]: record for record in records(target / "quantum_tasks.csv")}
    stored = synced.rows("SELECT quantum_task_arn, tags, shots, created_at, associations FROM quantum_tasks")
    assert len(tasks) == len(stored)
    for arn, tags, shots, created_at, associations in stored:
        assert json.loads(tasks[arn]["tags"] or "null") == tags
        assert int(tasks[arn]["shots"]) == shots
        assert tasks[arn]["created_at"] == f"{created_at:%Y-%m-%dT%H:%M:%S.%fZ}"
        assert json.loads(tasks[arn]["associations"] or "null") == associations
    costs = {r["quantum_task_arn"]: r["cost_usd"] for r in records(target / "task_costs.csv")}
    for arn, cost in synced.rows("SELECT quantum_task_arn, cost_usd FROM task_costs"):
        assert (Decimal(costs[arn]) if costs[arn] else None) == cost

    cells = {cell for path in target.glob("*.csv") for record in records(path) for cell in record.values()}
    assert {"'=1+1", "'@SUM(1)", "'=cmd|' /C calc'!A0"} <= cells
    assert not {cell for cell in cells if cell.startswith(("=", "@", "+", "\t"))}
    assert all(is_number(cell) for cell in cells if cell.startswith("-"))


def test_an_export_replaces_an_earlier_one_only_when_asked_and_never_something_else(
    synced: Program, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    synced.ok("export", "csv", "-o", str(target), "-t", "prices")
    first = (target / "prices.csv").read_bytes()
    done = synced.run("export", "parquet", "-o", str(target), "-t", "jobs")
    assert done.returncode == 1
    assert "--force" in done.stderr
    assert (target / "prices.csv").read_bytes() == first
    synced.ok("export", "parquet", "-o", str(target), "-t", "devices", "--force")
    assert {path.name for path in target.iterdir()} == {"devices.parquet", "_export.json"}
    manifest = json.loads((target / "_export.json").read_text())
    assert manifest["rows"] == {"devices": synced.one("SELECT count(*) FROM devices")}

    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    done = synced.run("export", "csv", "-o", str(foreign), "--force")
    assert done.returncode == 1
    assert "no export" in done.stderr
    assert [path.name for path in foreign.iterdir()] == ["thesis.tex"]
    assert {path.name for path in tmp_path.iterdir()} == {"out", "foreign"}


def test_mistakes_are_named_and_nothing_is_left(synced: Program, tmp_path: Path) -> None:
    done = synced.run("export", "csv", "-o", str(tmp_path / "out"), "-t", "quantum_task")
    assert done.returncode == 1
    assert "did you mean quantum_tasks?" in done.stderr
    broken = tmp_path / "broken.duckdb"
    with duckdb.connect(str(broken)) as connection:
        connection.execute("CREATE TABLE a AS SELECT 1 AS x; CREATE VIEW z AS SELECT error('no') AS x FROM a")
    done = synced.run("export", "csv", "-o", str(tmp_path / "out"), env={"BRAKET_ETL_WAREHOUSE": str(broken)})
    assert done.returncode == 1
    assert "z cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"broken.duckdb"}


def test_focus_is_exported_too(synced: Program, tmp_path: Path) -> None:
    synced.ok("export", "focus", "-o", str(tmp_path / "focus.parquet"))
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT count(*) FROM '{tmp_path}/focus.parquet'").fetchall()[0][0]
    assert rows == synced.one("SELECT count(*) FROM focus_costs") > 0


def records(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def is_number(text: str) -> bool:
    try:
        Decimal(text)
    except ArithmeticError:
        return False
    return True
