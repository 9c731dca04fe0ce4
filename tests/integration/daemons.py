"""A Dagster daemon of a test's own, started as the service does, and a view of its instance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from braket_etl.orchestration.instance import daemon_is_alive, instance_in
from tests.conftest import Program
from tests.processes import serving, wait_for


def instance_of(program: Program) -> dg.DagsterInstance:
    return instance_in(Path(program.environment()["DAGSTER_HOME"]))


@contextmanager
def daemon_of(program: Program) -> Iterator[dg.DagsterInstance]:
    """The daemon of the program's home while the block runs; gives its instance."""
    log = program.home.parent / "daemon.log"
    with serving(program, "service", "run", "daemon", log=log) as process:
        laid_out = program.home / "dagster"
        wait_for(lambda: list(laid_out.glob(".laid_out_by_*")), "the home is laid out")
        instance = instance_of(program)
        wait_for(lambda: process.poll() is not None or daemon_is_alive(instance), "the daemon starts")
        assert process.poll() is None, log.read_text()
        yield instance
