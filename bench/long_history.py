"""A home with years of history, made straight in the warehouse: by default 10 million tasks and a million jobs.

    python -m bench.long_history HOME [--tasks 10000000] [--years 4]

Twelve weeks of a synthetic account are pulled as ever (HTTP, normalise, merge). What ended in them is then repeated
by SQL, in whole steps of twelve weeks back through the years, until there are enough tasks: under ARNs of their own,
with everything that belongs to a record (events, observations) moved along. Days are covered whole, a run stands for
every hour, statistics are computed and the copy is published. The newest records are the pulled ones: a sync against
`emulator(home)` goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import filelock

from braket_emulator import Emulator, running
from braket_etl.analysis.stored import compute_statistics
from braket_etl.costs.load import refresh_prices
from braket_etl.orchestration.outside_dagster import close_run, open_run
from braket_etl.private_files import private_folder
from braket_etl.pull.plan import days_between
from braket_etl.pull.reference import pull_devices, pull_spending_limits
from braket_etl.pull.resources import RESOURCES
from braket_etl.pull.results import read_results
from braket_etl.runtime import Runtime
from braket_etl.tables import (
    JOB_EVENTS,
    JOB_OBSERVATIONS,
    JOBS,
    QUANTUM_TASKS,
    TASK_OBSERVATIONS,
    TASK_RESULTS,
)
from braket_etl.tables.declaration import TIMESTAMP, Table
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.migrate import declared_fingerprint
from braket_etl.warehouse.publish import publish

TILE = timedelta(weeks=12)
DONE = "history.json"
POLLS, POLL_EVERY = 4, timedelta(minutes=20)
#: How far a copy of the tile lies before the one made last: no two records of a device came at one instant.
STEP = timedelta(seconds=23)
_JOBS_A_TASK = 10  # tasks for each job
_MOST_SEEDS = 6_000

#: Table → the column its records are in order of, and what tells which of its rows are final.
_REPEATED: dict[Table, tuple[str, str]] = {
    QUANTUM_TASKS: ("created_at", "is_terminal"),
    JOBS: ("created_at", "is_terminal"),
    TASK_RESULTS: ("created_at", "true"),
    JOB_EVENTS: ("job_created_at", "job_arn IN (SELECT job_arn FROM jobs WHERE is_terminal)"),
    TASK_OBSERVATIONS: (
        "observed_at",
        "quantum_task_arn IN (SELECT quantum_task_arn FROM quantum_tasks WHERE is_terminal)",
    ),
    JOB_OBSERVATIONS: ("observed_at", "job_arn IN (SELECT job_arn FROM jobs WHERE is_terminal)"),
}
_OWN_ARNS = frozenset({"quantum_task_arn", "job_arn"})


def cached_home(tasks: int, years: int = 4) -> Path:
    """A home of so many tasks, and a tenth of jobs, made once and brought to today's schema. Not to be written to."""
    home = scratch() / f"history-{tasks}-{years}"
    with filelock.FileLock(home.with_suffix(".lock")):
        if not (home / DONE).exists():
            shutil.rmtree(home, ignore_errors=True)
            make_history(home, tasks, years)
        made = json.loads((home / DONE).read_text())
        if made["schema"] != declared_fingerprint():
            warehouse = warehouse_of(home)
            with warehouse.writing("making history") as connection:
                publish(warehouse, connection)
            (home / DONE).write_text(json.dumps(made | {"schema": declared_fingerprint()}))
    return home


def warehouse_of(home: Path) -> Warehouse:
    """The warehouse that lies in a home."""
    return FileWarehouse(home / "writer", home / "warehouse.duckdb")


def scratch() -> Path:
    """Where benchmarks keep what is dear to make: $BRAKET_ETL_BENCH, or a folder among the temporary ones."""
    folder = Path(
        os.environ.get("BRAKET_ETL_BENCH") or Path(tempfile.gettempdir()) / f"braket_etl-bench-{os.getuid()}"
    )
    private_folder(folder)
    return folder


