"""What the tests on DuckLake share: PostgreSQL, and one account pulled into a file and into a lake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from braket_emulator import Emulator, running
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.lake import Lake
from tests.conftest import NOW, Program
from tests.servers import Postgres, postgres_server

__all__ = ["postgres_server"]

NewLake = Callable[..., Lake]


@dataclass
class Pulled:
    """A home after a sync, and its warehouse as the tests open it."""

    program: Program
    warehouse: Warehouse

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.reading() as connection:
            return connection.execute(query).fetchall()

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table and model, without what no two runs have in common."""
        differ = {"fetched_at", "first_seen_at", "last_seen_at", "read_at", "loaded_at", "imported_at"}
        differ |= {"computed_at", "run_id", "searched_at"}
        found = {}
        with self.warehouse.reading() as connection:
            names = connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('main', 'etl') "
                "AND table_catalog = current_database() AND table_name NOT IN ('runs', 'migrations', 'properties') "
                "AND table_name NOT LIKE 'kept_%'"  # sums that a file alone keeps
            ).fetchall()
            for schema, name in names:
                table = f'{schema}."{name}"'
                # which account a search without records was of is known once another search has found some
                but = differ | {"account_id"} if name == "coverage" else differ
                described = connection.execute(f"DESCRIBE {table}").fetchall()
                columns = [f'"{column}"' for column, *_ in described if column not in but]
                query = f"SELECT {', '.join(columns)} FROM {table} ORDER BY ALL"
                found[f"{schema}.{name}"] = connection.execute(query).fetchall()
        return found


@pytest.fixture(scope="session")
def account() -> Iterator[Emulator]:
    """A very small account whose clock stands still."""
    with running(tasks=60, jobs=4, days=3, seed=5, now=NOW, frozen=True, quotas=False) as started:
        yield started


def program_in(home: Path, account: Emulator, warehouse: str) -> Program:
    """The program with this warehouse; it asks for three days in one Region."""
    env = {"BRAKET_ETL_START_DATE": "2026-11-18", "BRAKET_ETL_REGIONS": "us-east-1"}
    return Program(home, {**account.env(), **env, "BRAKET_ETL_WAREHOUSE": warehouse})


@pytest.fixture(scope="session")
def in_file(account: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Pulled:
    """The account in a DuckDB file."""
    home = tmp_path_factory.mktemp("file") / "home"
    program = program_in(home, account, "")
    program.ok("sync")
    return Pulled(program, FileWarehouse(home / "writer", program.published))


@pytest.fixture(scope="session")
def in_lake(
    account: Emulator, postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pulled, list[str]]:
    """The account in a lake, into which two programs with homes of their own pulled it at once; what readers met."""
    conninfo = postgres_server.conninfo(postgres_server.new_database())
    folder = tmp_path_factory.mktemp("lake")
    programs = [
        program_in(folder / name, account, f"ducklake:postgres:{conninfo}") for name in ("one", "other")
    ]
    for program in programs:
        program.env["BRAKET_ETL_WAREHOUSE_DATA"] = str(folder / "data")
    pulled = Pulled(programs[0], Lake(folder, folder, catalog=f"postgres:{conninfo}"))
    started = [program.start("sync") for program in programs]
    met = []
    while any(process.poll() is None for process in started):
        met.append(_looked(pulled))
        time.sleep(2)  # a reader, and not a third who takes the whole machine
    assert [process.returncode for process in started] == [0, 0]
    return pulled, met


def _looked(pulled: Pulled) -> str:
    """What a reader meets while others write: a warehouse whose keys are unique, or that nothing was pulled yet."""
    done = pulled.program.run(
        "sql", "select count(*) - count(distinct quantum_task_arn) from quantum_tasks", "--format", "csv"
    )
    return str(done.stdout + done.stderr).strip()


@pytest.fixture
def new_lake(postgres_server: Postgres, tmp_path: Path) -> NewLake:
    """Makes a `Lake` in a new database; or, with a catalog, opens that one anew."""

    def made(catalog: str | None = None, **options: Any) -> Lake:
        catalog = catalog or "postgres:" + postgres_server.conninfo(postgres_server.new_database())
        return Lake(tmp_path / "writer", tmp_path / "unused", catalog=catalog, **options)

    return made
