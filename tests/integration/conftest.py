"""A demo that the tests of docs, queries and notebook read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Program, once_for_all_workers


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` makes, smaller and elsewhere, made once for all workers. It is only read: copy it to change it."""

    def make(folder: Path) -> str:
        return Program(folder / "home").ok("demo", "--tasks", "600", "--jobs", "25", "--days", "20")

    return once_for_all_workers(tmp_path_factory, "demo", make)[0] / "home-demo"


@pytest.fixture(scope="module")
def demo(demo_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_home / "warehouse.duckdb"), read_only=True) as connection:
        yield connection
