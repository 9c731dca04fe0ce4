"""The main job as a user runs it: the program in its own process, boto3 over HTTP, Dagster, DuckDB."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import timedelta

import pytest
from dagster import DagsterRunStatus

from braket_emulator import Emulator, running
from braket_etl.orchestration.instance import instance_in
from tests.conftest import NOW, Program
from tests.integration.daemons import instance_of
from tests.processes import wait_for

START = {"BRAKET_ETL_START_DATE": "2026-11-08"}


def test_everything_that_the_account_has_arrives(pulled: Program, emulator: Emulator) -> None:
    truth = emulator.truth()
    visible = {
        arn for arn, times in truth.items() if times["created"] <= NOW.isoformat().replace("+00:00", "Z")
    }
    assert {arn for (arn,) in pulled.rows("SELECT quantum_task_arn FROM quantum_tasks")} == visible
    assert pulled.one("SELECT count(*) FROM jobs") == 12
    assert pulled.one("SELECT count(*) FROM job_events") > 12
    assert pulled.one("SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal") == pulled.one(
        "SELECT count(DISTINCT quantum_task_arn) FROM task_observations"
    )
    assert pulled.rows("SELECT DISTINCT extra FROM quantum_tasks") == [(None,)]
    assert (
        pulled.one("SELECT count(*) FROM quantum_tasks WHERE job_arn NOT IN (SELECT job_arn FROM jobs)") == 0
    )


def test_the_models_answer_what_it_cost_and_how_long_it_waited(pulled: Program) -> None:
    tasks = pulled.one("SELECT count(*) FROM quantum_tasks")
    assert pulled.one("SELECT count(*) FROM task_costs") == tasks
    assert pulled.one("SELECT count(*) FROM task_latency") == tasks
    assert pulled.one("SELECT sum(cost_usd) FROM task_costs") > 0
    assert pulled.one("SELECT count(*) FROM task_latency WHERE wait_seconds_lower > wait_seconds_upper") == 0


def test_a_second_run_fetches_open_records_only_and_changes_no_row(
    pulled: Program, emulator: Emulator
) -> None:
    before = pulled.contents()
    open_tasks = pulled.one("SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal")
    open_jobs = pulled.one("SELECT count(*) FROM jobs WHERE NOT is_terminal")
    emulator.reset_stats()
    pulled.ok("sync")
    calls = emulator.stats()["calls"]
    assert calls.get("GetQuantumTask", 0) == open_tasks > 0
    assert calls.get("GetJob", 0) == open_jobs
    assert pulled.contents() == before
    assert "row_hash" in {name for (name, *_) in pulled.rows("DESCRIBE quantum_tasks")}


def test_a_day_that_is_stored_costs_its_pages_and_a_get_for_what_is_listed_otherwise(
    pulled: Program, emulator: Emulator
) -> None:
    """Such as tags that change after the end."""
    day, region, records, arn = pulled.rows(
        "SELECT created_date, region, count(*), min(quantum_task_arn) FROM quantum_tasks "
        "WHERE created_date < '2026-11-18' GROUP BY ALL HAVING bool_and(is_terminal) ORDER BY 3 DESC LIMIT 1"
    )[0]
    emulator.set_tags(arn, {"team": "new owners"})
    emulator.reset_stats()
    pulled.ok("backfill", "--from", str(day), "--to", str(day), "--regions", region)
    calls = emulator.stats()["calls"]
    open_here = pulled.one(
        f"SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal AND region = '{region}'"
    )
    assert calls["SearchQuantumTasks"] == -(-records // 100)
    assert calls["GetQuantumTask"] == open_here + 1
    tags = f"SELECT tags['team'] FROM quantum_tasks WHERE quantum_task_arn = '{arn}'"
    assert pulled.one(tags) == "new owners"


def test_open_records_are_followed_to_their_end(pulled: Program, emulator: Emulator) -> None:
    was_open = {
        arn for (arn,) in pulled.rows("SELECT quantum_task_arn FROM quantum_tasks WHERE NOT is_terminal")
    }
    truth = emulator.truth()
    for hours in (1, 24 * 14):
        emulator.set_clock(now=NOW + timedelta(hours=hours))
        pulled.ok("sync")
    now_open = {
        arn for (arn,) in pulled.rows("SELECT quantum_task_arn FROM quantum_tasks WHERE NOT is_terminal")
    }
    assert not was_open & now_open
    ended = dict(pulled.rows("SELECT quantum_task_arn, ended_at FROM quantum_tasks"))
    for arn in was_open:
        assert abs((ended[arn] - type(NOW).fromisoformat(truth[arn]["ended"])).total_seconds()) < 0.01
    # The interval that polling gives holds the true wait.
    bounds = pulled.rows(
        "SELECT quantum_task_arn, wait_seconds_lower, wait_seconds_upper FROM task_latency "
        "WHERE basis = 'polled' AND NOT is_censored AND end_kind <> 'cancelled_in_queue'"
    )
    assert bounds
    for arn, lower, upper in bounds:
        if truth[arn]["started"] is not None:
            created, started = (type(NOW).fromisoformat(truth[arn][what]) for what in ("created", "started"))
            assert lower - 1.0 <= (started - created).total_seconds() <= upper + 1.0


def test_what_is_created_later_is_found_by_the_next_run_which_tells_a_machine(
    pulled: Program, emulator: Emulator
) -> None:
    before = pulled.one("SELECT count(*) FROM quantum_tasks")
    emulator.set_clock(now=NOW + timedelta(days=1))
    result = json.loads(pulled.ok("sync", "--json"))
    assert result["exit_code"] == 0
    found = pulled.one("SELECT count(*) FROM quantum_tasks") - before
    assert result["steps"]["pull"]["rows"]["quantum_tasks"]["new"] == found > 0


def test_a_record_that_braket_forgot_is_kept_and_marked(pulled: Program, emulator: Emulator) -> None:
    [arn] = pulled.rows(
        "SELECT quantum_task_arn FROM quantum_tasks WHERE NOT is_terminal ORDER BY created_at LIMIT 1"
    )[0]
    with running(tasks=300, jobs=12, days=12, seed=11, now=NOW, frozen=True, quotas=False) as other:
        other.expire(arn)
        pulled.ok("sync", env=other.env())  # not found once is not forgotten: Braket forgets after 90 days
        assert not pulled.one(
            f"SELECT expired_at IS NOT NULL FROM quantum_tasks WHERE quantum_task_arn = '{arn}'"
        )
        other.set_clock(now=NOW + timedelta(days=95))
        pulled.ok("sync", env=other.env())
        assert pulled.one(
            f"SELECT expired_at IS NOT NULL FROM quantum_tasks WHERE quantum_task_arn = '{arn}'"
        )
    assert pulled.one(f"SELECT count(*) FROM quantum_tasks WHERE quantum_task_arn = '{arn}'") == 1


def fetched(emulator: Emulator) -> int:
    """How often a task was asked for."""
    return int(emulator.stats()["calls"].get("GetQuantumTask", 0))


def test_ctrl_c_keeps_what_had_come_and_says_so(program: Program) -> None:
    with running(tasks=1200, jobs=3, days=5, now=NOW, frozen=True, quotas=False) as other:
        program.env = {**other.env(), **START}
        process = program.start("sync", stderr=subprocess.PIPE)
        wait_for(lambda: process.poll() is not None or fetched(other) > 600, "tasks are fetched")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=600)
        assert process.returncode == 130
        assert b"interrupted" in said
        assert b"Traceback" not in said
        calls = other.stats()["calls"]["GetQuantumTask"]
        program.ok("sync")
        assert other.stats()["calls"]["GetQuantumTask"] < calls + 1200, "nothing was kept"
        assert program.one("SELECT count(*) FROM quantum_tasks") > 800


def test_terminating_its_run_in_the_ui_ends_the_program_as_ctrl_c_does(program: Program) -> None:
    with running(tasks=1200, jobs=3, days=5, now=NOW, frozen=True, quotas=False) as other:
        program.env = {**other.env(), **START}
        process = program.start("sync", stderr=subprocess.PIPE)
        wait_for(lambda: process.poll() is not None or fetched(other) > 300, "tasks are fetched")
        with instance_of(program) as instance:
            [run] = instance.get_runs()
            assert instance.run_launcher.terminate(run.run_id), "the UI would say that it cannot"
            _, said = process.communicate(timeout=600)
            assert process.returncode == 130, said
            assert b"terminated in the Dagster UI" in said
            assert b"Traceback" not in said
            ended = instance.get_run_by_id(run.run_id)
            assert ended is not None
            assert ended.status is DagsterRunStatus.CANCELED
    assert program.rows(f"SELECT outcome FROM etl.runs WHERE run_id = '{run.run_id}'") == [("failure",)]
    assert program.one("SELECT count(*) FROM quantum_tasks") > 0


def test_without_credentials_one_clear_line_and_exit_2(program: Program, emulator: Emulator) -> None:
    done = program.run("sync", env={"AWS_ENDPOINT_URL_BRAKET": emulator.url})
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line]
    assert "no AWS credentials" in line


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (["sync", "--regions", "us-esat-1"], {}, "us-east-1"),
        (["sync"], {"BRAKET_ETL_QUOTA_SHARE": "7"}, "BRAKET_ETL_QUOTA_SHARE"),
        (["sync"], {"AWS_PROFILE": "nobody"}, "nobody"),
        (["sync", "--account", "lab"], {}, "lab"),
        (["sync"], {"BRAKET_ETL_GROUP": "no such group"}, "no such group"),
        (["backfill", "--from", "2026-11-20", "--to", "2026-11-19"], {}, "before"),
        (["backfill", "--from", "2019-01-01", "--to", "2019-01-02"], {}, "2020-08-13"),
        (["backfill", "--from", "today", "--to", "2026-11-19"], {}, "today"),
        (["sync", "--colour"], {}, "--colour"),
        (["synch"], {}, "sync"),
    ],
)
def test_bad_usage_is_told_in_a_line_with_exit_2(
    program: Program, emulator: Emulator, arguments: list[str], env: dict[str, str], said: str
) -> None:
    program.env = emulator.env()
    done = program.run(*arguments, env=env)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not program.home.exists() or not program.writer.exists()


def test_runs_are_in_dagster_and_in_etl_runs(pulled: Program) -> None:
    with instance_in(pulled.home / "dagster") as instance:
        [run] = instance.get_runs()
        assert (run.job_name, run.status.value) == ("sync", "SUCCESS")
    assert pulled.rows("SELECT kind, outcome FROM etl.runs") == [("sync", "success")]
    assert pulled.one("SELECT run_id FROM etl.runs") == run.run_id
