"""Budgets: what counts against each, the forecast for its end, and that each threshold is told once."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from braket_etl.costs.owner_files import take_over
from braket_etl.health.standing import standing
from braket_etl.orchestration.sensors import tell_of_budgets
from braket_etl.runtime import Runtime
from braket_etl.warehouse.queries import answer, named_query
from tests.cost_cases import (
    ACCOUNT,
    GARNET,
    SV1,
    job,
    one,
    store,
    task,
    usd,
)
from tests.receivers import Hook

pytestmark = pytest.mark.warehouse

#: The day of the newest answer.
TODAY = datetime(2026, 10, 21, 6, tzinfo=UTC)
GRANT = (
    '[[budgets]]\nname = "grant"\namount_usd = 10\nfrom = 2026-10-10\nto = 2026-10-31\ntag = "project=a"\n'
)
ALL = '[[budgets]]\nname = "all"\namount_usd = 100\nperiod = "month"\n'


def keep(connection: duckdb.DuckDBPyConnection, folder: Path, budgets: str) -> None:
    (folder / "budgets.toml").write_text(budgets)
    assert take_over(connection, folder / "allocations.toml", folder / "budgets.toml") == []


def ended(n: int, day: int, **members: Any) -> dict[str, Any]:
    """A task of 0.445 USD that ended on that day of October."""
    at = f"2026-10-{day:02}T12:00:00Z"
    return task(n, createdAt=at, endedAt=at, **members)


def status_of(connection: duckdb.DuckDBPyConnection, budget: str) -> dict[str, Any]:
    return one(connection, "SELECT * FROM budget_status WHERE budget = ?", budget)


def test_a_budget_counts_its_scope_and_its_days_alone(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    in_job = job(
        tags={"project": "a"},
        status="RUNNING",
        createdAt="2026-10-20T20:00:00Z",
        startedAt="2026-10-20T20:00:00Z",
        endedAt=None,
        billableDuration=None,
    )
    store(
        priced,
        in_job,
        ended(1, 9, tags={"project": "a"}),  # before it
        ended(2, 10, tags={"project": "a"}),
        ended(3, 15, tags={"project": "b"}),
        ended(4, 16, device=SV1, tags={"project": "a"}),  # of no known cost
        task(5, createdAt="2026-10-20T12:00:00Z", status="QUEUED", endedAt=None, tags={"project": "a"}),
        fetched_at=TODAY,
    )
    priced.execute("UPDATE quantum_tasks SET created_by = 'ann' WHERE quantum_task_arn LIKE '%/3'")
    keep(
        priced,
        tmp_path,
        GRANT
        + ALL
        + GRANT.replace("grant", "device").replace('tag = "project=a"', 'device = "Garnet"')
        + GRANT.replace("grant", "arn").replace('tag = "project=a"', f'device = "{GARNET}"')
        + GRANT.replace("grant", "ann").replace('tag = "project=a"', 'person = "ann"')
        + GRANT.replace("grant", "other").replace('tag = "project=a"', 'account = "999999999999"')
        + GRANT.replace("grant", "ann's b").replace("project=a", "project=b")
        + 'person = "ann"\naccount = "123456789012"',
    )
    grant = status_of(priced, "grant")
    assert (grant["scope"], grant["period_from"], grant["period_to"]) == (
        "tag project=a",
        date(2026, 10, 10),
        date(2026, 10, 31),
    )
    assert (grant["spent_usd"], grant["committed_usd"]) == (usd("0.445"), usd("0.445"))
    assert grant["accrued_usd"] == 10 * usd("0.15")
    assert grant["used_share"] == pytest.approx((0.445 + 1.5) / 10)
    assert grant["remaining_usd"] == usd("8.055")
    every = status_of(priced, "all")
    assert (every["scope"], every["spent_usd"]) == ("everything", 3 * usd("0.445"))
    assert (every["period_from"], every["period_to"]) == (date(2026, 10, 1), date(2026, 10, 31))
    spent = dict(priced.execute("SELECT budget, spent_usd FROM budget_status").fetchall())
    assert spent["device"] == spent["arn"] == 2 * usd("0.445")
    assert spent["ann"] == spent["ann's b"] == usd("0.445")
    assert spent["other"] == 0
    shown = [(each.budget, each.used_usd) for each in standing(priced).budgets]
    assert ("grant", usd("1.945")) in shown
    assert len(shown) == 7


def test_the_forecast_is_the_rate_of_whole_days_and_its_interval(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    # one task a day for 20 days: the days left will be like them
    keep(priced, tmp_path, ALL)
    store(priced, *(ended(day, day) for day in range(1, 21)), fetched_at=TODAY)
    found = status_of(priced, "all")
    assert (found["spent_usd"], found["days_left"], found["as_of"]) == (
        20 * usd("0.445"),
        10,
        date(2026, 10, 21),
    )
    assert float(found["forecast_usd"]) == pytest.approx(30 * 0.445)
    assert float(found["forecast_lower_usd"]) == pytest.approx(30 * 0.445)
    # a day unlike the others makes it uncertain
    store(priced, *(ended(100 + n, 15) for n in range(20)), fetched_at=TODAY)
    wild = status_of(priced, "all")
    assert wild["spent_usd"] <= wild["forecast_lower_usd"] < wild["forecast_usd"] < wild["forecast_upper_usd"]
    assert float(wild["forecast_usd"]) == pytest.approx(40 * 0.445 * 1.5)


def test_a_budget_that_is_over_or_not_begun_has_no_days_to_guess(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    late = (
        GRANT.replace("2026-10-10", "2026-11-01").replace("2026-10-31", "2026-11-10").replace("grant", "late")
    )
    early = GRANT.replace("2026-10-31", "2026-10-12").replace("grant", "early")
    keep(priced, tmp_path, late + early)
    store(priced, *(ended(day, day, tags={"project": "a"}) for day in range(1, 21)), fetched_at=TODAY)
    early_status, late_status = status_of(priced, "early"), status_of(priced, "late")
    assert (early_status["days_left"], early_status["forecast_usd"]) == (0, 3 * usd("0.445"))
    assert (late_status["days_left"], late_status["spent_usd"]) == (10, 0)
    assert float(late_status["forecast_usd"]) == pytest.approx(10 * 0.445)


def test_without_data_a_budget_is_unused(priced: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    keep(priced, tmp_path, GRANT + ALL)
    found = status_of(priced, "grant")
    assert (found["spent_usd"], found["accrued_usd"], found["used_share"]) == (0, 0, 0)


def test_what_drove_a_budget_is_named(priced: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    keep(priced, tmp_path, GRANT)
    store(priced, ended(1, 12, tags={"project": "a"}), ended(2, 13), fetched_at=TODAY)
    drove = answer(priced, named_query("budget_drivers"), {"budget": "grant"}).records()
    assert [(each["device"], each["job"], each["spent_usd"]) for each in drove] == [
        ("Garnet", "(no job)", usd("0.445"))
    ]


@pytest.fixture
def published(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> duckdb.DuckDBPyConnection:
    """A warehouse whose copy is shown by `show`, in a home of a user who is told at the hook."""
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path))
    monkeypatch.setenv("BRAKET_ETL_NOTIFY", hook.address)
    return priced


def show(connection: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Let readers see what is stored."""
    connection.execute("CHECKPOINT")
    (file,) = (
        connection.execute("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL").fetchone() or ()
    )
    shutil.copyfile(file, home / "warehouse.duckdb")


