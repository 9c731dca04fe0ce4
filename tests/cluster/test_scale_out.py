"""A backfill on several machines fills the lake as one machine fills its file, also when a worker dies in the middle."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster import DagsterRunStatus

from braket_emulator import Emulator, running
from braket_etl.runtime import Runtime
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.errors import WarehouseError
from tests.cluster.machines import Cluster, cluster, instance_of, workers_of
from tests.conftest import NOW, Program
from tests.processes import wait_for
from tests.servers import Postgres, RedisServer

#: Five programs that want two cores for minutes: not beside other tests.
pytestmark = pytest.mark.skipif(
    os.environ.get("BRAKET_ETL_CLUSTER") != "1", reason="run by `make test-cluster`"
)

HERE, THERE = "us-east-1", "eu-north-1"
DAYS = ("--from", "2026-11-07", "--to", "2026-11-20")
#: Of what the rows hold, this says when they came.
_WHEN = {"fetched_at", "first_seen_at"}
_PATIENCE = 900.0


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Two weeks in two Regions, whose quotas are kept."""
    with running(tasks=500, jobs=12, days=14, seed=5, now=NOW, frozen=True, regions=[HERE, THERE]) as started:
        yield started


@dataclass
class Done:
    """What became of a backfill of each Region at once, after the worker that pulled HERE was killed."""

    codes: dict[str, tuple[int, str]]
    runs: list[dg.DagsterRun]
    pulled_by: list[str]
    """The workers that had the step which pulls HERE, one after another."""
    rows: dict[str, list[tuple[Any, ...]]]
    outcomes: list[str]
    calls: dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory,
    emulator: Emulator,
    postgres_server: Postgres,
    redis_server: RedisServer,
) -> Done:
    folder = tmp_path_factory.mktemp("machines")
    lake = f"ducklake:postgres:{postgres_server.conninfo(postgres_server.new_database())}"
    shared = {
        **emulator.env(),
        "DAGSTER_POSTGRES_URL": postgres_server.url(postgres_server.new_database()).replace(
            ":", "+psycopg2:", 1
        ),
        "BRAKET_ETL_REDIS": redis_server.url,
        "BRAKET_ETL_EXECUTOR": "celery",
        "DAGSTER_GRPC_TIMEOUT_SECONDS": "600",  # of the daemon, for its code server: the machine may be busy
        "BRAKET_ETL_WAREHOUSE": lake,
        "BRAKET_ETL_WAREHOUSE_DATA": str(folder / "data"),
        "BRAKET_ETL_REGIONS": f"{HERE},{THERE}",
    }
    # the pull of one Region comes to a halt after some records, until its worker is gone
    halt = {"kind": "stall", "operations": ["GetQuantumTask"], "regions": [HERE], "after": 100, "seconds": 20}
    emulator.set_faults([halt])
    with cluster(folder, shared, "one", "two") as machines:
        program = machines.machine("daemon")
        warehouse = Runtime({"home": program.home, "warehouse": lake}).warehouse
        with instance_of(machines) as instance, ExitStack() as asked:
            backfills = {
                region: asked.enter_context(backfill_of(program, region)) for region in (HERE, THERE)
            }
            killed = killed_in_the_middle(machines, instance, warehouse, emulator)
            codes = {}
            for region, process in backfills.items():
                _, said = process.communicate(timeout=_PATIENCE)
                codes[region] = (process.returncode, said.decode())
            runs = instance.get_runs(dg.RunsFilter(job_name="backfill"))  # schedules may start others beside
            pulled_by = workers_of(instance, killed, "pull")
    with warehouse.reading() as connection:
        rows = contents(connection)
        ended = connection.execute("SELECT run_id, outcome FROM etl.runs").fetchall()
    outcomes = [outcome for run_id, outcome in ended if run_id in {run.run_id for run in runs}]
    return Done(codes, list(runs), pulled_by, rows, outcomes, emulator.stats())


@contextmanager
def backfill_of(program: Program, region: str) -> Iterator[subprocess.Popen[bytes]]:
    """Someone who asks for a Region and follows how it is done."""
    process = program.start("backfill", *DAYS, "--regions", region, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def killed_in_the_middle(
    machines: Cluster, instance: dg.DagsterInstance, lake: Warehouse, emulator: Emulator
) -> str:
    """Pull the plug of the worker that pulls HERE, when it has stored some records; the id of its run."""

    def run_here() -> dg.DagsterRun | None:
        chosen = [run for run in instance.get_runs() if regions_of(run) == [HERE]]
        return next((run for run in chosen if workers_of(instance, run.run_id, "pull")), None)

    def has_stored() -> bool:
        with suppress(WarehouseError, duckdb.Error), lake.reading() as connection:
            return bool(connection.execute("SELECT 1 FROM quantum_tasks WHERE region = ?", [HERE]).fetchone())
        return False

    wait_for(now_and_then(run_here), "a worker pulls", _PATIENCE)
    wait_for(now_and_then(has_stored), "rows are stored", _PATIENCE)
    run = run_here()
    assert run is not None
    machines.kill(workers_of(instance, run.run_id, "pull")[0])
    emulator.set_faults([])
    return run.run_id


def now_and_then(condition: Callable[[], object]) -> Callable[[], object]:
    """The condition, asked once a second: it asks a database that the machines use."""

    def asked() -> object:
        time.sleep(1)
        return condition()

    return asked


def regions_of(run: dg.DagsterRun) -> Any:
    return run.run_config.get("ops", {}).get("pull", {}).get("config", {}).get("regions")


def contents(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of schema main, in order, without when it came."""
    columns: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' "
        "AND database_name = current_database() AND table_name IN (SELECT table_name FROM duckdb_tables()) "
        "ORDER BY ALL"
    ).fetchall():
        if column not in _WHEN:
            columns.setdefault(table, []).append(f'"{column}"')
    return {
        table: connection.execute(f'SELECT {", ".join(names)} FROM "{table}" ORDER BY ALL').fetchall()
        for table, names in columns.items()
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator, done: Done) -> Program:
    """One machine that pulled the same into a file."""
    program = Program(tmp_path_factory.mktemp("alone") / "home", dict(emulator.env()))
    program.env["BRAKET_ETL_REGIONS"] = f"{HERE},{THERE}"
    program.ok("backfill", *DAYS)
    return program


def test_both_backfills_end_well(done: Done) -> None:
    assert {region: code for region, (code, _) in done.codes.items()} == {HERE: 0, THERE: 0}, done.codes


def test_the_step_of_the_dead_worker_is_done_by_another(done: Done) -> None:
    assert done.pulled_by == ["one", "two"] or done.pulled_by == ["two", "one"]
    assert {tuple(regions_of(run)): run.status for run in done.runs} == {
        (HERE,): DagsterRunStatus.SUCCESS,
        (THERE,): DagsterRunStatus.SUCCESS,
    }
    assert set(done.outcomes) == {"success"}


def test_the_lake_has_the_rows_that_one_machine_has(done: Done, alone: Program) -> None:
    with Runtime({"home": alone.home}).warehouse.reading() as connection:
        expected = contents(connection)
    assert set(done.rows) == set(expected)
    assert len(expected["quantum_tasks"]) > 400
    for table, rows in expected.items():
        assert done.rows[table] == rows, table


def test_the_machines_kept_to_one_request_budget(done: Done) -> None:
    assert not any(done.calls["throttled"].values()), done.calls
