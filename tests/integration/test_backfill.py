"""Backfills: through the daemon where one runs, in batches that publish, with counts of each day that are true."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus, RunsFilter

from braket_emulator import Emulator
from braket_etl.orchestration import backfill
from braket_etl.orchestration.build import build_defs
from braket_etl.orchestration.jobs import pull_config
from braket_etl.orchestration.resources import HOME_TAG
from braket_etl.runtime import Runtime
from braket_etl.settings import load_settings
from tests.conftest import NOW, Program
from tests.integration.daemons import daemon_of, instance_of
from tests.processes import wait_for

FIRST, LAST = "2026-10-11", "2026-11-20"  # 41 days: two batches
TODAY = f"{NOW:%Y-%m-%d}"


@dataclass
class Served:
    """A home whose daemon has done two backfills, one followed and one with processes; and another home beside it."""

    program: Program
    instance: dg.DagsterInstance
    followed: subprocess.CompletedProcess[str]
    in_processes: str
    elsewhere: subprocess.CompletedProcess[str]
    other: Program


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Iterator[Served]:
    program = Program(tmp_path_factory.mktemp("served") / "home", dict(emulator.env()))
    other = Program(
        program.home.with_name("other"), {**program.env, "DAGSTER_HOME": f"{program.home}/dagster"}
    )
    arguments = ("backfill", "--from", FIRST, "--to", LAST)
    with daemon_of(program) as instance:
        running = program.start(*arguments, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        elsewhere = other.start("backfill", "--from", LAST, "--to", LAST, stderr=subprocess.PIPE)
        settings = load_settings(home=program.home)
        config = pull_config(regions=["us-east-1"]) | {"execution": {"config": {"multiprocess": {}}}}
        day = date.fromisoformat(LAST)
        in_processes = backfill.submit(instance, settings, day, day, config)
        wait_for(lambda: backfill.look_up(instance, in_processes).has_ended, "the backfill ends", 1200)
        yield Served(program, instance, _ended(running), in_processes, _ended(elsewhere), other)


def _ended(process: subprocess.Popen[bytes]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=1200)
    return subprocess.CompletedProcess(process.args, process.returncode, (out or b"").decode(), err.decode())


def _day_events(
    instance: dg.DagsterInstance, table: str, day: str, run_id: str | None = None
) -> list[dict[str, Any]]:
    """The metadata of what was told of a day, of one run or of all, newest first: of one that is not over it is observed."""
    filtered = dg.AssetRecordsFilter(dg.AssetKey(table), asset_partitions=[day])
    if day == TODAY:
        records = instance.fetch_observations(filtered, limit=20).records
    else:
        records = instance.fetch_materializations(filtered, limit=20).records
    found = [
        record.asset_materialization or record.asset_observation
        for record in records
        if run_id in (None, record.run_id)
    ]
    return [{name: value.value for name, value in m.metadata.items()} for m in found if m is not None]


def test_the_daemon_does_it_in_batches_that_each_publish(served: Served, emulator: Emulator) -> None:
    assert served.followed.returncode == 0, served.followed.stderr
    assert "runs in the daemon" in served.followed.stderr
    told = json.loads(served.followed.stdout)
    runs = served.instance.get_runs(RunsFilter(tags={"dagster/backfill": told["backfill_id"]}))
    assert {run.run_id for run in runs} == set(told["runs"])
    assert sorted(
        (run.tags["dagster/asset_partition_range_start"], run.tags["dagster/asset_partition_range_end"])
        for run in runs
    ) == [("2026-10-11", "2026-11-10"), ("2026-11-11", "2026-11-20")]
    assert {run.status for run in runs} == {DagsterRunStatus.SUCCESS}
    visible = {arn for arn, times in emulator.truth().items() if times["created"] <= NOW.isoformat()}
    assert {arn for (arn,) in served.program.rows("SELECT quantum_task_arn FROM quantum_tasks")} == visible
    assert served.program.rows(
        "SELECT kind, outcome, count(*) FROM etl.runs WHERE kind = 'backfill' AND run_id IN "
        f"({', '.join(repr(run.run_id) for run in runs)}) GROUP BY ALL"
    ) == [("backfill", "success", 2)]


@pytest.mark.parametrize(
    ("table", "created"),
    [("quantum_tasks", "created_at"), ("jobs", "created_at"), ("job_events", "job_created_at")],
)
def test_the_count_of_a_day_is_that_days_count(served: Served, table: str, created: str) -> None:
    rows = dict(
        served.program.rows(f"SELECT strftime({created}, '%Y-%m-%d'), count(*) FROM {table} GROUP BY 1")
    )
    days = served.program.rows(  # the daemon's own hourly sync searches others, where the hour turns meanwhile
        f"SELECT DISTINCT strftime(day, '%Y-%m-%d') FROM etl.coverage WHERE day BETWEEN '{FIRST}' AND '{LAST}'"
    )
    assert len(days) == 41
    for (day,) in days:
        newest = _day_events(served.instance, table, day)[0]
        assert newest["dagster/partition_row_count"] == rows.get(day, 0), day
        assert newest["places_searched"] >= 1
    listed = sum(
        max(event.get("records_listed", 0) for event in _day_events(served.instance, table, day))
        for (day,) in days
    )
    searched = "jobs" if table == "job_events" else table
    assert listed == served.program.one(f"SELECT count(*) FROM {searched}")


def test_run_config_chooses_regions_and_processes(served: Served) -> None:
    done = backfill.look_up(served.instance, served.in_processes)
    [run] = done.runs
    assert run.status is DagsterRunStatus.SUCCESS
    [event] = _day_events(served.instance, "quantum_tasks", LAST, run.run_id)
    assert event["places_searched"] == 1
    assert served.program.rows(
        f"SELECT outcome, count(*) FROM etl.runs WHERE run_id = '{run.run_id}' GROUP BY ALL"
    ) == [("success", 1)]
    step_pids = {
        event.dagster_event.pid
        for event in served.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_SUCCESS)
        if event.dagster_event is not None
    }
    assert len(step_pids) > 1


def test_a_home_that_the_daemon_does_not_serve_is_filled_by_the_program_itself(served: Served) -> None:
    assert served.elsewhere.returncode == 0, served.elsewhere.stderr
    assert "runs in the daemon" not in served.elsewhere.stderr
    days = served.other.rows("SELECT DISTINCT strftime(day, '%Y-%m-%d') FROM etl.coverage")
    assert days == [(LAST,)]


def test_no_step_of_a_backfill_for_another_home_touches_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path))
    monkeypatch.setenv("BRAKET_ETL_PRICE_LIST", "off")
    with dg.DagsterInstance.ephemeral() as instance:
        done = (
            build_defs(runtime=Runtime())
            .resolve_job_def("backfill")
            .execute_in_process(
                instance=instance,
                partition_key=LAST,
                tags={HOME_TAG: str(tmp_path / "another")},
                raise_on_error=False,
            )
        )
    events = done.get_step_failure_events()
    assert events
    assert all(
        f"this run is to fill {tmp_path / 'another'}" in str(event.step_failure_data.error)
        for event in events
    )
    assert not [event for event in done.all_events if event.is_step_success]
    assert list(tmp_path.iterdir()) == []


def test_without_a_daemon_it_runs_here_and_only_searched_days_turn_green(pulled: Program) -> None:
    """A pull in this process makes an event for each day that it searched, not for those that were complete."""
    instance = instance_of(pulled)
    over = {f"2026-11-{day:02}" for day in range(8, 20)}
    assert set(instance.get_materialized_partitions(dg.AssetKey("quantum_tasks"))) == over
    assert _day_events(instance, "quantum_tasks", TODAY)[0]["state"] == "so far"
    assert len(_day_events(instance, "quantum_tasks", "2026-11-10")) == 1
    pulled.ok("backfill", "--from", "2026-11-12", "--to", "2026-11-12")
    assert len(_day_events(instance, "quantum_tasks", "2026-11-12")) == 2
    assert len(_day_events(instance, "quantum_tasks", "2026-11-10")) == 1
    pulled.ok("sync")
    assert len(_day_events(instance, "quantum_tasks", "2026-11-10")) == 1
    done = pulled.run("backfill", "--from", "2026-11-12", "--to", "2026-11-12", "--detach")
    assert done.returncode == 2
    assert "needs a running daemon" in done.stderr
