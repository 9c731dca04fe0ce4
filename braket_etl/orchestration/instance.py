"""The Dagster instance: where its home is, how it is first laid out, and runs that died without saying so."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Mapping
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dagster as dg
import filelock
from dagster import DagsterRunStatus, RunsFilter

from braket_etl.orchestration.resources import HOME_TAG, HOST_TAG, PROCESS_TAG
from braket_etl.package_files import checkout, packaged_dagster_yaml
from braket_etl.private_files import private_folder
from braket_etl.settings import LAKE, Settings, SettingsError
from braket_etl.warehouse.runs import Process, is_alive, process_here

#: Each part of a daemon notes a heartbeat every 30 s; Dagster itself would wait half an hour for the next one.
_HEARTBEAT = timedelta(minutes=2)
DEFINITIONS = "braket_etl.definitions"
#: Names the home whose settings the daemon of this instance was started with.
_SERVED = ".served_home"
#: dagster.yaml as earlier versions laid it into homes (SHA-256): one that nobody changed is replaced by today's.
_LAID_BEFORE = frozenset(
    {
        "3adb29a454a2edda6ec17b28b02d2c605741a6b4c905aa51cd95b98d124ea5f6",
        "57017c12d711d41fe09bbcddbe3add7f25e7425327dabe43bb23438277c78273",
    }
)
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


def why_unusable(home: Path) -> str | None:
    """Why Dagster cannot use a folder, if so: it writes the path into an address of SQLite's as it is.

    There `?` begins the options and `%20` stands for a space, so it would look for its databases in another folder.
    """
    if "?" not in str(home) and unquote(str(home)) == str(home):
        return None
    return f"Dagster cannot keep its databases in {home}: it takes ? and % with two digits in a path for something else"


USABLE_HOME = "set DAGSTER_HOME to a folder without ? and %"


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the home, lay our dagster.yaml where it has none, and point this process and its children to it.

    From here on what they write is for this user alone: Dagster itself leaves that to the umask. A folder that
    DAGSTER_HOME names and that exists keeps its mode; it may be shared on purpose.
    """
    home = dagster_home(settings)
    if problem := why_unusable(home):
        raise SettingsError(f"{problem}; {USABLE_HOME}")
    os.umask(0o077)
    try:
        private_folder(home)
        if not os.environ.get("DAGSTER_HOME"):
            home.chmod(0o700)  # in a checkout it came from git, open to all
        laid = home / "dagster.yaml"
        if not laid.exists() or hashlib.sha256(laid.read_bytes()).hexdigest() in _LAID_BEFORE:
            shutil.copyfile(packaged_dagster_yaml(), laid)
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


def is_laid_out(home: Path) -> bool:
    """Whether an instance of ours has used a Dagster home."""
    return (home / "dagster.yaml").is_file() and any(home.glob(".laid_out_by_*"))


def instance_in(home: Path) -> dg.DagsterInstance:
    """The instance of a Dagster home that is laid out, whichever home DAGSTER_HOME names."""
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(home)  # our storage looks there for its folder
    try:
        return dg.DagsterInstance.from_config(str(home))
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before


def code_location() -> str:
    """The name under which a webserver or daemon of ours knows our definitions."""
    return "braket_etl" if checkout() else DEFINITIONS


def workspace_arguments() -> list[str]:
    """Options that tell dagster, its webserver and its daemon where our definitions are."""
    root = checkout()
    return ["-w", str(root / "workspace.yaml")] if root else ["-m", DEFINITIONS]


def process_tags(run_id: str, process: Process | None = None) -> dict[str, str]:
    """Tags that tell which process of which machine runs a run, by default this one.

    The run's id is among them, since Dagster gives the tags of a run to the one that repeats it.
    """
    process = process or process_here()
    signed = {"run_id": run_id, "pid": process.pid, "began": process.began}
    return {HOST_TAG: process.host, PROCESS_TAG: json.dumps(signed)}


def run_process(run: dg.DagsterRun, settings: Settings) -> Process:
    """The process that runs a run, asked from one of its steps.

    A run whose steps are done on other machines was signed before; the multiprocess executor makes a process a step.
    """
    in_child = executor_kind(run.run_config, settings) == "multiprocess"
    return _signed_by(run) or process_here(os.getppid() if in_child else None)


