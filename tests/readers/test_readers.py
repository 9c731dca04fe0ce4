"""Any client of DuckDB from 1.4 on reads every table, view and question of the published copy, and reads the same.

`make test-readers` sets up the clients and names their Pythons, comma by comma, in BRAKET_ETL_READERS.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from braket_etl.package_files import packaged_sql
from tests.conftest import Program

READERS = [reader for reader in os.environ.get("BRAKET_ETL_READERS", "").split(",") if reader]
pytestmark = pytest.mark.skipif(not READERS, reason="make test-readers sets up the clients")

#: So many times the records of the demo: a result waits for its reader only where it fills more than a few thousand rows.
COPIES = {"quantum_tasks": 10, "task_results": 10, "jobs": 150, "job_events": 20}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published copy of the demo, with more records."""
    folder = tmp_path_factory.mktemp("copy")
    Program(folder / "home").ok("demo", "--tasks", "600", "--jobs", "25", "--days", "20")
    copy = folder / "warehouse.duckdb"
    shutil.copyfile(folder / "home-demo" / "warehouse.duckdb", copy)
    with duckdb.connect(str(copy)) as connection:
        for table, times in COPIES.items():
            arn = "quantum_task_arn" if table in ("quantum_tasks", "task_results") else "job_arn"
            connection.execute(
                f"INSERT INTO {table} SELECT t.* REPLACE ({arn} || '-' || i AS {arn}) "
                f"FROM {table} AS t CROSS JOIN range(1, {times}) AS r (i)"
            )
    return copy


def read(python: str, copy: Path, threads: int) -> dict[str, dict[str, Any]]:
    """What a client reads, by name. It fails with the name of what it was at."""
    done = subprocess.run(
        [
            python,
            str(Path(__file__).with_name("read_all.py")),
            str(copy),
            str(packaged_sql("questions")),
            str(threads),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = map(json.loads, done.stdout.splitlines())
    return {line["name"]: line for line in lines}


def is_close(one: float, other: float) -> bool:
    """The same but for the order of a sum, or for a half that was rounded up by one version and down by another."""
    if math.isclose(one, other, rel_tol=1e-9) or not (math.isfinite(one) and math.isfinite(other)):
        return math.isclose(one, other, rel_tol=1e-9)
    places = max(-int(Decimal(repr(each)).as_tuple().exponent) for each in (one, other))
    return abs(one - other) < 1.01 * 10**-places


@pytest.fixture(scope="module")
def expected(copy: Path) -> dict[str, dict[str, Any]]:
    return read(sys.executable, copy, 2)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("reader", READERS)
def test_every_table_view_and_question_reads_the_same(
    copy: Path, expected: dict[str, dict[str, Any]], reader: str, threads: int
) -> None:
    found = read(reader, copy, threads)
    assert found.keys() == expected.keys()
    for name, answer in found.items():
        there = expected[name]
        assert (name, answer["rows"], answer["digest"]) == (name, there["rows"], there["digest"])
        pairs = list(zip(answer["doubles"], there["doubles"], strict=True))
        assert (name, [pair for pair in pairs if pair[0] != pair[1] and not is_close(*pair)]) == (name, [])
    assert found['main."charges"']["rows"] > 5000
    assert len([name for name in found if name.startswith("@")]) >= 43
