"""Sums that are kept by day: whatever changes in what they are made of, they are those that are computed anew."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import duckdb
import pytest

from braket_etl.warehouse.models import models
from braket_etl.warehouse.settled import CHARGE_SUMS, settle, unsettle
from tests.cost_cases import (
    GARNET,
    START,
    SV1,
    TASK_PRICES,
    Result,
    instance_and_volume,
    job,
    load,
    price,
    qpu,
    reserved,
    see,
    store,
    store_results,
    task,
    warehouse,
)
from tests.warehouses import empty_warehouse

pytestmark = pytest.mark.warehouse

PRICES = [
    *TASK_PRICES,
    *qpu("Garnet", "0.30", "0.001", "eu-north-1", in_job=True),
    price("Braket Managed Jobs Simulator Task", "0.06", "minutes", device="SV1"),
    *instance_and_volume(hourly="0.12", month="0.72"),
]
COMPUTED = next(model.sql for model in models() if model.name == CHARGE_SUMS)


@pytest.fixture
def priced() -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse() as connection:
        load(connection, PRICES)
        yield connection


def differences(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Rows that only the kept sums have, and that only the computed ones have."""
    return connection.execute(
        f"(FROM charge_sums EXCEPT ALL ({COMPUTED})) UNION ALL (({COMPUTED}) EXCEPT ALL FROM charge_sums)"
    ).fetchall()


