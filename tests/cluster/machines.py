"""Machines of a test's own, each with a home of its own: a daemon and Celery workers, as docs/scale-out.md starts them.

All they share is PostgreSQL, Redis and where the files of the lake lie.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from braket_etl.orchestration.instance import daemon_is_alive
from tests.conftest import Program
from tests.processes import wait_for

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "dagster.yaml"


@dataclass
class Cluster:
    """A daemon's machine and its workers."""

    folder: Path
    shared: dict[str, str]
    """The environment that is the same on all machines."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def machine(self, name: str) -> Program:
        """A machine: a home and a Dagster home of its own, with what deploy/ has."""
        program = Program(self.folder / name, dict(self.shared))
        dagster_home = Path(program.environment()["DAGSTER_HOME"])
        if not dagster_home.exists():
            dagster_home.mkdir(parents=True, mode=0o700)
            shutil.copyfile(CONFIGURATION, dagster_home / "dagster.yaml")
        return program

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def start_daemon(self) -> Program:
        program = self.machine("daemon")
        self._start("daemon", program, "braket_etl", "service", "run", "daemon")
        return program

    def start_worker(self, name: str) -> None:
        """A worker that does one step at a time."""
        celery = (
            "--app",
            "braket_etl.worker",
            "worker",
            "--concurrency",
            "1",
            "--hostname",
            f"{name}@%h",
            "-l",
            "INFO",
        )
        self._start(name, self.machine(name), "celery", *celery)
        wait_for(lambda: self._is_up(name, " ready."), f"{name} starts", 600)

    def kill(self, name: str) -> None:
        """End a machine's processes at once, all of them, as if its plug was pulled."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes.pop(name).wait()

    def stop(self) -> None:
        """End all in order; what is left after a while is killed."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _is_up(self, name: str, said: str) -> bool:
        assert self.processes[name].poll() is None, self.log(name)
        return said in self.log(name)

    def _start(self, name: str, program: Program, module: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=program.environment(),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


@contextmanager
def cluster(folder: Path, shared: Mapping[str, str], *workers: str) -> Iterator[Cluster]:
    """A daemon and workers that are ready, while the block runs."""
    started = Cluster(folder, dict(shared))
    try:
        daemon = started.start_daemon()
        for name in workers:
            started.start_worker(name)
        home = Path(daemon.environment()["DAGSTER_HOME"])
        wait_for(lambda: list(home.glob(".laid_out_by_*")), "the instance is laid out", 600)
        with instance_of(started) as instance:
            wait_for(lambda: daemon_is_alive(instance), "the daemon starts", 600)
        yield started
    finally:
        started.stop()


@contextmanager
def instance_of(machines: Cluster) -> Iterator[dg.DagsterInstance]:
    """The instance as the daemon's machine sees it."""
    before = dict(os.environ)
    os.environ.update(machines.shared)
    try:
        with dg.DagsterInstance.from_config(
            machines.machine("daemon").environment()["DAGSTER_HOME"]
        ) as opened:
            yield opened
    finally:
        os.environ.clear()
        os.environ.update(before)


def workers_of(instance: dg.DagsterInstance, run_id: str, step: str) -> list[str]:
    """The workers that began the step of a run, one after another."""
    found = []
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event: Any = entry.dagster_event
        told = event.engine_event_data.metadata if event else {}
        if event and event.step_key == step and "Celery worker" in told:
            found.append(str(told["Celery worker"].value).partition("@")[0])
    return found
