"""Dagster's own files of runs and events, kept open by a process: beside any other process that opens them."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus

OURS = (Path(__file__).parents[2] / "dagster_home" / "dagster.yaml").read_text()
KEPT_OPEN = OURS[OURS.index("storage:") : OURS.index("run_launcher:")]


@dg.asset(check_specs=[dg.AssetCheckSpec("it_is_there", asset="thing")])
def thing() -> Iterator[object]:
    yield dg.MaterializeResult(metadata={"rows": 3})
    yield dg.AssetCheckResult(passed=True, check_name="it_is_there")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def opened(home: Path, *, kept_open: bool) -> dg.DagsterInstance:
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n" + (KEPT_OPEN if kept_open else ""))
    return dg.DagsterInstance.from_config(str(home))


def told(instance: dg.DagsterInstance) -> dict[str, object]:
    """What an instance says of its runs, events, assets and checks."""
    latest = instance.get_latest_materialization_event(dg.AssetKey("thing"))
    assert latest is not None
    [check] = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(dg.AssetKey("thing"), "it_is_there")]
    ).values()
    return {
        "runs": [(run.run_id, run.status) for run in instance.get_runs()],
        "events": {run.run_id: len(instance.all_logs(run.run_id)) for run in instance.get_runs()},
        "latest": (latest.run_id, latest.timestamp),
        "check": (check.run_id, check.status),
    }


def test_dagster_itself_and_we_open_what_the_other_wrote(home: Path) -> None:
    with opened(home, kept_open=True) as ours, opened(home, kept_open=False) as plain:
        assert type(ours.event_log_storage) is not type(plain.event_log_storage)
        for writer in (ours, plain, ours, plain):
            assert dg.materialize([thing], instance=writer).success
            assert told(ours) == told(plain)
        assert len(ours.get_runs()) == 4
        assert {run.status for run in plain.get_runs()} == {DagsterRunStatus.SUCCESS}


def test_a_webserver_hears_of_each_event_when_it_comes(home: Path) -> None:
    with opened(home, kept_open=False) as webserver, opened(home, kept_open=True) as ours:
        run = dg.materialize([thing], instance=ours)
        stored = ours.event_log_storage.get_records_for_run(run.run_id)
        heard = threading.Semaphore(0)
        webserver.watch_event_logs(run.run_id, stored.cursor, lambda *_: heard.release())
        try:
            for _ in range(3):
                ours.report_engine_event("something", run.dagster_run)
                assert heard.acquire(timeout=30)
        finally:
            webserver.event_log_storage.dispose()


def test_a_process_that_forks_shares_no_connection(home: Path) -> None:
    with opened(home, kept_open=True) as ours:
        run = dg.materialize([thing], instance=ours)
        before = len(ours.all_logs(run.run_id))
        child = os.fork()
        if not child:
            try:
                ours.report_engine_event("the child", run.dagster_run)
            finally:
                os._exit(0)
        ours.report_engine_event("the parent", run.dagster_run)
        os.waitpid(child, 0)
        assert len(ours.all_logs(run.run_id)) == before + 2


def test_files_laid_back_from_a_copy_are_read(home: Path) -> None:
    with opened(home, kept_open=True) as ours:
        dg.materialize([thing], instance=ours)
    shutil.copytree(home / "history", home / "copy")
    with opened(home, kept_open=True) as ours:
        dg.materialize([thing], instance=ours)
        assert len(ours.get_runs()) == 2
        shutil.rmtree(home / "history")
        (home / "copy").rename(home / "history")
        assert len(ours.get_runs()) == 1
        assert dg.materialize([thing], instance=ours).success
        assert len(ours.get_runs()) == 2


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux shows them")
def test_the_files_of_many_runs_are_not_all_kept_open(home: Path) -> None:
    with opened(home, kept_open=True) as ours:
        for _ in range(30):
            assert dg.materialize([thing], instance=ours).success
        for run in ours.get_runs():
            ours.all_logs(run.run_id)
        assert 0 < len(open_databases(home / "history")) < 25
    assert not open_databases(home / "history")


def open_databases(folder: Path) -> set[str]:
    """The databases in a folder that this process has open."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:  # closed meanwhile
            continue
        if target.startswith(str(folder)) and target.endswith(".db"):
            found.add(target)
    return found


def test_a_home_that_nobody_names_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(ValueError, match="set DAGSTER_HOME, or base_dir"):
        opened(tmp_path, kept_open=True)
