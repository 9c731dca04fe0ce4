"""Pulling against the emulator: request rates, a bare boto3 loop, memory, and the same days again.

    python -m bench pulling [--quick]

The figures of bench/api_budget.py, client_ceiling.py and memory.py, which say how they are measured.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import api_budget, client_ceiling, memory
from bench.line import Line
from bench.long_history import scratch, unbounded, warehouse_of
from braket_emulator import running
from braket_etl.pull.plan import days_between
from braket_etl.pull.resources import TASKS

DAYS = 30


def lines(quick: bool) -> Iterator[Line]:
    """What pulling reaches, as the table shows it."""
    used = api_budget.measure("alone", 5 if quick else 45)
    yield Line(
        what="requests let through, of five Regions at the documented rates",
        ours=used["used"] * 100,
        unit="%",
        at_least=97,
    )
    yield Line(what="requests refused as throttled", ours=used["throttled"] * 100, unit="%", at_most=0.5)
    ratio = client_ceiling.compared(0.05, 300 if quick else 4_000, 1 if quick else 2)
    yield Line(
        what="get, normalise and merge, with 50 ms a request",
        ours=ratio.ours,
        unit="requests/s",
        against="a bare boto3 loop that keeps nothing",
        theirs=ratio.theirs,
        at_least=0.85,
    )
    small, large = (500, 1_000) if quick else (2_000, 20_000)
    yield Line(
        what=f"peak memory of a pull of {large:,} tasks",
        ours=memory.peak_of_pull(large),
        unit="MB",
        against=f"of {small:,}",
        theirs=memory.peak_of_pull(small),
        at_most=1.15,
    )
    yield from _again(large)


def _again(tasks: int) -> Iterator[Line]:
    """The same days pulled twice: what is stored in a final state is listed, and not fetched again."""
    days = days_between((now := datetime.now(UTC)).date() - timedelta(days=DAYS + 1), now.date())
    with (
        running(tasks=tasks, jobs=0, days=DAYS, quotas=False) as served,
        tempfile.TemporaryDirectory(dir=scratch()) as home,
        unbounded(served, Path(home)) as runtime,
    ):
        seconds, sizes = [], []
        for run in ("first", "again"):
            began = time.perf_counter()
            runtime.puller(run).pull_days(runtime.targets(), [TASKS], days, only_due=False)
            seconds.append(time.perf_counter() - began)
            sizes.append(warehouse_of(Path(home)).file.stat().st_size)
    yield Line(
        what=f"the days of {tasks:,} tasks pulled again (no quota)",
        ours=seconds[1],
        against="the first time",
        theirs=seconds[0],
        at_most=0.05,
    )
    yield Line(
        what="the file after that", ours=sizes[1] / 1e6, unit="MB", against="before", theirs=sizes[0] / 1e6
    )
