"""A Dagster daemon of a test's own, started as the service does, and a view of its instance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dagster as dg

from braket_etl.orchestration.instance import daemon_is_alive
from tests.conftest import Program


def wait_for(condition: Callable[[], object], what: str, seconds: float = 180) -> None:
    """Wait until it is so; only a product that never gets there takes the whole time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it never happened: {what}"
        time.sleep(0.2)


def instance_of(program: Program) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(program.environment()["DAGSTER_HOME"])


@contextmanager
def daemon_of(program: Program) -> Iterator[dg.DagsterInstance]:
    """The daemon of the program's home while the block runs; gives its instance."""
    log = program.home.parent / "daemon.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "braket_etl", "service", "run", "daemon"],
            env=program.environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        laid_out = program.home / "dagster"
        wait_for(lambda: list(laid_out.glob(".laid_out_by_*")), "the home is laid out")
        instance = instance_of(program)
        wait_for(lambda: process.poll() is not None or daemon_is_alive(instance), "the daemon starts")
        assert process.poll() is None, log.read_text()
        yield instance
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
