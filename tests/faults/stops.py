"""Ctrl-C and SIGTERM in the middle of `sync`, while the API does what an API can do, and what is published then.

The home holds an older state; what the run that is stopped had stored is kept and published, and the next run makes the
warehouse as if nothing had been. How long the end took is reported, and held only against a bound that tells an end from
a process that hangs.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import duckdb
import filelock

from braket_etl.orchestration.instance import instance_in
from tests.faults.kills import Place, purpose_of
from tests.faults.outcome import Outcome
from tests.faults.program import (
    NOT_COMPARED,
    RECORDS,
    Forked,
    coverage_of,
    different_tables,
    records_of,
    same_records,
)
from tests.forks import Started
from tests.http_server import answered_by
from tests.processes import heeds

#: A process that has not ended by then hangs; the machine may be busy.
HANGS = 60.0
_FOR_EVER = 3600.0
_FAULTED = 20  # calls that are answered before


def _fault(kind: str, *operations: str, after: int = _FAULTED) -> list[dict[str, Any]]:
    return [{"kind": kind, "operations": list(operations), "after": after, "seconds": _FOR_EVER}]


@contextmanager
def _silence(program: Forked, *settings: str) -> Iterator[None]:
    """A place that takes connections and never says a word, under these settings."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        program.env = {**program.env, **dict.fromkeys(settings, address)}
        yield


