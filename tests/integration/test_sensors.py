"""Who is told what: failed runs and reached amounts, once each, at a real web hook."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from braket_emulator import running
from braket_etl.costs.spend import period_of
from braket_etl.orchestration.build import build_defs
from braket_etl.orchestration.instance import code_location
from braket_etl.orchestration.jobs import OBSERVE_CONFIG, pull_config
from braket_etl.orchestration.sensors import tell_of_failed_runs, tell_of_spend
from braket_etl.runtime import Runtime
from braket_etl.settings import DEMO_MARK
from tests.receivers import Hook, free_port


@pytest.fixture
def home(tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of a user's own, who is told at the hook."""
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path))
    monkeypatch.setenv("BRAKET_ETL_NOTIFY", hook.address)
    return tmp_path


@pytest.fixture
def copy(home: Path, demo_home: Path) -> duckdb.DuckDBPyConnection:
    """The demo's published copy, where it is taken for the user's."""
    shutil.copyfile(demo_home / "warehouse.duckdb", home / "warehouse.duckdb")
    return duckdb.connect(str(home / "warehouse.duckdb"), read_only=True)


def alerts(monkeypatch: pytest.MonkeyPatch, *wanted: dict[str, Any]) -> None:
    monkeypatch.setenv("BRAKET_ETL_SPEND_ALERTS", json.dumps(wanted))


def tick(cursor: str | None = None) -> Any:
    """One evaluation of the spend sensor, in a process that has just loaded the settings."""
    with dg.build_sensor_context(cursor=cursor, resources={"runtime": Runtime()}) as context:
        return tell_of_spend(context)


def total(copy: duckdb.DuckDBPyConnection, model: str, name: str, where: str = "true") -> Decimal:
    """What a model says was spent, committed and accrued in the month of that name."""
    found: Decimal = copy.execute(
        f"SELECT coalesce(sum(net_usd + committed_usd + accrued_usd), 0) FROM {model} "
        f"WHERE strftime(charge_date, '%Y-%m') = ? AND {where}",
        [name],
    ).fetchall()[0][0]
    return found


