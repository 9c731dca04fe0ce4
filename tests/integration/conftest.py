"""A demo that the tests of docs, queries and notebook read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import filelock
import pytest

from tests.conftest import Program


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` makes, smaller and elsewhere, made once for all workers. It is only read: copy it to change it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    home, done = shared / "demo" / "home-demo", shared / "demo.done"
    with filelock.FileLock(shared / "demo.lock"):
        if not done.exists():
            shown = Program(shared / "demo" / "home").ok(
                "demo", "--tasks", "600", "--jobs", "25", "--days", "20"
            )
            done.write_text(shown, "utf-8")
    return home


@pytest.fixture(scope="module")
def demo(demo_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_home / "warehouse.duckdb"), read_only=True) as connection:
        yield connection
