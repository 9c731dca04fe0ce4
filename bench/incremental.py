"""What a sync costs that finds nothing new, on a warehouse of a thousand tasks and on one of a million.

    python -m bench.incremental [--tasks 1000000] [--rounds 3] [--moving]

Both warehouses are of one synthetic account whose tasks have all ended; the large one holds them many times over. The
syncs take turns, each a process of its own, and so do one that asks first, and one that nothing was noted for, so that it
computes everything. Beside them stands a tick of the schedule in a process that has loaded the definitions, as the daemon's
code server has. With `--moving` the account's clock runs, so that the queues of its devices
are longer or shorter each time, as they are in life: that is all that is new then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb

from bench.line import Line
from bench.million_tasks import repeat_tasks
from braket_emulator import running

SMALL, LARGE, LIMIT = 1_000, 1_000_000, 1.3
SYNC = [sys.executable, "-m", "braket_etl", "sync"]
_TICKS = [sys.executable, "-m", "bench.incremental", "--ticks"]
_DAYS = 30


class Cost(NamedTuple):
    """Seconds on the clock, and of the processor."""

    wall: float
    cpu: float


@contextmanager
def account(tasks: int = SMALL, *, moving: bool = False) -> Iterator[Mapping[str, str]]:
    """The environment in which an account answers that has so many tasks, all of which ended days ago."""
    ended = datetime.now(UTC) - timedelta(days=10)
    with running(tasks=tasks, jobs=tasks // 20, days=_DAYS, quotas=False, now=ended, frozen=True) as emulator:
        emulator.set_clock(now=datetime.now(UTC), rate=int(moving))
        yield {
            **os.environ,
            **emulator.env(),
            "BRAKET_ETL_CONFIG": os.devnull,
            "BRAKET_ETL_PRICE_LIST": f"{emulator.price_list_url}/index.csv",
            "BRAKET_ETL_START_DATE": f"{ended - timedelta(days=_DAYS):%Y-%m-%d}",
        }


def measured(command: Sequence[str], home: Path, env: Mapping[str, str]) -> Cost:
    """Run a program on that home; what it cost. Raises RuntimeError where it fails."""
    env = {**env, "BRAKET_ETL_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        cost = Cost(time.monotonic() - began, usage.ru_utime + usage.ru_stime)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode())
    return cost


def enlarged(small: Path, large: Path, tasks: int) -> Path:
    """A copy of a home whose warehouse has the tasks so often that there are about as many as wanted."""
    shutil.copytree(small, large)
    with duckdb.connect(str(large / "writer" / "warehouse.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        repeat_tasks(connection, tasks)
    return large


def costs(
    small_tasks: int, large_tasks: int, rounds: int, *, moving: bool = False
) -> list[tuple[Cost, Cost]]:
    """What syncs of the small and of the large warehouse cost, in turn, after two of each that are not counted."""
    with account(small_tasks, moving=moving) as env, tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small"
        measured(SYNC, small, env)
        large = enlarged(small, Path(folder) / "large", large_tasks)
        for home in (large, small, large):
            measured(SYNC, home, env)
        return [(measured(SYNC, small, env), measured(SYNC, large, env)) for _ in range(rounds)]


def measured_whole(home: Path, env: Mapping[str, str]) -> Cost:
    """What a sync costs that does not ask first: nothing tells it that nothing changed."""
    (home / "writer" / "unchanged.json").unlink(missing_ok=True)
    return measured(SYNC, home, env)


def asked_first(tasks: int, rounds: int) -> tuple[list[tuple[Cost, Cost]], list[float]]:
    """What syncs with nothing new cost that ask first, beside whole ones, in turn; processor seconds of ticks."""
    with account(tasks) as env, tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        for _ in range(2):
            measured(SYNC, home, env)
        found = []
        for _ in range(rounds):
            found.append((measured(SYNC, home, env), measured_whole(home, env)))
        at_home = {**env, "BRAKET_ETL_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
        told = subprocess.run(
            [*_TICKS, str(rounds)], env=at_home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        ).stdout
        return found, json.loads(told)


def ticks(rounds: int) -> list[float]:
    """Processor seconds of ticks of the hourly schedule that start no run, in this process, after one not counted."""
    import dagster as dg

    from braket_etl.orchestration.build import build_defs
    from braket_etl.orchestration.instance import ready_instance
    from braket_etl.runtime import Runtime

    runtime = Runtime()
    instance, costs = ready_instance(runtime.settings), []
    schedule = build_defs(runtime=runtime).get_repository_def().get_schedule_def("hourly_sync")
    for _ in range(rounds + 1):
        began = time.process_time()
        with dg.build_schedule_context(
            instance, scheduled_execution_time=datetime.now(UTC), resources={"runtime": runtime}
        ) as context:
            found = schedule.evaluate_tick(context)
        costs.append(time.process_time() - began)
        if found.run_requests:
            raise RuntimeError("there was something new")
    return costs[1:]


def medians(found: Sequence[tuple[Cost, Cost]], what: str) -> tuple[float, float]:
    """The medians of one field of two programs that took turns."""
    one, other = (
        statistics.median(getattr(cost, what) for cost in column) for column in zip(*found, strict=True)
    )
    return one, other


def lines(quick: bool) -> Iterator[Line]:
    """Seconds and processor seconds of the large sync beside the small one."""
    small_tasks, large_tasks, rounds = (100, 5_000, 1) if quick else (SMALL, LARGE, 3)
    found = costs(small_tasks, large_tasks, rounds)
    for what, limit in (("wall", LIMIT), ("cpu", None)):
        small, large = medians(found, what)
        yield Line(
            what=f"sync with nothing new at {large_tasks:,} tasks{', CPU' if what == 'cpu' else ''}",
            ours=large,
            against=f"at {small_tasks:,} tasks",
            theirs=small,
            at_most=limit,
        )
    pairs, in_ticks = asked_first(small_tasks, 1 if quick else 5)
    for what, unit in (("wall", ""), ("cpu", ", CPU")):
        quiet, whole = medians(pairs, what)
        yield Line(
            what=f"sync of {small_tasks:,} tasks with nothing new{unit}",
            ours=quiet,
            against="one that does not ask first",
            theirs=whole,
        )
    yield Line(
        what=f"tick of the hourly schedule with nothing new, {small_tasks:,} tasks, CPU",
        ours=statistics.median(in_ticks),
        at_most=1,
    )


def main() -> None:
    """Print what the syncs cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=LARGE)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--moving", action="store_true")
    parser.add_argument("--ticks", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ticks:
        print(json.dumps(ticks(options.ticks)))
        return
    for small, large in costs(SMALL, options.tasks, options.rounds, moving=options.moving):
        print(
            f"{SMALL:,} tasks: {small.wall:.1f} s, CPU {small.cpu:.1f} s   "
            f"{options.tasks:,} tasks: {large.wall:.1f} s, CPU {large.cpu:.1f} s   ratio {large.wall / small.wall:.2f} "
            f"(CPU {large.cpu / small.cpu:.2f})   limit <= {LIMIT}"
        )


if __name__ == "__main__":
    main()
