"""Days that cost far more than such days do: listed, and told once, one message a day at most."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from bench.anomalies import FACTORS, alarms, drawn
from braket_etl.orchestration.sensors import tell_of_unusual_spending
from braket_etl.runtime import Runtime
from tests.cost_cases import TASK_PRICES, load, store, task, warehouse
from tests.receivers import Hook

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def priced() -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse() as connection:
        load(connection, TASK_PRICES)
        yield connection


def spent(n: int, days_ago: int, times: int = 1) -> dict[str, Any]:
    """A task of 0.30 USD and 0.29 USD for each time, that ended so many days ago."""
    at = (NOW - timedelta(days=days_ago)).isoformat()
    return task(
        n, createdAt=at, endedAt=at, shots=200 * times, numSuccessfulShots=None, tags={"project": "a"}
    )


def quiet(days: int = 60) -> list[dict[str, Any]]:
    """A task each day, some days two, but not yesterday and today."""
    return [spent(n, n) for n in range(2, days)] + [spent(1000 + n, n) for n in range(2, days, 3)]


def yesterday(cursor: str) -> str:
    """The cursor of a sensor that told what it says a day earlier."""
    return json.dumps({**json.loads(cursor), "on": "2000-01-01"})


def listed(connection: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
    return dict(connection.execute("SELECT scope, spent_usd FROM spend_anomalies").fetchall())


def test_a_day_that_costs_far_more_is_listed_in_each_scope(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, *quiet(), spent(5000, 1), fetched_at=NOW)
    assert listed(priced) == {}
    store(priced, spent(5001, 1, times=100), fetched_at=NOW)
    found = listed(priced)
    assert found.keys() == {"all", "device", "project on device"}
    ((usd,),) = priced.execute(
        "SELECT sum(net_usd) FROM charges WHERE charge_date = ?", [(NOW - timedelta(days=1)).date()]
    ).fetchall()
    assert set(found.values()) == {usd}


def test_nothing_is_said_before_enough_is_known(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, *quiet(12), spent(5001, 1, times=100), fetched_at=NOW)
    assert listed(priced) == {}


def test_a_mistake_is_found_and_worlds_are_drawn_alike() -> None:
    """The figures of docs/budgets.md are those of python -m bench.anomalies; here, that they can be made."""
    world = drawn(1, FACTORS[-1])
    assert world.mistake in alarms(world)
    assert (drawn(1, None).usd == drawn(1, None).usd).all()
    assert len(alarms(drawn(1, None))) < 10


def test_people_are_told_once_and_once_a_day_at_most(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path))
    monkeypatch.setenv("BRAKET_ETL_NOTIFY", hook.address)

    def tick(cursor: str | None = None) -> Any:
        with dg.build_sensor_context(cursor=cursor, resources={"runtime": Runtime()}) as context:
            return tell_of_unusual_spending(context)

    def show() -> None:
        priced.execute("CHECKPOINT")
        ((file,),) = priced.execute("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
        shutil.copyfile(file, tmp_path / "warehouse.duckdb")

    assert "cannot be asked" in tick().skip_message
    store(priced, *quiet(), fetched_at=NOW)
    show()
    nothing = tick()
    assert "stands out" in nothing.skip_reason.skip_message
    assert "nothing was published" in tick(nothing.cursor).skip_message
    store(priced, spent(5001, 1, times=100), fetched_at=NOW)
    show()
    first = tick(nothing.cursor)
    (posted,) = hook.received
    assert posted["title"].startswith("Braket: unusual spending on ")
    assert "a on Garnet" in posted["message"]
    store(priced, spent(5002, 0, times=200), fetched_at=NOW)
    show()
    assert "told today" in tick(first.cursor).skip_message
    # on the next day what is new is told, and nothing else
    later = tick(yesterday(first.cursor))
    assert len(hook.received) == 2
    assert f"- {NOW:%Y-%m-%d}, a on Garnet" in hook.received[1]["message"]
    assert f"- {NOW - timedelta(days=1):%Y-%m-%d}" not in hook.received[1]["message"]
    assert "stands out" in tick(yesterday(later.cursor)).skip_reason.skip_message
