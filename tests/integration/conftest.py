"""A demo that the tests of docs, queries and notebook read, and a program that knows one kind of price more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Program, once_for_all_workers
from tests.cost_cases import PRICES, load, warehouse

ROOT = Path(__file__).parents[2]
LAST_RULE = "    ('reservation', NULL, false, 'reservation', 'Quantum Reservation', 'hour', 'second', 0, 'device', NULL)"
MORE_RULES = """,
    ('QPU by time', 'QPU', false, 'run_time', 'Made-up QPU Time', 'second', 'second', 0, 'device', NULL),
    ('QPU by time', 'QPU', true, 'run_time', 'Made-up Jobs QPU Time', 'second', 'second', 0, 'device', NULL)"""


@pytest.fixture(scope="session")
def paid_by_time(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program in which two lines more of price_rules.sql say that there are QPUs that are paid by run time."""

    def make(copy: Path) -> str:
        for folder in ("braket_etl", "sql", "docs", "dagster_home"):
            shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "tests").mkdir()
        for file in ("pyproject.toml", "tests/__init__.py", "tests/cost_cases.py", "tests/warehouses.py"):
            shutil.copyfile(ROOT / file, copy / file)
        rules = copy / "sql" / "models" / "price_rules.sql"
        text = rules.read_text()
        assert LAST_RULE in text
        rules.write_text(text.replace(LAST_RULE, LAST_RULE + MORE_RULES))
        return ""

    return once_for_all_workers(tmp_path_factory, "paid_by_time", make)[0]


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` makes, smaller and elsewhere, made once for all workers. It is only read: copy it to change it."""

    def make(folder: Path) -> str:
        return Program(folder / "home").ok("demo", "--tasks", "600", "--jobs", "25", "--days", "20")

    return once_for_all_workers(tmp_path_factory, "demo", make)[0] / "home-demo"


@pytest.fixture(scope="module")
def demo(demo_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_home / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("SET threads = 1")
        yield connection


@pytest.fixture
def priced() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse with all models and the prices of the cases of costs."""
    with warehouse() as connection:
        load(connection, PRICES)
        yield connection