def tick(cursor: str | None = None) -> Any:
    """One evaluation in a process that has just started."""
    with dg.build_sensor_context(cursor=cursor, resources={"runtime": Runtime()}) as context:
        return tell_of_budgets(context)


def test_each_threshold_is_told_once_over_restarts(
    published: duckdb.DuckDBPyConnection, tmp_path: Path, hook: Hook
) -> None:
    assert "cannot be asked" in tick().skip_message
    show(published, tmp_path)
    assert "no budget" in tick().skip_message
    keep(published, tmp_path, GRANT + "thresholds = [0.5, 0.8, 1]\n")
    store(published, *(ended(n, 10, tags={"project": "a"}) for n in range(10)), fetched_at=TODAY)
    show(published, tmp_path)
    first = tick()
    told = len(hook.received)
    store(published, *(ended(100 + n, 20, tags={"project": "a"}) for n in range(9)), fetched_at=TODAY)
    show(published, tmp_path)
    second = tick(first.cursor)  # 8.455 of 10
    assert len(hook.received) == told + 1
    posted = hook.received[-1]
    assert "grant is used to 85%" in posted["title"]
    assert "8.46 USD spent" in posted["message"] or "8.45 USD spent" in posted["message"]
    assert "- Garnet, (no job): 8.4" in posted["message"]
    assert tick(second.cursor).cursor == second.cursor
    assert len(hook.received) == told + 1
    # another amount is another budget to tell of
    keep(published, tmp_path, GRANT.replace("10\n", "11\n", 1))
    show(published, tmp_path)
    third = tick(second.cursor)
    assert len(hook.received) == told + 2
    assert second.cursor != third.cursor


def test_a_forecast_is_told_before_the_money_is_gone(
    published: duckdb.DuckDBPyConnection, tmp_path: Path, hook: Hook
) -> None:
    keep(published, tmp_path, ALL.replace("100", "12") + "thresholds = [1]\n")
    store(published, *(ended(day, day) for day in range(1, 21)), fetched_at=TODAY)
    show(published, tmp_path)
    tick()
    (posted,) = hook.received
    assert "all is used to 74%, 111% by forecast" in posted["title"]
    assert ACCOUNT not in posted["message"]


def test_what_runs_uses_a_budget_up(published: duckdb.DuckDBPyConnection, tmp_path: Path, hook: Hook) -> None:
    """A job that runs uses a budget up before it has ended, and so before it has a cost."""
    keep(published, tmp_path, ALL.replace("100", "2") + "thresholds = [0.5]\n")
    body = job(
        status="RUNNING",
        createdAt=(TODAY - timedelta(hours=9)).isoformat(),
        startedAt=(TODAY - timedelta(hours=8)).isoformat(),
        endedAt=None,
        billableDuration=None,
    )
    store(published, body, fetched_at=TODAY)
    show(published, tmp_path)
    tick()
    assert "1.20 USD by what runs" in hook.received[0]["message"]
