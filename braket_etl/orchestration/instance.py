"""The Dagster instance: where its home is, how it is first laid out, and runs that died without saying so."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import dagster as dg
import filelock
from dagster import DagsterRunStatus, RunsFilter

from braket_etl.orchestration.resources import HOME_TAG, HOST_TAG, PROCESS_TAG
from braket_etl.packaged import checkout, packaged_dagster_yaml
from braket_etl.private import private_folder
from braket_etl.settings import Settings, SettingsError
from braket_etl.warehouse.runs import is_alive, process_began

#: Each part of a daemon notes a heartbeat every 30 s; Dagster itself would wait half an hour for the next one.
_HEARTBEAT_SECONDS = 120
DEFINITIONS = "braket_etl.definitions"
#: Names the home whose settings the daemon of this instance was started with.
_SERVED = ".served_home"
_STARTERS = ("SCHEDULER", "QUEUED_RUN_COORDINATOR", "BACKFILL")
ENDED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
UNFINISHED = [status for status in DagsterRunStatus if status not in ENDED]


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
    """Make the home, lay our dagster.yaml where it has none, and point this process and its children to it.

    From here on what they write is for this user alone: Dagster itself leaves that to the umask. A folder that
    DAGSTER_HOME names and that exists keeps its mode; it may be shared on purpose.
    """
    home = dagster_home(settings)
    os.umask(0o077)
    try:
        private_folder(home)
        if not os.environ.get("DAGSTER_HOME"):
            home.chmod(0o700)  # in a checkout it came from git, open to all
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
    with filelock.FileLock(home / ".first_use.lock", timeout=120, mode=0o600):
        instance = dg.DagsterInstance.get()
        mark = home / f".laid_out_by_{dg.__version__}"
        if not mark.exists():
            with redirect_stdout(StringIO()):  # it tells of its migrations, which nobody asked about
                instance.upgrade()
            mark.touch()
    close_dead_runs(instance)
    return instance


def code_location() -> str:
    """The name under which a webserver or daemon of ours knows our definitions."""
    return "braket_etl" if checkout() else DEFINITIONS


def workspace_arguments() -> list[str]:
    """Options that tell dagster, its webserver and its daemon where our definitions are."""
    root = checkout()
    return ["-w", str(root / "workspace.yaml")] if root else ["-m", DEFINITIONS]


def process_tags(run_id: str, pid: int | None = None) -> dict[str, str]:
    """Tags that tell which process of which machine runs a run.

    The run's id is among them, since Dagster gives the tags of a run to the one that repeats it.
    """
    pid = pid or os.getpid()
    return {
        HOST_TAG: socket.gethostname(),
        PROCESS_TAG: json.dumps({"run_id": run_id, "pid": pid, "began": process_began(pid)}),
    }


def worker_pid(run: dg.DagsterRun) -> int:
    """The process that runs a run, asked from one of its steps: the multiprocess executor makes one for each."""
    execution: Any = run.run_config.get("execution", {})
    return os.getppid() if "multiprocess" in execution.get("config", {}) else os.getpid()


def sign_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Note at the beginning of a run that a daemon started which process runs it; close runs that died."""
    instance.add_run_tags(run.run_id, process_tags(run.run_id, worker_pid(run)))
    close_dead_runs(instance)


def close_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark as failed what a process of this machine began and did not live to end; how many there were."""
    filters = RunsFilter(statuses=UNFINISHED, tags={HOST_TAG: socket.gethostname()})
    dead = [run for run in instance.get_runs(filters) if _is_dead(instance, run)]
    for run in dead:
        instance.report_run_failed(run, "The process of this run is gone; the next run goes on where it was.")
    return len(dead)


def _is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    process = json.loads(run.tags.get(PROCESS_TAG, "{}"))
    if process.get("run_id") != run.run_id or is_alive(process["pid"], process["began"]):
        return False
    now = instance.get_run_by_id(run.run_id)  # it may have ended well since we looked
    return now is not None and now.status in UNFINISHED


def refuse_another_home(run: dg.DagsterRun, settings: Settings) -> None:
    """Raise Failure where a run was submitted for another home than the one this daemon serves."""
    wanted = run.tags.get(HOME_TAG)
    if wanted and Path(wanted) != settings.home:
        raise dg.Failure(
            f"this run is for the home {wanted}, but the running daemon serves {settings.home}: "
            "run it again with --here, or set DAGSTER_HOME to one of its own",
            allow_retries=False,
        )


def note_served_home(settings: Settings) -> None:
    """Note, for whoever would give it work, that the daemon about to start has these settings."""
    (dagster_home(settings) / _SERVED).write_text(str(settings.home))


def daemon_serves(instance: dg.DagsterInstance, settings: Settings) -> bool:
    """Whether a daemon is alive that was started for this home; several homes may share a DAGSTER_HOME."""
    served = dagster_home(settings) / _SERVED
    return served.exists() and served.read_text() == str(settings.home) and daemon_is_alive(instance)


def daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon of this instance starts what is due; one that was killed is noticed after two minutes."""
    beats = instance.get_daemon_heartbeats()
    oldest = time.time() - _HEARTBEAT_SECONDS
    return all(kind in beats and beats[kind].timestamp > oldest for kind in _STARTERS)
