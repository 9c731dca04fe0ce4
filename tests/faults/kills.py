"""kill -9 of `sync` at moments drawn from a seed, and what the next run makes of it.

The home holds an older state, published, so that at every moment there is something for analysts to read: the old state
or the new one, whole.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from braket_emulator import Emulator, running
from braket_etl.orchestration.instance import instance_in
from tests.conftest import NOW, Program
from tests.faults.outcome import Outcome
from tests.faults.program import (
    NOT_COMPARED,
    Contents,
    Forked,
    counts_of,
    coverage_of,
    different_tables,
    reader,
    records_of,
    same_records,
)
from tests.forks import Started

ACCOUNT: dict[str, Any] = {
    "tasks": 150,
    "jobs": 6,
    "days": 6,
    "seed": 5,
    "regions": ("us-east-1",),
    "frozen": True,
    "quotas": False,
}
SETTINGS = {
    "BRAKET_ETL_START_DATE": "2026-11-14",
    "BRAKET_ETL_REGIONS": "us-east-1",
    "BRAKET_ETL_QUOTA_SHARE": "1",
    "BRAKET_ETL_RESULTS": "off",
}
BEFORE = NOW - timedelta(days=3)
_GETS = 60  # fewer than a run asks for after BEFORE

#: Where a run is to be killed. What it was really doing is read from what it left behind.
AIMS = ("get", "merge", "log", "checkpoint", "publish", "copy", "any")


@dataclass(frozen=True)
class Moment:
    """When to kill: once what is aimed at has begun, and `after` seconds more."""

    aim: str
    after: float
    gets: int

    @staticmethod
    def drawn(number: int, seed: int, duration: float) -> Moment:
        """The moment of this number: what it aims at goes round, the rest is drawn."""
        draw = Random(f"{seed}/{number}")
        aim = AIMS[number % len(AIMS)]
        longest = {"merge": 0.05, "log": 0.02, "publish": 0.2, "copy": 0.01, "any": duration}.get(aim, 0.0)
        return Moment(aim, draw.uniform(0, longest), draw.randint(1, _GETS))


@dataclass(frozen=True)
class Place:
    """An account, a home in an older state, and what one run makes of it undisturbed."""

    emulator: Emulator
    older: Path
    newer: Path
    """The published copy of a home into which all of it was pulled."""
    whole: Sequence[dict[str, int]]
    """Rows by table of the two states that may ever be seen."""
    contents: Contents
    coverage: list[tuple[Any, ...]]
    seconds: float

    def program(self, folder: Path) -> Forked:
        """A copy of the older home."""
        shutil.copytree(self.older, folder / "home")
        return Forked(folder / "home", {**self.emulator.env(), **SETTINGS})


def prepare(folder: Path) -> str:
    """Pull the older state and then all of it into homes in this folder; the seconds that the latter took."""
    with running(now=NOW, **ACCOUNT) as emulator:
        emulator.set_clock(now=BEFORE, rate=0)
        program = Forked(folder / "home", {**emulator.env(), **SETTINGS})
        program.ok("sync")
        emulator.set_clock(now=NOW, rate=0)
        shutil.copytree(program.home, folder / "older")
        began = time.monotonic()
        program.ok("sync")
        return str(time.monotonic() - began)


@contextmanager
def served(folder: Path, seconds: str) -> Iterator[Place]:
    """The account, and what was prepared of it."""
    older, newer = Program(folder / "older"), Program(folder / "home")
    before, after = counts_of(older.contents()), counts_of(newer.contents())
    assert after != before, "the run that is killed must have something to do"
    with running(now=NOW, **ACCOUNT) as emulator:
        yield Place(
            emulator,
            older.home,
            newer.published,
            (before, after),
            newer.contents(*NOT_COMPARED),
            coverage_of(newer),
            float(seconds),
        )


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """Prepared and served."""
    with served(folder, prepare(folder)) as at:
        yield at


def survived(number: int, at: Place, folder: Path, *, seed: int = 8) -> Outcome:
    """What is left after the run of this number was killed; AssertionError where anything is wrong."""
    moment = Moment.drawn(number, seed, at.seconds)
    program = at.program(folder)
    with reader(program.published, at.whole) as reading:
        left = _killed(program, at.emulator, moment)
        began = time.monotonic()
        program.ok("sync")
        recovery = time.monotonic() - began
    contents = program.contents(*NOT_COMPARED)
    assert reading.failures == []
    assert reading.opened > 0
    assert different_tables(contents, at.contents) == []
    assert coverage_of(program) == at.coverage
    assert program.rows("SELECT DISTINCT outcome FROM etl.runs WHERE outcome = 'running'") == []
    assert _leftovers(program.home) == []
    _check_dagster(program)
    shutil.rmtree(folder)
    return Outcome(
        "kill -9 of sync",
        1,
        2,
        records_of(at.contents),
        same_records(contents, at.contents),
        (round(recovery, 1),),
        reading.opened,
        killed=(left,),
    )


def _killed(program: Forked, emulator: Emulator, moment: Moment) -> str:
    """Kill a sync at the moment; what it was doing, by what it left. A run that ends before is begun anew, to die sooner."""
    for tried in range(5):
        emulator.reset_stats()
        run = program.begin("sync")
        if _came(run, _signs(program, emulator)[moment.aim], moment):
            time.sleep(moment.after / 2**tried)
            if run.is_running:
                run.kill()
                return _doing(program)
        ended = run.ended()
        assert ended.returncode == 0, ended.stderr
    raise AssertionError(f"the program always ended before it was killed: {moment}")


def _signs(program: Forked, emulator: Emulator) -> Mapping[str, Callable[[Moment], bool]]:
    return {
        "get": lambda moment: emulator.stats()["calls"].get("GetQuantumTask", 0) >= moment.gets,
        "merge": lambda _: purpose_of(program) == "merging records",
        "log": lambda _: _log_written(program) is not None,
        "checkpoint": lambda _: _in_checkpoint(program),
        "publish": lambda _: purpose_of(program) == "publishing",
        "copy": lambda _: bool(_drafts(program.home)),
        "any": lambda _: True,
    }


def _log_written(program: Forked) -> int | None:
    """When the writer's log last grew, in nanoseconds; None where it is empty or absent."""
    try:
        log = program.writer.with_name(program.writer.name + ".wal").stat()
    except FileNotFoundError:
        return None
    return log.st_mtime_ns if log.st_size else None


