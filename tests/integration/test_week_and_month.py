"""What comes by itself: the message about the last week, told once, and the statements of the month that has ended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from braket_etl.orchestration.assets.statements import statements
from braket_etl.orchestration.digest import week_before
from braket_etl.orchestration.schedules import monthly_statements
from braket_etl.orchestration.sensors import tell_of_the_week
from braket_etl.runtime import Runtime
from braket_etl.warehouse.models import refresh_models
from tests.cost_cases import TASK_PRICES, load, store, task, warehouse
from tests.integration.test_statement import search
from tests.receivers import Hook

TUESDAY = datetime(2026, 10, 20, 6, tzinfo=UTC)


@pytest.fixture
def told(tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with prices, in a home of a user who asks for the message of the week."""
    for name, value in {"HOME": tmp_path, "NOTIFY": hook.address, "DIGEST": "weekly"}.items():
        monkeypatch.setenv(f"BRAKET_ETL_{name}", str(value))
    with warehouse() as connection:
        load(connection, TASK_PRICES)
        yield connection


def show(connection: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Let readers see what is stored."""
    connection.execute("CHECKPOINT")
    ((file,),) = connection.execute("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
    shutil.copyfile(file, home / "warehouse.duckdb")


def ended(n: int, day: int, project: str) -> dict[str, Any]:
    """A task of 0.445 USD that ended on that day of October."""
    at = f"2026-10-{day:02}T12:00:00Z"
    return task(n, createdAt=at, endedAt=at, tags={"project": project})


def tick(cursor: str | None = None) -> Any:
    """One evaluation in a process that has just started."""
    with dg.build_sensor_context(cursor=cursor, resources={"runtime": Runtime()}) as context:
        return tell_of_the_week(context)


@pytest.mark.parametrize("day", [19, 20, 25])
def test_a_week_is_monday_to_sunday(day: int) -> None:
    week = week_before(date(2026, 10, day))
    assert (week.first, week.last) == (date(2026, 10, 12), date(2026, 10, 18))


def test_each_week_is_told_once_over_restarts(
    told: duckdb.DuckDBPyConnection, tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "cannot be asked" in tick().skip_message
    store(
        told, ended(1, 6, "a"), *(ended(n, 13, "a") for n in (2, 3)), ended(4, 18, "<b>"), fetched_at=TUESDAY
    )
    told.execute(
        "INSERT INTO budgets BY NAME SELECT 'all' AS budget, 2 AS amount_usd, [1] AS thresholds, now() AS read_at"
    )
    told.execute(
        "INSERT INTO budgets BY NAME SELECT 'to come' AS budget, 2 AS amount_usd, [1] AS thresholds, now() AS read_at, "
        "DATE '2027-01-01' AS first_day, DATE '2027-12-31' AS last_day"
    )
    show(told, tmp_path)
    first = tick()
    (posted,) = hook.received
    assert posted["title"] == "Braket, the week from 2026-10-12: 1.34 USD"
    for line in (
        "1.34 USD, 0.44 USD the week before",
        "- a: 0.89 USD (0.44)",
        "- <b>: 0.44 USD (0.00)",
        "- Garnet: 1.34 USD",
    ):
        assert line in posted["message"]
    assert "- all: 89% of 2.00 USD used by 2026-10-20" in posted["message"]
    assert "to come" not in posted["message"]
    assert "Missing:" in posted["message"]
    assert "was told" in tick(first.cursor).skip_message
    assert len(hook.received) == 1
    store(told, ended(5, 20, "a"), fetched_at=datetime(2026, 10, 26, 1, tzinfo=UTC))
    show(told, tmp_path)
    second = tick(first.cursor)
    assert (len(hook.received), second.cursor) == (2, "2026-10-19")
    monkeypatch.setenv("BRAKET_ETL_DIGEST", "off")
    assert "nobody asks" in tick(None).skip_message


def test_the_statements_of_a_month_are_pages(
    told: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAKET_ETL_STATEMENTS", "project, cost centre/1")
    store(told, ended(1, 6, "a"), fetched_at=TUESDAY)
    show(told, tmp_path)
    done = dg.materialize([statements], partition_key="2026-10-01", resources={"runtime": Runtime()})
    assert done.success
    assert sorted(file.name for file in (tmp_path / "statements").iterdir()) == [
        "2026-10-cost_centre_1.html",
        "2026-10-project.html",
    ]
    assert "statement by project" in (tmp_path / "statements" / "2026-10-project.html").read_text("utf-8")


def test_a_month_without_anything_to_close_has_its_page_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOME": tmp_path, "STATEMENTS": "project,team", "CLOSE_STATEMENTS": "true"}.items():
        monkeypatch.setenv(f"BRAKET_ETL_{name}", str(value))
    runtime = Runtime()
    with runtime.warehouse.writing("storing") as connection:
        refresh_models(connection)
        load(connection, TASK_PRICES)
        store(connection, ended(1, 6, "a"), fetched_at=TUESDAY)
        search(connection, "2026-12-01T01:00:00Z")
    for month in ("2026-10-01", "2026-09-01"):
        resources = {"runtime": runtime}
        assert dg.materialize([statements], partition_key=month, resources=resources).success
    assert len(list((tmp_path / "statements").glob("*.html"))) == 4
    with runtime.warehouse.reading() as connection:
        found = connection.execute("SELECT owner_key, period_from FROM closed_statements").fetchall()
    assert found == [("project", date(2026, 10, 1))]


def test_the_schedule_asks_for_the_month_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path))

    def asked() -> Any:
        at = datetime(2026, 11, 3, 5, 17, tzinfo=UTC)
        with dg.build_schedule_context(
            scheduled_execution_time=at, resources={"runtime": Runtime()}
        ) as context:
            return monthly_statements(context)

    assert "BRAKET_ETL_STATEMENTS" in asked().skip_message
    monkeypatch.setenv("BRAKET_ETL_STATEMENTS", "project")
    request = asked()
    assert (request.partition_key, request.run_key) == ("2026-10-01", "2026-10-01")