def test_an_amount_that_is_reached_is_told_once(
    copy: duckdb.DuckDBPyConnection, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts(
        monkeypatch,
        {"name": "lab", "period": "month", "usd": 0.01},
        {"name": "chem", "usd": "0.01", "tag": "team=chem"},
        {"name": "unreached", "period": "day", "usd": 1e9},
    )
    first = tick()
    # on the first day of a month the last one is still looked at
    months = {f"{datetime.now(UTC) - timedelta(days=n):%Y-%m}" for n in (0, 1)}
    expected = {
        f"{month} UTC: {usd:,.2f} USD."
        for month in months
        for usd in (
            total(copy, "daily_costs", month),
            total(copy, "tag_costs", month, "tag_key = 'team' AND tag_value = 'chem'"),
        )
        if usd > 0
    }
    told = [posted["message"] for posted in hook.received]
    assert {line for message in told for line in expected if line in message} == expected
    assert len(told) == len(expected)
    assert not any("unreached" in message for message in told)
    assert tick(first.cursor).cursor == first.cursor
    assert len(hook.received) == len(told)


def test_an_amount_that_was_changed_is_told_again(
    copy: duckdb.DuckDBPyConnection, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = copy.execute("SELECT any_value(account_id) FROM daily_costs").fetchall()[0][0]
    alerts(monkeypatch, {"name": "lab", "usd": 0.01, "account": account})
    first = tick()
    told = len(hook.received)
    assert told >= 1
    alerts(monkeypatch, {"name": "lab", "usd": 0.02, "account": account})
    second = tick(first.cursor)
    assert len(hook.received) == 2 * told
    assert len(json.loads(second.cursor)) == told, "what is no longer looked at is forgotten"
    alerts(monkeypatch, {"name": "lab", "usd": 0.02, "account": "999999999999"})
    assert json.loads(tick(second.cursor).cursor) == []


def test_what_could_not_be_told_is_told_at_the_next_tick(
    copy: duckdb.DuckDBPyConnection, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts(monkeypatch, {"name": "lab", "usd": 0.01})
    dead = f"json://127.0.0.1:{free_port()}/"
    monkeypatch.setenv("BRAKET_ETL_NOTIFY", dead)
    failed = tick()
    assert json.loads(failed.cursor) == []
    monkeypatch.setenv("BRAKET_ETL_NOTIFY", f"{dead},{hook.address}")
    told = tick(failed.cursor)
    assert len(json.loads(told.cursor)) == len(hook.received) > 0


def test_without_an_address_the_log_is_told(
    copy: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BRAKET_ETL_NOTIFY")
    alerts(monkeypatch, {"name": "lab", "usd": 0.01})
    assert json.loads(tick().cursor)
    assert "lab has reached" in "".join(capfd.readouterr())


def test_the_spend_sensor_says_why_it_does_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "BRAKET_ETL_SPEND_ALERTS" in tick().skip_message
    alerts(monkeypatch, {"name": "lab", "usd": 1})
    assert "cannot be asked" in tick().skip_message
    (home / DEMO_MARK).touch()
    assert "demo" in tick().skip_message


def test_periods_are_utc_days_and_months() -> None:
    leap_day = datetime(2028, 2, 29, tzinfo=UTC).date()
    month = period_of("month", leap_day)
    assert (month.name, month.first.day, month.last.day) == ("2028-02", 1, 29)
    day = period_of("day", leap_day)
    assert (day.name, day.first, day.last) == ("2028-02-29", leap_day, leap_day)


def failing_run(instance: dg.DagsterInstance, job: str, config: dict[str, Any]) -> str:
    """Run a job that fails, between two ticks of the sensor; the run's id."""
    first = failure_tick(instance, None)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    resolved = build_defs(runtime=Runtime()).resolve_job_def(job)
    result = resolved.execute_in_process(config | quiet, instance=instance, raise_on_error=False)
    assert not result.success
    failure_tick(instance, first.cursor)
    return result.run_id


def failure_tick(
    instance: dg.DagsterInstance, cursor: str | None, code: RegisteredCodeLocationOrigin | None = None
) -> Any:
    """A tick for runs of no code location, as on the command line, or of that one, as of its daemon."""
    with dg.SensorEvaluationContext(
        None,
        cursor=cursor,
        instance=instance,
        definitions=build_defs(runtime=Runtime()),
        repository_name="__repository__" if code else None,
        code_location_origin=code,
        resources={"runtime": dg.ResourceDefinition.hardcoded_resource(Runtime())},
    ) as context:
        return tell_of_failed_runs.evaluate_tick(context)


def test_a_run_that_could_not_reach_a_region_is_told_with_account_and_region(
    home: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAKET_ETL_REGIONS", "us-east-1,eu-north-1")
    monkeypatch.setenv("BRAKET_ETL_PRICE_LIST", "off")
    monkeypatch.setenv("BRAKET_ETL_START_DATE", f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}")
    with (
        running(tasks=20, jobs=2, days=1, seed=3, quotas=False) as emulator,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        for name, value in emulator.env().items():
            monkeypatch.setenv(name, value)
        emulator.set_faults([{"kind": "access_denied", "probability": 1, "regions": ["eu-north-1"]}])
        run_id = failing_run(instance, "sync", pull_config(only_due=True))
    (posted,) = hook.received
    assert posted["title"] == "Braket: sync failed"
    assert run_id in posted["message"]
    assert "default/eu-north-1 SearchQuantumTasks" in posted["message"]
    assert "us-east-1" not in posted["message"]
    assert "everything_was_reached" not in posted["message"], "the check only repeats the problems"
    assert "braket-etl doctor" in posted["message"]


def test_a_run_that_broke_before_it_published_is_told_with_its_step(home: Path, hook: Hook) -> None:
    (home / "writer").mkdir()
    (home / "writer" / "warehouse.duckdb").write_text("no database")
    with dg.DagsterInstance.ephemeral() as instance:
        failing_run(instance, "observe", OBSERVE_CONFIG)
        failing_run(instance, "observe", OBSERVE_CONFIG)
    (posted,) = hook.received  # of the second, which failed alike, nobody is told again that day
    assert "refresh_open_records:" in posted["message"]
    assert "cannot be opened" in posted["message"]


def test_a_run_on_the_command_line_silences_no_message_of_the_daemon(home: Path, hook: Hook) -> None:
    """Whoever started it saw it fail; those who are told of the daemon's runs did not."""
    code = RegisteredCodeLocationOrigin(code_location())
    daemons = RemoteJobOrigin(RemoteRepositoryOrigin(code, "__repository__"), "observe")
    failed: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        for origin in (None, daemons, None, daemons):
            before = failure_tick(instance, None, code if origin else None)
            run = instance.add_run(dg.DagsterRun("observe", str(uuid4()), remote_job_origin=origin))
            instance.report_run_failed(run, "its process is gone")
            failure_tick(instance, before.cursor, code if origin else None)
            failed.append(run.run_id)
    told = [
        [place for place, run_id in enumerate(failed) if run_id in each["message"]] for each in hook.received
    ]
    assert told == [[0], [1]], "each side is told once"
    assert "its process is gone" in hook.received[1]["message"]


def test_nobody_is_told_of_a_demo(home: Path, hook: Hook) -> None:
    (home / DEMO_MARK).touch()
    with dg.DagsterInstance.ephemeral() as instance:
        failing_run(instance, "observe", OBSERVE_CONFIG)
    assert hook.received == []


def test_sensors_run_and_tables_are_expected_fresh_by_default() -> None:
    definitions = build_defs()
    assert {sensor.name: sensor.default_status.value for sensor in definitions.sensors or ()} == {
        "tell_of_failed_runs": "RUNNING",
        "tell_of_spend": "RUNNING",
        "tell_of_budgets": "RUNNING",
        "tell_of_the_week": "RUNNING",
        "tell_of_unusual_spending": "RUNNING",
    }
    fresh = {
        spec.key.path[-1]: spec.freshness_policy
        for spec in definitions.resolve_all_asset_specs()
        if spec.freshness_policy
    }
    assert {"quantum_tasks", "jobs", "job_events", "open_records", "published_warehouse"} <= fresh.keys()
    assert set(fresh.values()) == {
        dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=24), warn_window=timedelta(hours=3))
    }
