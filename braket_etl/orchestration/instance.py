"""The Dagster instance: where its home is, how it is first laid out, and runs that died without saying so."""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import dagster as dg
import filelock
from dagster import DagsterRunStatus, RunsFilter

from braket_etl.orchestration.resources import HOST_TAG, PID_TAG
from braket_etl.packaged import checkout, packaged_dagster_yaml
from braket_etl.settings import Settings, SettingsError
from braket_etl.warehouse.runs import is_alive

_UNFINISHED = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING]


def dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME where it is set; else the checkout's, or a folder in our home for a wheel.

    The demo always has its own: its synthetic runs would turn days of the user's instance green.
    """
    if settings.is_demo:
        return settings.home / "dagster_home"
    if named := os.environ.get("DAGSTER_HOME"):
        return Path(named).expanduser().absolute()
    root = checkout()
    return root / "dagster_home" if root else settings.home / "dagster_home"


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the home, lay our dagster.yaml where it has none, and point this process and its children to it."""
    home = dagster_home(settings)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (home / "dagster.yaml").exists():
            shutil.copyfile(packaged_dagster_yaml(), home / "dagster.yaml")
    except OSError as error:
        raise SettingsError(f"the Dagster home {home} cannot be written: {error.strerror}") from None
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def ready_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance, its databases laid out, and the dead runs of this machine closed.

    Two processes that lay out a fresh home at once break each other's tables, so the first use is under a lock.
    """
    home = prepare_dagster_home(settings)
    with filelock.FileLock(home / ".first_use.lock", timeout=120):
        instance = dg.DagsterInstance.get()
        mark = home / f".laid_out_by_{dg.__version__}"
        if not mark.exists():
            with redirect_stdout(StringIO()):  # it tells of its migrations, which nobody asked about
                instance.upgrade()
            mark.touch()
    close_dead_runs(instance)
    return instance


def close_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark as failed what a process of this machine began and did not live to end; how many there were."""
    filters = RunsFilter(statuses=_UNFINISHED, tags={HOST_TAG: socket.gethostname()})
    dead = [run for run in instance.get_runs(filters) if not is_alive(int(run.tags[PID_TAG]))]
    for run in dead:
        instance.report_run_failed(run, "The process of this run is gone; the next run goes on where it was.")
    return len(dead)
