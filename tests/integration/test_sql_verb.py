"""`braket-etl sql`: the published copy, read-only, in every format, with errors that help."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Program


@pytest.fixture
def with_warehouse(program: Program) -> Program:
    program.home.mkdir()
    with duckdb.connect(str(program.published)) as connection:
        connection.execute(
            "CREATE TABLE quantum_tasks AS SELECT * FROM (VALUES ('a|b', 1.50::DECIMAL(38,12), NULL), "
            "('two\nlines', 2, 'x'), (chr(27) || '[31mred', 3, '<script>')) AS t(device_name, usd, note)"
        )
    return program


def test_every_format_holds_every_row(with_warehouse: Program, tmp_path: Path) -> None:
    query = "SELECT * FROM quantum_tasks ORDER BY usd"
    rows = list(csv.reader(io.StringIO(with_warehouse.ok("sql", query, "--format", "csv"))))
    assert rows[0] == ["device_name", "usd", "note"]
    assert rows[2] == ["two\nlines", "2.000000000000", "x"]
    records = json.loads(with_warehouse.ok("sql", query, "--format", "json"))
    assert [record["note"] for record in records] == [None, "x", "<script>"]
    assert "a\\|b" in with_warehouse.ok("sql", query, "--format", "markdown")
    target = tmp_path / "out.parquet"
    with_warehouse.ok("sql", query, "--format", "parquet", "--output", str(target))
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT count(*) FROM '{target}'").fetchall() == [(3,)]


def test_a_pipe_gets_csv_and_no_colour(with_warehouse: Program) -> None:
    assert with_warehouse.ok("sql", "SELECT 1 AS one") == "one\n1\n"


def test_control_characters_do_not_reach_a_terminal(with_warehouse: Program) -> None:
    shown = with_warehouse.ok("sql", "SELECT device_name FROM quantum_tasks", "--format", "table")
    assert "\x1b" not in shown
    assert "\\x1b[31mred" in shown


def test_a_wrong_query_is_one_error_and_exit_1(with_warehouse: Program) -> None:
    done = with_warehouse.run("sql", "SELECT device_nme FROM quantum_tasks")
    assert done.returncode == 1
    assert "device_name" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_can_be_written(with_warehouse: Program) -> None:
    done = with_warehouse.run("sql", "DELETE FROM quantum_tasks")
    assert done.returncode == 1
    assert "read-only" in done.stderr


def test_queries_come_from_a_file_or_from_standard_input_too(with_warehouse: Program, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("-- a question\nSELECT count(*) AS n FROM quantum_tasks;\n")
    assert with_warehouse.ok("sql", "--file", str(file)) == "n\n3\n"
    assert with_warehouse.run("sql").returncode == 2
    assert with_warehouse.run("sql", "SELECT 1", "--file", str(file)).returncode == 2
    assert with_warehouse.run("sql", "--file", str(tmp_path / "none.sql")).returncode == 2


def test_before_the_first_run_it_says_what_to_do(program: Program) -> None:
    done = program.run("sql", "SELECT 1")
    assert done.returncode == 1
    assert "braket-etl sync" in done.stderr
