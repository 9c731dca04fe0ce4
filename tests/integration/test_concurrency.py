"""Runs at once, runs that are ended from outside, and runs that died: all end right, and nothing stays locked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from braket_emulator import Emulator, running
from braket_etl.orchestration import backfill
from braket_etl.orchestration.build import build_defs
from braket_etl.orchestration.instance import close_dead_runs, daemon_is_alive, process_tags, ready_instance
from braket_etl.orchestration.jobs import pull_config
from braket_etl.orchestration.resources import PROCESS_TAG
from braket_etl.runtime import Runtime
from braket_etl.settings import load_settings
from braket_etl.warehouse import runs
from braket_etl.warehouse.file import FileWarehouse
from tests.conftest import NOW, Program
from tests.integration.daemons import daemon_of
from tests.processes import wait_for


def ready(program: Program) -> dg.DagsterInstance:
    with patch.dict(os.environ, {"DAGSTER_HOME": program.environment()["DAGSTER_HOME"]}):
        return ready_instance(load_settings(home=program.home))


def test_two_syncs_and_a_backfill_at_once_on_a_fresh_home_equal_one_after_the_other(
    pulled: Program, tmp_path: Path
) -> None:
    one_by_one = pulled.contents("run_id")
    together = Program(tmp_path / "together", pulled.env)
    arguments = [("sync",), ("sync",), ("backfill", "--from", "2026-11-08", "--to", "2026-11-20")]
    processes = [together.start(*each, stderr=subprocess.PIPE) for each in arguments]
    said = [process.communicate(timeout=1200)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert not any("lock" in text or "Traceback" in text for text in said), said
    assert together.contents("run_id") == one_by_one
    assert together.rows("SELECT kind, outcome FROM etl.runs ORDER BY ALL") == [
        ("backfill", "success"),
        ("sync", "success"),
        ("sync", "success"),
    ]
    assert {run.status for run in ready(together).get_runs()} == {DagsterRunStatus.SUCCESS}


@pytest.fixture
def slow() -> Iterator[Emulator]:
    """An account whose tasks are answered slowly, so that a run can be met in the middle."""
    with running(
        tasks=700, jobs=3, days=5, now=NOW, frozen=True, quotas=False, regions=["us-east-1"]
    ) as emulator:
        emulator.set_faults([{"kind": "stall", "operations": ["GetQuantumTask"], "seconds": 0.5}])
        yield emulator


def test_a_run_that_is_terminated_ends_and_the_next_one_goes_on(program: Program, slow: Emulator) -> None:
    program.env = dict(slow.env())
    with daemon_of(program) as instance:
        assert daemon_is_alive(instance)
        first, last = date(2026, 11, 15), date(2026, 11, 20)
        config = pull_config(regions=["us-east-1"])
        asked = backfill.submit(instance, load_settings(home=program.home), first, last, config)
        wait_for(lambda: slow.stats()["calls"].get("GetQuantumTask", 0) > 250, "tasks are fetched")
        [run] = backfill.look_up(instance, asked).runs
        assert json.loads(run.tags[PROCESS_TAG])["run_id"] == run.run_id
        assert instance.run_launcher.terminate(run.run_id)
        wait_for(
            lambda: (
                backfill.look_up(instance, asked).runs[0].status
                not in (DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
            ),
            "the run ends",
        )
        assert backfill.look_up(instance, asked).runs[0].status is DagsterRunStatus.CANCELED
        assert program.one("SELECT count(*) FROM quantum_tasks") > 0, "what had come is not published"
        fetched = slow.stats()["calls"]["GetQuantumTask"]
        slow.set_faults([])
        program.ok(
            "backfill", "--here", "--from", "2026-11-15", "--to", "2026-11-20", "--regions", "us-east-1"
        )
        assert slow.stats()["calls"]["GetQuantumTask"] < fetched + 650, "nothing was kept"
    truth = slow.truth()
    assert program.one("SELECT count(*) FROM quantum_tasks") == sum(
        times["created"] <= NOW.isoformat() for times in truth.values()
    )
    outcomes = program.rows("SELECT outcome FROM etl.runs WHERE kind = 'backfill' ORDER BY started_at")
    assert outcomes == [("failure",), ("success",)]


@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_a_run_whose_process_gets_sigterm_is_canceled_and_publishes(
    program: Program, slow: Emulator, executor: str
) -> None:
    slow.reset_stats()
    program.env = {**slow.env(), "BRAKET_ETL_EXECUTOR": executor}
    with daemon_of(program) as instance:
        first, last = date(2026, 11, 15), date(2026, 11, 20)
        config = pull_config(regions=["us-east-1"])
        asked = backfill.submit(instance, load_settings(home=program.home), first, last, config)
        wait_for(lambda: slow.stats()["calls"].get("GetQuantumTask", 0) > 200, "tasks are fetched")
        [run] = backfill.look_up(instance, asked).runs
        os.kill(json.loads(run.tags[PROCESS_TAG])["pid"], signal.SIGTERM)
        wait_for(
            lambda: (
                backfill.look_up(instance, asked).runs[0].status
                not in (DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
            ),
            "the run ends",
        )
        assert backfill.look_up(instance, asked).runs[0].status is DagsterRunStatus.CANCELED
        said = [log.message for log in instance.all_logs(run.run_id)]
        assert any("what had come by then is stored and published" in message for message in said)
    assert program.one("SELECT count(*) FROM quantum_tasks") > 0


def test_ctrl_c_cancels_what_the_daemon_does(program: Program, slow: Emulator) -> None:
    program.env = dict(slow.env())
    with daemon_of(program) as instance:
        process = program.start(
            "backfill", "--from", "2026-11-15", "--to", "2026-11-20", stderr=subprocess.PIPE
        )
        wait_for(lambda: slow.stats()["calls"].get("GetQuantumTask", 0) > 100, "tasks are fetched")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=600)
        assert process.returncode == 130
        assert b"interrupted" in said
        [asked] = instance.get_backfills()
        wait_for(lambda: backfill.look_up(instance, asked.backfill_id).has_ended, "the backfill ends")
        ended = backfill.look_up(instance, asked.backfill_id)
        assert ended.status.name == "CANCELED"
        assert [run.status for run in ended.runs] == [DagsterRunStatus.CANCELED]


def test_no_daemon_is_alive_where_none_ever_ran(program: Program) -> None:
    assert not daemon_is_alive(ready(program))


@dg.job
def a_job() -> None:
    """A run with nothing in it."""


def test_a_run_whose_process_is_gone_is_closed_even_where_its_number_is_used_again(program: Program) -> None:
    instance = ready(program)
    ours = process_tags("of another run")
    reused = {**json.loads(ours[PROCESS_TAG]), "began": "long ago"}

    def begun(process: dict[str, object] | None) -> str:
        run = instance.create_run_for_job(a_job, status=DagsterRunStatus.STARTED)
        instance.add_run_tags(
            run.run_id,
            {
                **process_tags(run.run_id),
                **({PROCESS_TAG: json.dumps({**process, "run_id": run.run_id})} if process else {}),
            },
        )
        return run.run_id

    alive, dead = begun(None), begun(reused)
    inherited = instance.create_run_for_job(a_job, status=DagsterRunStatus.STARTED).run_id
    instance.add_run_tags(
        inherited, {**ours, PROCESS_TAG: json.dumps(reused)}
    )  # as the repetition of a dead run
    assert close_dead_runs(instance) == 1
    statuses = {run_id: instance.get_run_by_id(run_id) for run_id in (alive, dead, inherited)}
    assert {run_id: run and run.status for run_id, run in statuses.items()} == {
        alive: DagsterRunStatus.STARTED,
        dead: DagsterRunStatus.FAILURE,
        inherited: DagsterRunStatus.STARTED,
    }


@pytest.mark.warehouse
def test_the_row_of_a_run_whose_process_number_is_used_again_is_closed(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "writer", tmp_path / "warehouse.duckdb")
    with warehouse.writing("testing") as connection:
        runs.note_step(connection, "dead", "sync", "pull", {})
        connection.execute("UPDATE etl.runs SET pid_began = 'long ago'")
        runs.note_step(connection, "elsewhere", "sync", "pull", {})
        connection.execute("UPDATE etl.runs SET host = 'another' WHERE run_id = 'elsewhere'")
        runs.note_step(connection, "alive", "sync", "pull", {})
        runs.note_step(connection, "next", "sync", "pull", {})
        assert connection.execute("SELECT run_id, outcome FROM etl.runs ORDER BY 1").fetchall() == [
            ("alive", "running"),
            ("dead", "failure"),
            ("elsewhere", "running"),
            ("next", "running"),
        ]


def test_a_process_is_told_from_a_later_one_of_its_number() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = runs.process_began(sleeper.pid)
    assert began is not None
    assert began == runs.process_began(sleeper.pid)
    assert runs.is_alive(sleeper.pid, began)
    assert not runs.is_alive(sleeper.pid, "long ago")
    sleeper.communicate(b"\n")
    assert not runs.is_alive(sleeper.pid, began)
    assert runs.process_began(sleeper.pid) is None


def test_a_schedule_starts_no_second_run_beside_one_that_has_not_ended(
    pulled: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", pulled.environment()["DAGSTER_HOME"])
    instance = ready_instance(load_settings(home=pulled.home))
    runtime = Runtime(flags={"home": pulled.home})
    definitions = build_defs(runtime=runtime).get_repository_def()
    ticks = {}
    for state in ("free", "taken", "dead"):
        if state == "taken":
            job = definitions.get_job("sync")
            run = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED)
            instance.add_run_tags(run.run_id, process_tags(run.run_id))
        if state == "dead":
            process = {"run_id": run.run_id, "pid": os.getpid(), "began": "long ago"}
            instance.add_run_tags(run.run_id, {PROCESS_TAG: json.dumps(process)})
        with dg.build_schedule_context(
            instance, scheduled_execution_time=NOW, resources={"runtime": runtime}
        ) as context:
            ticks[state] = definitions.get_schedule_def("hourly_sync").evaluate_tick(context)
    assert [request.run_key for request in ticks["free"].run_requests or ()] == ["2026-11-20T12:00"]
    assert ticks["taken"].run_requests == []
    assert "has not ended yet" in (ticks["taken"].skip_message or "")
    assert len(ticks["dead"].run_requests or ()) == 1