def make_history(home: Path, tasks: int, years: int) -> None:
    """Make the home; raises ValueError where it holds a warehouse already."""
    warehouse = warehouse_of(home)
    if warehouse.file.exists():
        raise ValueError(f"{home} holds a warehouse already")
    private_folder(home)
    served = _options(tasks)
    with running(**served, quotas=False) as endpoint:
        _pull_seed(home, endpoint)
    with warehouse.writing("making history") as connection:
        _repeat(connection, tasks, years)
        _account_for(connection, years)
        compute_statistics(connection)
        publish(warehouse, connection)
    (home / DONE).write_text(json.dumps({"emulator": served, "schema": declared_fingerprint()}))


def _options(tasks: int) -> dict[str, Any]:
    seeds = min(_MOST_SEEDS, tasks)
    return {
        "tasks": seeds,
        "jobs": seeds // _JOBS_A_TASK,
        "days": TILE.days,
        "now": (datetime.now(UTC) - POLLS * POLL_EVERY).isoformat(timespec="seconds"),
    }


@contextmanager
def emulator(home: Path) -> Iterator[Emulator]:
    """The endpoint that the newest records of the home came from, without quotas; its clock shows today's time."""
    options = json.loads((home / DONE).read_text())["emulator"]
    with running(**options, quotas=False) as served:
        served.set_clock(datetime.now(UTC))
        yield served


@contextmanager
def unbounded(served: Emulator, home: Path) -> Iterator[Runtime]:
    """What a run in the home works with, asking the endpoint as fast as it goes."""
    environment = {**served.env(), "BRAKET_ETL_HOME": str(home), "BRAKET_ETL_CONFIG": os.devnull}
    with mock.patch.dict(os.environ, environment):
        runtime = Runtime()
        runtime.__dict__["budgets"] = None
        yield runtime


def _pull_seed(home: Path, served: Emulator) -> None:
    """Twelve weeks, pulled as a sync would, then polled every twenty minutes until now."""
    with unbounded(served, home) as runtime:
        run = open_run(runtime.warehouse, "sync")
        puller, targets = runtime.puller(run), runtime.targets()
        today = runtime.settings.today
        outcome = puller.pull_days(
            targets, RESOURCES, days_between(today - TILE - timedelta(days=1), today), only_due=False
        )
        outcome += pull_devices(puller, targets) + pull_spending_limits(puller, targets)
        began = datetime.fromisoformat(served.clock()["now"])
        for poll in range(1, POLLS + 1):
            served.set_clock(began + poll * POLL_EVERY)
            puller.polled.clear()
            outcome += puller.refresh_open(targets, RESOURCES)
        outcome += read_results(runtime.warehouse, runtime.sessions, runtime.accounts)
        refresh_prices(runtime.warehouse, f"{served.price_list_url}/index.csv")
        close_run(runtime.warehouse, run, "sync", outcome)