class World:
    """Records that come, change their mind and go."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, draws: random.Random) -> None:
        self.connection, self.draws, self.n, self.asked = connection, draws, 0, 0

    def change(self) -> str:
        """One change, as pulls, owners and commands make them."""
        name = self.draws.choice([each for each in dir(self) if each.startswith("a_")])
        getattr(self, name)()
        return name

    def put(self, *bodies: dict[str, Any]) -> None:
        self.asked += 1
        store(self.connection, *bodies, fetched_at=START + timedelta(days=60, minutes=self.asked))

    def drawn(self, n: int) -> dict[str, Any]:
        """The n-th record, as it stands now: what does not change of it depends on n alone."""
        fixed = random.Random(n)
        created = START - timedelta(days=fixed.randrange(9), hours=fixed.randrange(24))
        device = fixed.choice([GARNET, SV1])
        in_job = {"jobArn": f"arn:aws:braket:us-east-1:123456789012:job/{fixed.randrange(5)}"}
        in_reservation = {"associations": reserved()}
        status = self.draws.choice(["COMPLETED", "COMPLETED", "RUNNING", "QUEUED", "FAILED"])
        times: dict[str, Any] = {"createdAt": created.isoformat(), "endedAt": None, "status": status}
        if status in {"COMPLETED", "FAILED"}:
            times["endedAt"] = (created + timedelta(hours=fixed.randrange(60))).isoformat()
        tags = {"project": self.draws.choice("ab")} if self.draws.random() < 0.5 else None
        if fixed.random() < 0.3:
            started = None if status == "QUEUED" else created.isoformat()
            return job(n, **times, startedAt=started, tags=tags, billableDuration=self.draws.randrange(9000))
        more = fixed.choice([in_job, in_reservation, {}, {}])
        return task(n, device, **times, **more, tags=tags, shots=fixed.randrange(1, 2000))

    def a_new_record(self) -> None:
        self.n += 1
        self.put(self.drawn(self.n))

    def a_record_that_changes(self) -> None:
        if self.n:
            self.put(self.drawn(self.draws.randint(1, self.n)))

    def a_poll(self) -> None:
        open_ones = [self.drawn(n) for n in range(1, self.n + 1)]
        self.asked += 1
        at = START + timedelta(days=60, minutes=self.asked)
        see(self.connection, *(body for body in open_ones if body["status"] == "RUNNING"), at=at)

    def a_result(self) -> None:
        arn = self.drawn(self.draws.randint(1, self.n or 1)).get("quantumTaskArn")
        if arn:
            found = Result(arn, self.draws.randrange(90_000), self.draws.randrange(2000))
            store_results(self.connection, found)

    def a_result_that_tells_another_day(self) -> None:
        self.connection.execute(
            "UPDATE task_results SET created_at = coalesce(created_at, fetched_at) - INTERVAL 1 DAY WHERE random() < 0.5"
        )

    def a_result_that_goes(self) -> None:
        self.connection.execute("DELETE FROM task_results WHERE random() < 0.3")

    def a_price_list(self) -> None:
        self.asked += 1
        fee, day = f"0.{self.draws.randrange(10, 99)}", START + timedelta(days=20 + self.asked)
        load(self.connection, qpu("Garnet", fee, "0.002", "eu-north-1"), published=f"{day:%Y-%m-%d}")

    def a_discount(self) -> None:
        self.connection.execute("DELETE FROM discounts")
        self.connection.execute(
            "INSERT INTO discounts BY NAME SELECT 'Quantum Task-Shot' AS product_family, ?::TIMESTAMPTZ AS effective_from, "
            "?::DECIMAL(9, 6) AS rate, now() AS read_at",
            [START - timedelta(days=self.draws.randrange(9)), self.draws.randrange(100) / 100],
        )

    def a_reservation(self) -> None:
        self.connection.execute("DELETE FROM reservations")
        self.connection.execute(
            "INSERT INTO reservations BY NAME SELECT ? AS reservation_arn, '123456789012' AS account_id, "
            "'eu-north-1' AS region, ? AS device_arn, 'Garnet' AS device_name, ?::TIMESTAMPTZ AS start_at, "
            "?::TIMESTAMPTZ AS end_at, ? AS hours, 7000 AS agreed_usd, now() AS read_at",
            [reserved()[0]["arn"], GARNET, START, START + timedelta(hours=30), self.draws.randint(1, 30)],
        )

    def a_person(self) -> None:
        self.connection.execute("UPDATE quantum_tasks SET created_by = ? WHERE random() < 0.2", ["someone"])

    def a_record_that_goes(self) -> None:
        self.connection.execute("DELETE FROM quantum_tasks WHERE random() < 0.05")


@pytest.mark.parametrize("seed", range(2))
def test_kept_sums_are_those_computed_anew_whatever_changes(
    priced: duckdb.DuckDBPyConnection, seed: int
) -> None:
    world = World(priced, random.Random(seed))
    for _ in range(10):
        unsettle(priced)
        changes = [world.change() for _ in range(world.draws.randint(1, 3))]
        settle(priced)
        assert differences(priced) == [], changes
    assert priced.execute("SELECT count(*) FROM charge_sums").fetchall() != [(0,)]


def test_only_days_on_which_something_changed_are_summed_again(priced: duckdb.DuckDBPyConnection) -> None:
    bodies = [
        task(n, SV1 if n == 1 else GARNET, createdAt=(START - timedelta(days=n)).isoformat())
        for n in range(1, 20)
    ]
    store(priced, *bodies)
    assert settle(priced) == 19
    assert settle(priced) == 0
    unsettle(priced)
    store(
        priced,
        task(3, createdAt=(START - timedelta(days=3)).isoformat(), tags={"a": "b"}),
        fetched_at=START + timedelta(days=40),
    )
    assert settle(priced) == 1
    unsettle(priced)
    running = task(50, SV1, status="RUNNING", endedAt=None)
    store(priced, running)
    assert [settle(priced), settle(priced)] == [1, 0]
    unsettle(priced)
    see(priced, running, at=START + timedelta(days=41))  # what runs costs more by and by
    assert settle(priced) == 1
    load(priced, qpu("Garnet", "0.31", "0.001", "eu-north-1"), published="2026-10-01")
    assert settle(priced) == 20


def test_readers_see_kept_sums_and_a_writer_computed_ones(tmp_path: Any) -> None:
    made = empty_warehouse(tmp_path)
    with made.writing("storing") as connection:
        load(connection, PRICES)
        store(connection, task(1), task(2))
        made.show(connection, None)
    with made.reading() as copy:
        assert "kept_charge_sums" in view(copy)
        assert copy.execute("SELECT sum(n_tasks) FROM daily_costs").fetchall() == [(2,)]
    with made.writing("storing more") as connection:
        assert "kept_charge_sums" not in view(connection)
        store(connection, task(3))
        assert connection.execute("SELECT sum(n_tasks) FROM daily_costs").fetchall() == [(3,)]


def view(connection: duckdb.DuckDBPyConnection) -> str:
    found = connection.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'charge_sums'").fetchall()
    return str(found[0][0])


def test_many_days_that_change_at_once_leave_the_others_as_they_are(
    priced: duckdb.DuckDBPyConnection,
) -> None:
    def on_day(n: int, tags: dict[str, str] | None = None) -> dict[str, Any]:
        return task(n, GARNET, createdAt=(START - timedelta(days=n)).isoformat(), tags=tags)

    store(priced, *(on_day(n) for n in range(120)))
    assert settle(priced) == 120
    unsettle(priced)
    store(priced, *(on_day(n, {"a": "b"}) for n in range(110)), fetched_at=START + timedelta(days=40))
    assert settle(priced) == 110
    assert differences(priced) == []
