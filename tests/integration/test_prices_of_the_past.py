"""What old tasks cost: prices that dated public sources attest, prices that are assumed, and what stays unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from braket_etl.costs.load import install_seed
from braket_etl.costs.seed import ASSUMED, EQUAL, EVIDENCED, ensure_seed
from braket_etl.health.here import missing_prices
from braket_etl.pull.recover import Source, recover
from braket_etl.settings import Settings
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.queries import queries
from tests.cost_cases import SV1, job, load, one, price, qpu, store, task, usd, warehouse
from tests.warehouses import empty_warehouse

pytestmark = pytest.mark.warehouse

#: device, Region of the task, its day, milliseconds on a simulator, what 1,000 shots cost and by which price
OLD_TASKS = [
    ("rigetti/Ankaa-2", "us-west-1", "2024-06-01", None, "1.2", ASSUMED),
    ("quera/Aquila", "us-east-1", "2023-06-15", None, "10.3", EVIDENCED),
    ("ionq/Aria-1", "us-east-1", "2023-06-01", None, "30.3", EVIDENCED),
    ("rigetti/Aspen-10", "us-west-1", "2021-11-01", None, None, None),
    ("rigetti/Aspen-11", "us-west-1", "2022-06-01", None, "0.65", EVIDENCED),
    ("rigetti/Aspen-M-3", "us-west-1", "2023-06-01", None, "0.65", EVIDENCED),
    ("xanadu/Borealis", "us-east-1", "2022-06-01", None, "0.5", ASSUMED),
    ("d-wave/DW_2000Q_6", "us-west-2", "2021-03-01", None, "0.49", EVIDENCED),
    ("d-wave/Advantage_system4", "us-west-2", "2022-06-01", None, "0.49", EVIDENCED),
    ("ionq/Harmony", "us-east-1", "2022-06-01", None, "10.3", ASSUMED),
    ("ionq/Harmony", "us-east-1", "2023-08-30", None, "10.3", EVIDENCED),
    ("ionq/Forte-1", "us-east-1", "2024-06-01", None, "80.3", ASSUMED),
    ("iqm/Garnet", "eu-north-1", "2024-06-01", None, "1.75", ASSUMED),
    ("ionq/ionQdevice", "us-east-1", "2021-11-01", None, "10.3", EVIDENCED),
    ("oqc/Lucy", "eu-west-2", "2023-06-01", None, "0.65", EVIDENCED),
    ("oqc/Lucy", "eu-west-2", "2023-11-16", None, "0.65", EVIDENCED),
    ("oqc/Lucy", "eu-west-2", "2023-11-17", None, "0.65", ASSUMED),
    ("amazon/sv1", "us-west-2", "2021-06-01", 61_000, "0.07625", ASSUMED),
    ("amazon/dm1", "us-west-2", "2022-06-01", 5, "0.00375", ASSUMED),
    ("amazon/tn1", "us-west-2", "2022-06-01", 60_000, "0.275", ASSUMED),
]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse() as opened:
        ensure_seed(opened)
        yield opened


def arn_of(n: int, region: str) -> str:
    return f"arn:aws:braket:{region}:111122223333:quantum-task/{n:08d}-0000-4000-8000-000000000000"


def result_file(n: int, device: str, region: str, day: str, milliseconds: int | None) -> dict[str, Any]:
    kind = "qpu" if milliseconds is None else "quantum-simulator"
    simulator = {} if milliseconds is None else {"simulatorMetadata": {"executionDuration": milliseconds}}
    return {
        "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
        "measurements": [[0, 1]],
        "taskMetadata": {
            "id": arn_of(n, region),
            "deviceId": f"arn:aws:braket:::device/{kind}/{device}",
            "shots": 1000,
            "status": "COMPLETED",
            "createdAt": f"{day}T10:00:00.000Z",
            "endedAt": f"{day}T23:59:59.999Z",
            "deviceParameters": {},
        },
        "additionalMetadata": {"action": {"source": "OPENQASM 3.0;"}, **simulator},
    }


@pytest.fixture
def place(tmp_path: Path) -> Warehouse:
    """The old tasks, recovered from a folder."""
    for n, (device, region, day, milliseconds, *_) in enumerate(OLD_TASKS):
        file = tmp_path / "bucket" / str(n) / "results.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(result_file(n, device, region, day, milliseconds)))
    made = empty_warehouse(tmp_path)
    assert recover(made, Source.of(str(tmp_path / "bucket"))).tally.taken == len(OLD_TASKS)
    install_seed(made)
    return made


def answer(connection: Connection, question: str) -> list[dict[str, Any]]:
    found = connection.execute(queries()[question].sql)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_recovered_tasks_have_the_price_of_their_time_and_say_how_it_is_known(place: Warehouse) -> None:
    with place.writing("test") as connection:
        found = connection.execute(
            "SELECT quantum_task_arn, cost_usd, price_source, cost_status FROM task_costs"
        ).fetchall()
    assert {arn: (cost, source) for arn, cost, source, _ in found} == {
        arn_of(n, region): (None if cost is None else usd(cost), source)
        for n, (_, region, _, _, cost, source) in enumerate(OLD_TASKS)
    }
    assert [status for _, cost, _, status in found if cost is None] == ["no_price"]


def test_every_cost_at_an_assumed_price_is_listed_with_what_is_known(place: Warehouse) -> None:
    with place.writing("test") as connection:
        listed = answer(connection, "costs_assumed")
    assumed = {arn_of(n, row[1]): usd(str(row[4])) for n, row in enumerate(OLD_TASKS) if row[5] == ASSUMED}
    totals: dict[str, Any] = {}
    for row in listed:
        totals[row["record_arn"]] = totals.get(row["record_arn"], 0) + row["cost_usd"]
        assert row["evidence"].startswith("assumed: ")
        assert "https://" in row["evidence"]
    assert totals == assumed


def test_what_has_no_price_is_named_with_the_reason_by_the_question_and_by_doctor(place: Warehouse) -> None:
    with place.writing("test") as connection:
        found = answer(connection, "prices_missing")
        (finding,) = missing_prices(Settings(), connection)
        (wanted,) = missing_prices(Settings(price_list="off"), connection)
    assert [(row["thing"], row["product_family"], row["n_records"]) for row in found] == [
        ("Aspen-10", "Quantum Task", 1),
        ("Aspen-10", "Quantum Task-Shot", 1),
    ]
    assert "no public source" in found[0]["why"]
    assert (finding.status, wanted.status, wanted.what) == ("warn", "ok", finding.what)
    assert "Aspen-10 in us-west-1 has no price of Quantum Task-Shot" in finding.what


def test_a_loaded_list_counts_where_it_covers_the_instant_and_the_seed_before(place: Warehouse) -> None:
    with place.writing("test") as connection:
        load(connection, qpu("Lucy", "0.30", "0.5", "eu-west-2", EffectiveDate="2023-11-17"), "2024-01-01")
        found = connection.execute(
            "SELECT price_source, cost_usd FROM task_costs JOIN quantum_tasks USING (quantum_task_arn) "
            "WHERE device_name = 'Lucy' ORDER BY ended_at"
        ).fetchall()
    assert found == [(EVIDENCED, usd("0.65"))] * 2 + [("price_list 2024-01-01", usd("500.3"))]


def test_a_task_in_a_job_of_the_past_is_assumed_to_cost_the_same(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    old = {"createdAt": "2023-08-07T00:00:00Z", "endedAt": "2023-08-07T00:01:00Z"}
    device = "arn:aws:braket:us-west-1::device/qpu/rigetti/Aspen-M-3"
    store(connection, task(device=device, jobArn="arn:aws:braket:us-west-1:111122223333:job/1", **old))
    found = one(connection, "SELECT cost_usd, price_source FROM task_costs")
    assert tuple(found.values()) == (usd("0.335"), EQUAL)


@pytest.mark.parametrize(
    ("start", "status", "usd_", "source"),
    [
        ("2025-12-31", "no_price", None, None),
        ("2026-03-01", "priced", "2500", ASSUMED),
        ("2026-09-01", "priced", "2500", EVIDENCED),
        ("2026-09-12", "priced", "2500", ASSUMED),
    ],
)
def test_reservations_are_not_assumed_before_the_year_of_their_sources(
    connection: duckdb.DuckDBPyConnection, start: str, status: str, usd_: str | None, source: str | None
) -> None:
    connection.execute(
        f"""INSERT INTO reservations BY NAME SELECT 'arn:aws:braket:us-east-1:111122223333:reservation/1'
        AS reservation_arn, '111122223333' AS account_id, 'us-east-1' AS region, 1 AS hours, 'Aquila' AS device_name,
        'arn:aws:braket:us-east-1::device/qpu/quera/Aquila' AS device_arn, TIMESTAMPTZ '{start} 00:00:00Z' AS start_at,
        TIMESTAMPTZ '{start} 01:00:00Z' AS end_at, now() AS read_at"""
    )
    found = one(connection, "SELECT cost_status, cost_usd, price_source FROM reservation_costs")
    assert tuple(found.values()) == (status, None if usd_ is None else usd(usd_), source)


def test_of_instances_only_those_with_a_source_have_a_price_and_volumes_have_none(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    store(connection, job(1), job(2, instanceConfig={"instanceType": "ml.c5.xlarge", "volumeSizeInGb": 30}))
    found = connection.execute(
        "SELECT instance_cost_usd, instance_cost_status, price_source, cost_usd FROM job_costs ORDER BY job_arn"
    ).fetchall()
    assert found == [(usd("0.115"), "priced", ASSUMED, None), (None, "no_price", None, None)]
    missing = {(row["thing"], row["product_family"]) for row in answer(connection, "prices_missing")}
    assert missing == {
        ("ml.c5.xlarge", "Braket Managed Jobs Instance"),
        ("volumes", "Braket Managed Jobs Volume"),
    }


def test_a_publication_dated_in_the_future_is_not_the_newest(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, qpu("Garnet", "0.30", "0.001", "eu-north-1"), "2026-09-01")
    load(connection, qpu("Garnet", "0.30", "0.9", "eu-north-1"), "2999-01-01")
    load(connection, qpu("Emerald", "0.30", "0.002", "eu-north-1"), "2999-01-02")
    emerald = "arn:aws:braket:eu-north-1::device/qpu/iqm/Emerald"
    store(connection, task(1), task(2, device=emerald))
    found = connection.execute("SELECT shot_fee_usd FROM task_costs ORDER BY quantum_task_arn").fetchall()
    assert found == [(usd("0.1"),), (usd("0.2"),)]  # alone it is still a price list, and no seed


def test_a_device_that_the_loaded_list_lacks_in_a_family_is_named(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    load(connection, qpu("Garnet", "0.30", "0.001", "eu-north-1"))
    store(
        connection,
        task(1),
        task(2, jobArn="arn:aws:braket:eu-north-1:111122223333:job/1"),
        task(3, device=SV1),
    )
    found = {
        (row["thing"], row["product_family"]): row["why"] for row in answer(connection, "prices_missing")
    }
    assert found.keys() == {
        ("Garnet", "Braket Managed Jobs QPU Task"),
        ("Garnet", "Braket Managed Jobs QPU Task Shot"),
        ("sv1", "Simulator Task"),
    }
    assert all("the loaded price lists lack it" in why for why in found.values())


def test_a_list_of_one_region_prices_its_simulators_there_and_its_devices_wherever(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = [
        price("Simulator Task", "0.06", "minutes", device="SV1"),
        *qpu("Garnet", "0.30", "0.001", "eu-north-1"),
    ]
    load(connection, rows)
    regions = ("us-east-1", "eu-west-2")
    store(connection, *(task(n, device=SV1, region=region) for n, region in enumerate(regions)))
    found = connection.execute("SELECT price_source FROM task_costs ORDER BY quantum_task_arn").fetchall()
    assert {source for (source,) in found} == {"price_list 2026-09-11", ASSUMED}