def _repeat(connection: Connection, tasks: int, years: int) -> None:
    """Repeat what ended, oldest twelve weeks first, so that rows lie in order of creation as a pull leaves them."""
    present, final = connection.execute(
        "SELECT count(*), count(*) FILTER (is_terminal) FROM quantum_tasks"
    ).fetchall()[0]
    copies = max(0, -(-(tasks - present) // final))
    tiles = max(1, round(years * 365.25 / TILE.days))
    for table, (_, is_final) in _REPEATED.items():
        connection.execute(
            f"CREATE TEMP TABLE seed_{table.name} AS SELECT * FROM {table.qualified_name} WHERE {is_final}"
        )
    pulled = {table: _drained(connection, table) for table in _REPEATED}
    connection.execute("SET enable_progress_bar = false")
    for tile in reversed(range(tiles)):
        of_tile = range(copies * tile // tiles, copies * (tile + 1) // tiles)
        for table, (order, _) in _REPEATED.items():
            connection.execute(_repetition(table, order), [tile * TILE, STEP, of_tile.start, of_tile.stop])
    for table, kept in pulled.items():
        connection.execute(f"INSERT INTO {table.qualified_name} BY NAME FROM {kept}")


def _drained(connection: Connection, table: Table) -> str:
    """The pulled rows, taken out until the older ones are in: the name of the table that holds them."""
    connection.execute(f"CREATE TEMP TABLE pulled_{table.name} AS FROM {table.qualified_name}")
    connection.execute(f"DELETE FROM {table.qualified_name}")
    return f"pulled_{table.name}"


def _repetition(table: Table, order: str) -> str:
    """The INSERT of a range of copies, by the length of the move back, the step of a copy, first and last copy."""
    back = "$1::INTERVAL - (copy - $3 + 1) * $2::INTERVAL"
    own = "quantum_task_arn" if table.has("quantum_task_arn") else "job_arn"
    special = {
        **{name: _new_arn(name) for name in _OWN_ARNS},
        "row_hash": "(hash(row_hash, copy) >> 1)::BIGINT",
        "created_date": f"timezone('UTC', created_at - {back})::DATE",
        "output_s3_directory": f"regexp_replace(output_s3_directory, '[^/]+$', '') || split_part({_new_arn(own)}, '/', 2)",
    }
    moved = {column.name: f"{column.name} - {back}" for column in table.columns if column.type == TIMESTAMP}
    replaced = {name: sql for name, sql in (special | moved).items() if table.has(name)}
    return (
        f"INSERT INTO {table.qualified_name} BY NAME SELECT * EXCLUDE (copy) "
        f"REPLACE ({', '.join(f'{sql} AS {name}' for name, sql in replaced.items())}) "
        f"FROM seed_{table.name}, range($3::BIGINT, $4::BIGINT) AS copies(copy) ORDER BY {order}"
    )


def _new_arn(column: str) -> str:
    return f"regexp_replace({column}, '[^/]+$', '') || md5({column} || copy)::UUID"


def _account_for(connection: Connection, years: int) -> None:
    """Cover every day of the years whole, let a run stand for every hour, and a price for every instant."""
    first = datetime.now(UTC) - timedelta(days=365.25 * years + TILE.days)
    places = "(SELECT DISTINCT account, account_id, principal, region, table_name, run_id FROM etl.coverage)"
    for table in (QUANTUM_TASKS, JOBS):
        connection.execute(
            f"""INSERT INTO etl.coverage BY NAME
            WITH stored AS (
                SELECT region, created_date AS day, count(*) AS n FROM {table.qualified_name} GROUP BY ALL
            ), days AS (SELECT unnest(range(?::DATE, today(), INTERVAL 1 DAY))::DATE AS day)
            SELECT p.* EXCLUDE (account_id), any_value(p.account_id) OVER (PARTITION BY account) AS account_id, day,
                   (day + 1)::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 2 HOURS AS searched_at,
                   coalesce(n, 0) AS listed, coalesce(n, 0) AS stored, 0 AS rejected
            FROM {places} AS p CROSS JOIN days LEFT JOIN stored USING (region, day)
            ANTI JOIN etl.coverage AS c USING (account, region, table_name, day)
            WHERE table_name = ?""",
            [first, table.name],
        )
    connection.execute(
        """INSERT INTO etl.runs BY NAME
        SELECT r.* REPLACE (uuid()::VARCHAR AS run_id, began AS started_at, began + INTERVAL 30 SECONDS AS ended_at)
        FROM etl.runs AS r, (SELECT unnest(range(?::TIMESTAMPTZ, now() - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS began)""",
        [first],
    )
    connection.execute("UPDATE prices SET effective_from = least(effective_from, ?)", [first])


def main() -> None:
    """Make the home and say what is in it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("home", type=Path)
    parser.add_argument("--tasks", type=int, default=10_000_000)
    parser.add_argument("--years", type=int, default=4)
    options = parser.parse_args()
    began = time.monotonic()
    make_history(options.home, options.tasks, options.years)
    warehouse = warehouse_of(options.home)
    with warehouse.reading() as connection:
        for table in _REPEATED:
            rows = connection.execute(f"SELECT count(*) FROM {table.qualified_name}").fetchall()[0][0]
            print(f"{rows:12,} {table.name}")
    size = warehouse.published.stat().st_size / 1e6
    print(f"{size:12,.0f} MB, made in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
