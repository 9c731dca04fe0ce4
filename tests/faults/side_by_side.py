"""Programs, analysts and clocks side by side on one home."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from braket_emulator import running
from tests.faults.kills import ACCOUNT, SETTINGS, Place
from tests.faults.outcome import Outcome
from tests.faults.program import (
    NOT_COMPARED,
    Forked,
    coverage_of,
    different_tables,
    observe,
    reader,
    records_of,
    same_records,
)


def many_programs(at: Place, folder: Path) -> Outcome:
    """Two syncs, a backfill and an observation begun together, with queries and reports beside them."""
    folder.mkdir(parents=True)
    program = at.program(folder)
    days = ("--from", SETTINGS["BRAKET_ETL_START_DATE"], "--to", "2026-11-20")
    with reader(program.published) as reading:
        writers = [
            program.begin("sync"),
            program.begin("sync"),
            program.begin("backfill", *days, "--here"),
            program.begin("observe", do=observe),
        ]
        asked = 0
        while any(writer.is_running for writer in writers):
            program.ok("sql", "SELECT count(*), sum(cost_usd) FROM task_costs")
            program.ok("report", "--output", str(folder / "report.html"))
            asked += 2
        for ended in [writer.ended() for writer in writers]:
            assert ended.returncode == 0, f"{ended.args}: {ended.stderr}"
    assert reading.failures == []
    assert min(asked, reading.opened) > 0
    outcome = _compared(
        "two syncs, backfill, observe, reports and queries at once", at, program, len(writers)
    )
    return replace(outcome, opened=reading.opened)


_CHANGES_THE_COPY = """
import duckdb, os, signal, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("DELETE FROM quantum_tasks")
connection.execute("UPDATE jobs SET status = 'COMPLETED'")
os.kill(os.getpid(), signal.SIGKILL)
"""
_READS_ALL_DAY = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
for _ in sys.stdin:
    print(connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()[0][0], flush=True)
"""


def analysts(at: Place, folder: Path) -> Outcome:
    """One analyst has the copy open throughout; another opens it read-write, changes it and is killed."""
    folder.mkdir(parents=True)
    program = at.program(folder)
    before = program.one("SELECT count(*) FROM quantum_tasks")
    with subprocess.Popen(
        [sys.executable, "-c", _READS_ALL_DAY, str(program.published)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reads:
        assert reads.stdin is not None
        assert reads.stdout is not None
        assert reads.stdout.readline() == "open\n"
        program.ok("sync")  # the next copy, which nobody has open, can be written to
        _change_and_be_killed(program)
        program.ok("sync")
        reads.stdin.write("\n")
        reads.stdin.flush()
        assert int(reads.stdout.readline()) == before, "whoever has the old copy open keeps it"
        reads.stdin.close()
    return _compared("a copy open all day, another changed by an analyst who is killed", at, program, 2)


def _change_and_be_killed(program: Forked) -> None:
    program.published.chmod(0o600)  # its mode stops everyone but root
    killed = subprocess.run([sys.executable, "-c", _CHANGES_THE_COPY, str(program.published)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert program.one("SELECT count(*) FROM quantum_tasks") == 0, (
        "the copy must be spoilt, or this shows nothing"
    )


def clocks_apart(at: Place, folder: Path) -> Outcome:
    """This machine's clock is 10 minutes behind Braket's, then 10 minutes ahead: what is stored goes by Braket's.

    The day that is asked for last is this machine's, so at midnight a clock that is behind finds the last minutes one
    run later.
    """
    folder.mkdir(parents=True)
    outcomes = [_clock_off(minutes, folder / name) for name, minutes in (("behind", 10), ("ahead", -10))]
    return outcomes[0] + outcomes[1]


def _clock_off(minutes: int, folder: Path) -> Outcome:
    here = datetime.now(UTC).replace(microsecond=0)
    there = here + timedelta(minutes=minutes)
    settings = {**SETTINGS, "BRAKET_ETL_START_DATE": str(here.date() - timedelta(days=8))}
    with running(now=there, **ACCOUNT) as emulator:
        folder.mkdir()
        program = Forked(folder / "home", {**emulator.env(), **settings})
        began = time.monotonic()
        program.ok("sync")
        seconds = time.monotonic() - began
        truth = {
            arn
            for arn, times in emulator.truth().items()
            if datetime.fromisoformat(times["created"]).date() <= here.date()
        }
    stored = {arn for (arn,) in program.rows("SELECT quantum_task_arn FROM quantum_tasks")}
    times = program.rows(
        "SELECT DISTINCT fetched_at FROM quantum_tasks UNION SELECT DISTINCT fetched_at FROM jobs "
        "UNION SELECT DISTINCT searched_at FROM etl.coverage UNION SELECT last_observed_at FROM task_observations"
    )
    assert times == [(there,)]
    assert stored - truth == set()
    return Outcome(
        "a clock 10 minutes off, behind and ahead",
        1,
        1,
        len(truth),
        len(stored & truth),
        (round(seconds, 1),),
    )


def _compared(fault: str, at: Place, program: Forked, injected: int) -> Outcome:
    """After one more sync everything is as after one that nobody disturbed."""
    began = time.monotonic()
    program.ok("sync")
    seconds = time.monotonic() - began
    contents = program.contents(*NOT_COMPARED)
    assert different_tables(contents, at.contents) == []
    assert coverage_of(program) == at.coverage
    return Outcome(
        fault,
        injected,
        injected + 1,
        records_of(at.contents),
        same_records(contents, at.contents),
        (round(seconds, 1),),
    )


SIDE_BY_SIDE: dict[str, Callable[[Place, Path], Outcome]] = {
    "programs": many_programs,
    "analysts": analysts,
    "clocks": clocks_apart,
}
