"""`braket-etl status`: one screen that agrees with the tables, also where there is nothing yet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from braket_emulator import Emulator, running
from braket_etl.health.schedules import OURS, Schedules, schedules
from braket_etl.orchestration.schedules import SCHEDULES
from braket_etl.settings import Settings
from tests.conftest import Program


@pytest.fixture(scope="module")
def today() -> Iterator[Emulator]:
    """An account whose clock is this machine's, so that this month has spending."""
    with running(tasks=100, jobs=5, days=40, seed=5, quotas=False) as started:
        yield started


@pytest.fixture(scope="module")
def synced(today: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Program:
    program = Program(tmp_path_factory.mktemp("synced") / "home", today.env())
    rejected = next(arn for arn in sorted(today.truth()) if ":quantum-task/" in arn)
    today.set_faults(
        [
            {
                "kind": "missing_required",
                "member": "shots",
                "operations": ["GetQuantumTask"],
                "arns": [rejected],
            }
        ]
    )
    program.ok("sync")
    return program


def status(program: Program) -> Any:
    return json.loads(program.ok("status", "--json"))


def test_what_is_shown_is_what_the_tables_hold(synced: Program) -> None:
    told = status(synced)
    assert told["published"] == str(synced.published)
    tables = {each["table"]: each for each in told["tables"]}
    tasks = tables["quantum_tasks"]
    assert tasks["rows"] == synced.one("SELECT count(*) FROM quantum_tasks")
    assert tasks["open"] == synced.one("SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal") > 0
    assert datetime.fromisoformat(tasks["newest"]) == synced.one("SELECT max(fetched_at) FROM quantum_tasks")
    assert tasks["rejected"] == told["rejects"] == 1
    assert tables["prices"]["rows"] == synced.one("SELECT count(*) FROM prices")
    assert sum(each["n"] for each in told["waiting"]) == synced.one(
        "SELECT (SELECT count(*) FROM task_latency WHERE is_censored AND end_kind IS NULL) "
        "+ (SELECT count(*) FROM job_latency WHERE is_censored AND end_kind IS NULL)"
    )
    assert {each["region"] for each in told["searched"]} == {
        region for (region,) in synced.rows("SELECT DISTINCT region FROM etl.coverage")
    }
    assert told["drift"] == synced.one("SELECT count(*) FROM etl.schema_drift")


def test_spending_is_of_this_month_and_the_last(synced: Program) -> None:
    this, last = status(synced)["spent"]
    first = datetime.now(UTC).date().replace(day=1)
    assert this["month"] == f"{first:%Y-%m}"
    assert last["month"] == f"{first - timedelta(days=1):%Y-%m}"
    total = "SELECT sum(cost_usd) FROM daily_costs WHERE strftime(charge_date, '%Y-%m') = '{}'"
    for month in (this, last):
        assert Decimal(month["cost_usd"]) == (synced.one(total.format(month["month"])) or 0)
    assert Decimal(this["cost_usd"]) + Decimal(last["cost_usd"]) > 0


def test_the_last_run_is_told_as_it_went(synced: Program) -> None:
    run = status(synced)["runs"][0]
    assert run["kind"] == "sync"
    assert run["outcome"] == synced.one("SELECT outcome FROM etl.runs ORDER BY started_at DESC LIMIT 1")
    kept = ("quantum_tasks", "jobs", "job_events", "task_results", "prices")
    assert run["new"] >= sum(
        synced.one(f"SELECT count(*) FROM {table}") for table in kept if table != "prices"
    )
    assert run["problems"] == 0


def test_it_fits_one_screen(synced: Program) -> None:
    shown = synced.ok("status", env={"COLUMNS": "80"}).splitlines()
    assert len(shown) <= 40
    assert max(len(line.rstrip()) for line in shown) <= 80
    text = "\n".join(shown)
    assert "rejects: 1; `braket-etl rejects list`" in text
    assert f"what is published as {synced.published}" in synced.run("status").stderr
    assert "\x1b" not in text


def test_before_the_first_run_it_says_what_to_do_and_makes_nothing(program: Program) -> None:
    done = program.run("status")
    assert done.returncode == 0
    assert "braket-etl sync" in done.stderr
    assert json.loads(program.ok("status", "--json")) == {"published": None}
    assert not program.home.exists()


def test_a_copy_of_another_version_is_told_without_a_traceback(program: Program) -> None:
    program.home.mkdir()
    with duckdb.connect(str(program.published)) as connection:
        connection.execute("CREATE TABLE quantum_tasks (quantum_task_arn VARCHAR)")
    done = program.run("status")
    assert done.returncode == 1
    assert "another version" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_monitor_gets_an_exit_code_and_the_reason(program: Program, synced: Program) -> None:
    assert program.run("status", "--fail").returncode == 1
    assert synced.run("status", "--fail").returncode == 1  # an answer of Braket is missing
    assert synced.run("status").returncode == 0
    told = synced.run("status", "--fail", "--json")
    assert json.loads(told.stdout)["wrong"] == [
        line.removeprefix("error: ") for line in told.stderr.splitlines()
    ]
    program.home.mkdir()
    shutil.copy(synced.published, program.published)
    with duckdb.connect(str(program.published)) as connection:
        connection.execute("DELETE FROM etl.rejected_records; UPDATE etl.coverage SET stored = listed")
    assert program.ok("status", "--fail")
    with duckdb.connect(str(program.published)) as connection:
        connection.execute("UPDATE etl.coverage SET searched_at = searched_at - INTERVAL 25 HOUR")
        connection.execute("UPDATE etl.runs SET outcome = 'failure'")
    done = program.run("status", "--fail")
    assert done.returncode == 1
    assert "was last searched 25 h ago" in done.stderr
    assert "the last run, sync, failed" in done.stderr


def test_where_the_schedules_stand(program: Program) -> None:
    """A tick is noted as the daemon does it."""
    settings = Settings(home=program.home)
    assert schedules(settings) == Schedules(False, None, ())
    assert set(OURS) == {schedule.name for schedule in SCHEDULES}