def sign_run(instance: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings) -> None:
    """Note at the beginning of a run that a daemon started which process runs it; close runs that died."""
    instance.add_run_tags(run.run_id, process_tags(run.run_id, run_process(run, settings)))
    close_dead_runs(instance)


def executor_kind(run_config: Mapping[str, Any], settings: Settings) -> str:
    """Where the steps of a run are done: as its config says, else as the settings do."""
    chosen: Mapping[str, Any] = run_config.get("execution", {}).get("config") or {}
    return next(iter(chosen), settings.executor)


def runs_in_its_own_process(run: dg.DagsterRun) -> bool:
    """Whether a command does this run in its own process, and told so."""
    return _signed_by(run) is not None


def _signed_by(run: dg.DagsterRun) -> Process | None:
    process = json.loads(run.tags.get(PROCESS_TAG, "{}"))
    is_ours = process.get("run_id") == run.run_id
    return Process(run.tags[HOST_TAG], process["pid"], process["began"]) if is_ours else None


def close_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark as failed what a process of this machine began and did not live to end; how many there were."""
    filters = RunsFilter(statuses=UNFINISHED, tags={HOST_TAG: socket.gethostname()})
    dead = [run for run in instance.get_runs(filters) if _is_dead(instance, run)]
    for run in dead:
        instance.report_run_failed(run, "The process of this run is gone; the next run goes on where it was.")
    return len(dead)


def report_canceling(instance: dg.DagsterInstance, run_id: str) -> None:
    """Note that a run is being stopped on purpose: without that Dagster takes its interruption for a failure."""
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status in UNFINISHED and run.status is not DagsterRunStatus.CANCELING:
        instance.report_run_canceling(run)


def report_canceled(instance: dg.DagsterInstance, run_id: str) -> None:
    """Note that a run was stopped, where Dagster itself did not come to that."""
    report_canceling(instance, run_id)
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status in UNFINISHED:
        instance.report_run_canceled(run)


def _is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    process = _signed_by(run)
    if process is None or is_alive(process.pid, process.began):
        return False
    now = instance.get_run_by_id(run.run_id)  # it may have ended well since we looked
    return now is not None and now.status in UNFINISHED


def refuse_another_home(run: dg.DagsterRun, settings: Settings) -> None:
    """Raise Failure where a run was submitted for another home or lake than this daemon or worker fills."""
    wanted, ours = run.tags.get(HOME_TAG), filled(settings)
    if wanted and wanted != ours:
        raise dg.Failure(
            f"this run is to fill {wanted}, but the daemon or worker that does it fills {ours}: run it again with "
            "--here, or set DAGSTER_HOME to one of its own; workers need the daemon's BRAKET_ETL_WAREHOUSE",
            allow_retries=False,
        )


def filled(settings: Settings) -> str:
    """What runs with these settings fill: a home, or a DuckLake, told by a digest since it may hold a password."""
    if settings.lake_catalog is None:
        return str(settings.home)
    return f"{LAKE}{hashlib.sha256(settings.lake_catalog.encode()).hexdigest()[:12]}"


def note_served_home(settings: Settings) -> None:
    """Note, for whoever would give it work, that the daemon about to start has these settings."""
    (dagster_home(settings) / _SERVED).write_text(filled(settings))


def daemon_serves(instance: dg.DagsterInstance, settings: Settings) -> bool:
    """Whether a daemon is alive that was started for this home; several homes may share a DAGSTER_HOME."""
    served = dagster_home(settings) / _SERVED
    return served.exists() and served.read_text() == filled(settings) and daemon_is_alive(instance)


def daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon of this instance starts what is due; one that was killed is noticed after two minutes."""
    beats = _heartbeats(instance)
    return len(beats) == len(_STARTERS) and datetime.now(UTC) - min(beats) < _HEARTBEAT


def daemon_last_alive(instance: dg.DagsterInstance) -> datetime | None:
    """When a daemon of this instance was last alive as a whole; None where none ever ran."""
    return min(_heartbeats(instance), default=None)


def _heartbeats(instance: dg.DagsterInstance) -> list[datetime]:
    """When each part that starts what is due last said that it lives, of those that ever did."""
    beats = instance.get_daemon_heartbeats()
    return [datetime.fromtimestamp(beats[kind].timestamp, UTC) for kind in _STARTERS if kind in beats]