def _in_checkpoint(program: Forked) -> bool:
    """The file is younger than its log: the log is being written into it. It is emptied at the end."""
    written = _log_written(program)
    return written is not None and program.writer.stat().st_mtime_ns > written


def _came(run: Started, sign: Callable[[Moment], bool], moment: Moment) -> bool:
    while run.is_running:
        with suppress(OSError):  # a file that was there a moment ago
            if sign(moment):
                return True
        time.sleep(0.001)
    return False


def purpose_of(program: Forked) -> str:
    """What whoever holds the writer's lock, or died with it, was doing."""
    try:
        return str(json.loads((program.writer.parent / "warehouse.holder").read_text())["purpose"])
    except (OSError, ValueError):
        return ""


def _doing(program: Forked) -> str:
    if _drafts(program.home):
        return "copying the file to publish it"
    log = ""
    if _log_written(program) is not None:
        log = ", in CHECKPOINT" if _in_checkpoint(program) else ", with a log not yet in the file"
    return (purpose_of(program) or "between writes") + log


def _drafts(home: Path) -> list[Path]:
    return list(home.glob(".warehouse.duckdb.*"))


def _leftovers(home: Path) -> list[str]:
    """Files of a dead run that the next one should have removed."""
    return sorted(path.name for path in (*_drafts(home), *(home / "writer").glob("*.holder")))


def _check_dagster(program: Forked) -> None:
    """The killed run is marked failed, and the next one succeeded; a run killed before Dagster knew it is none."""
    with instance_in(program.home / "dagster") as instance:
        statuses = [run.status.value for run in instance.get_runs()]  # newest first
    newest, *others = statuses
    assert newest == "SUCCESS"
    assert set(others) <= {"SUCCESS", "FAILURE"}, statuses