@contextmanager
def _dribbling(program: Forked) -> Iterator[None]:
    """The endpoint, whose answers about tasks come a byte a second."""
    endpoint = program.env["AWS_ENDPOINT_URL_BRAKET"]

    class Dribbles(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            asked = Request(
                endpoint + self.path,
                self.rfile.read(length) if length else None,
                {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")},
                method=self.command,
            )
            try:
                with urlopen(asked) as answer:
                    status, headers, body = answer.status, answer.headers, answer.read()
            except HTTPError as error:
                status, headers, body = error.code, error.headers, error.read()
            self.send_response_only(status)
            for name in ("date", "content-type", "x-amzn-errortype"):
                if value := headers.get(name):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command == "GET" and "/quantum-task/" in self.path:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(1)
            else:
                self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

    with answered_by(Dribbles) as url:
        program.env = {**program.env, "AWS_ENDPOINT_URL_BRAKET": url}
        yield


@contextmanager
def _another_writer(program: Forked) -> Iterator[None]:
    """Somebody else who writes, and goes on writing."""
    with filelock.FileLock(program.writer.parent / "warehouse.lock"):
        yield


@dataclass(frozen=True)
class While:
    """What goes on when the signal comes: what the API does, and by what it is known that the run has come to it."""

    name: str
    faults: list[dict[str, Any]] = field(default_factory=list)
    called: tuple[str, int] | None = None
    """An operation, and how often it was called."""
    purpose: str = ""
    """What the run holds the writer's lock for."""
    settings: Mapping[str, str] = field(default_factory=dict)
    around: Callable[[Forked], AbstractContextManager[None]] = lambda _: nullcontext()
    after: float = 1.0
    """Seconds that it goes on so before the signal."""
    publishes: bool = True

    def has_come(self, at: Place, program: Forked, run: Started) -> bool:
        if run.process.pid is None or not heeds(run.process.pid):
            return False  # the signal would end the interpreter that is starting
        if self.called:
            operation, times = self.called
            return bool(at.emulator.stats()["calls"].get(operation, 0) >= times)
        return not self.purpose or purpose_of(program) == self.purpose


_GET = ("GetQuantumTask", _FAULTED + 1)

WHILES = [
    While("a task is throttled for ever", _fault("throttle", "GetQuantumTask"), _GET),
    While(
        "searches are throttled for ever",
        _fault("throttle", "SearchQuantumTasks", "SearchJobs", after=0),
        ("SearchQuantumTasks", 2),
    ),
    While("every answer is a 500", _fault("internal_error", "GetQuantumTask"), _GET),
    While("connections are never answered", _fault("stall", "GetQuantumTask"), _GET),
    While(
        "a search is never answered",
        _fault("stall", "SearchQuantumTasks", after=0),
        ("SearchQuantumTasks", 1),
    ),
    While("bodies come a byte a second", called=("GetQuantumTask", 2), around=_dribbling),
    While(
        "the request budget is used up",
        called=("GetQuantumTask", 2),
        settings={"BRAKET_ETL_QUOTA_SHARE": "0.01"},
    ),
    While("another program writes", after=12.0, around=_another_writer, publishes=False),
    While("devices are never listed", _fault("stall", "SearchDevices", after=0), ("SearchDevices", 1)),
    While("a device is never answered", _fault("stall", "GetDevice", after=0), ("GetDevice", 1)),
    While(
        "spending limits are never listed",
        _fault("stall", "SearchSpendingLimits", after=0),
        ("SearchSpendingLimits", 1),
    ),
    While(
        "S3 never answers",
        purpose="looking up results to read",
        settings={"BRAKET_ETL_RESULTS": "auto"},
        around=lambda program: _silence(program, "AWS_ENDPOINT_URL_S3"),
        after=2.0,
    ),
    While(
        "the price list is never answered",
        purpose="noting a step",
        around=lambda program: _silence(program, "BRAKET_ETL_PRICE_LIST"),
        after=2.0,
    ),
    While("records are merged", purpose="merging records", after=0.0),
    While("models are computed", purpose="building models", after=0.05),
    While("the copy is made", purpose="publishing", after=0.02),
    While("the program starts", after=0.0, publishes=False),
    While("the program loads", after=1.0, publishes=False),
]


def stopped(number: int, at: Place, folder: Path) -> Outcome:
    """Stop a sync at the moment of this number, by the one signal or the other; AssertionError where anything is wrong."""
    what = WHILES[number % len(WHILES)]
    told = (signal.SIGINT, signal.SIGTERM)[(number + number // len(WHILES)) % 2]
    program = at.program(folder)
    calm = dict(program.env)
    with what.around(program):
        program.env = {**program.env, **what.settings}
        at.emulator.reset_stats()
        at.emulator.set_faults(what.faults)
        run = program.begin("sync")
        seconds = _stopped(run, what, at, program, told)
        ended = run.ended()
    at.emulator.set_faults([])
    assert ended.returncode == 128 + told, (what.name, ended.returncode, ended.stderr)
    assert "Traceback" not in ended.stderr, ended.stderr
    assert "interrupted by" in ended.stderr
    if what.publishes:
        assert "stored and published" in ended.stderr, ended.stderr
        _check_published(program)
    _check_canceled(program)
    program.env = calm
    program.ok("sync")
    contents = program.contents(*NOT_COMPARED)
    assert different_tables(contents, at.contents) == []
    assert coverage_of(program) == at.coverage
    shutil.rmtree(folder)
    return Outcome(
        f"stopped while {what.name}",
        1,
        2,
        records_of(at.contents),
        same_records(contents, at.contents),
        (round(seconds, 1),),
    )


def _stopped(run: Started, what: While, at: Place, program: Forked, told: signal.Signals) -> float:
    """Send the signal at its moment; the seconds from there to the end."""
    deadline = time.monotonic() + 10 * HANGS
    while run.is_running and not what.has_come(at, program, run):
        assert time.monotonic() < deadline, f"it never came to it: {what.name}"
        time.sleep(0.002)
    time.sleep(what.after)
    assert run.process.pid is not None
    assert run.is_running, f"it ended before: {what.name}: {run.ended().stderr}"
    began = time.monotonic()
    os.kill(run.process.pid, told)
    run.process.join(HANGS)
    seconds = time.monotonic() - began
    assert not run.is_running, f"it goes on: {what.name}"
    return seconds


def _check_published(program: Forked) -> None:
    """What was stored is in the published copy, row for row."""
    with duckdb.connect(str(program.writer), read_only=True) as writer:
        for table in RECORDS:
            stored = writer.execute(f"SELECT count(*), bit_xor(hash(t)) FROM {table} AS t").fetchall()
            assert program.rows(f"SELECT count(*), bit_xor(hash(t)) FROM {table} AS t") == stored
    assert program.rows("SELECT count(*) FROM etl.runs WHERE outcome = 'running'") == [(0,)]


def _check_canceled(program: Forked) -> None:
    """Dagster calls the run canceled, where it came to know it."""
    with instance_in(program.home / "dagster") as instance:
        newest, *others = [run.status.value for run in instance.get_runs()]
    assert newest == "CANCELED" or (not others and newest == "SUCCESS"), (newest, others)
