"""What a task costs: each rule, on responses as the API writes them and prices as AWS publishes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from braket_etl.costs.errors import PriceListError
from braket_etl.costs.seed import EQUAL, EVIDENCED, ensure_seed
from braket_etl.tables.device_keys import device_key
from braket_etl.warehouse.checks import checks, run_check
from braket_etl.warehouse.models import models
from tests.cost_cases import (
    FORTE,
    GARNET,
    START,
    SV1,
    TASK_PRICES,
    Result,
    instance_and_volume,
    load,
    one,
    price,
    qpu,
    reserved,
    store,
    store_results,
    task,
    usd,
    warehouse,
)

pytestmark = pytest.mark.warehouse

PRICES = [
    *TASK_PRICES,
    *qpu("Garnet", "0.20", "0.001", "eu-north-1", in_job=True),
    price("Braket Managed Jobs Simulator Task", "0.06", "minutes", device="SV1"),
    *instance_and_volume(),
]
COLUMNS = (
    "quantum_task_arn",
    "cost_usd",
    "cost_status",
    "committed_usd",
    "task_fee_usd",
    "shot_fee_usd",
    "billed_shots",
    "billed_seconds",
    "price_effective_from",
    "price_source",
)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse() as opened:
        yield opened


@pytest.fixture
def priced(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    load(connection, PRICES)
    return connection


def cost(
    connection: duckdb.DuckDBPyConnection, *bodies: dict[str, Any], results: tuple[Result, ...] = ()
) -> Any:
    store(connection, *bodies)
    if results:
        store_results(connection, *results)
    return one(connection, "SELECT * FROM task_costs")


def test_the_columns_are_those_agreed_in_their_order(priced: duckdb.DuckDBPyConnection) -> None:
    assert tuple(cost(priced, task()))[: len(COLUMNS)] == COLUMNS


def test_a_completed_task_costs_its_fee_and_its_shots(priced: duckdb.DuckDBPyConnection) -> None:
    found = cost(priced, task(shots=1000, numSuccessfulShots=1000))
    assert (found["cost_status"], found["cost_usd"]) == ("priced", usd("1.75"))
    assert (found["task_fee_usd"], found["shot_fee_usd"], found["billed_shots"]) == (
        usd("0.3"),
        usd("1.45"),
        1000,
    )
    assert found["price_source"] == "price_list 2026-09-11"
    assert found["committed_usd"] is None


def test_shots_that_failed_are_not_paid(priced: duckdb.DuckDBPyConnection) -> None:
    found = cost(priced, task(shots=1000, numSuccessfulShots=900))
    assert (found["billed_shots"], found["cost_usd"]) == (900, usd("1.605"))


def test_no_shot_that_succeeded_leaves_the_fee(priced: duckdb.DuckDBPyConnection) -> None:
    assert cost(priced, task(numSuccessfulShots=0))["cost_usd"] == usd("0.3")


def test_requested_shots_count_where_successful_ones_are_not_told(priced: duckdb.DuckDBPyConnection) -> None:
    found = cost(priced, task(shots=1000))
    assert (found["billed_shots"], found["cost_usd"]) == (1000, usd("1.75"))
    assert "not told" in found["cost_rule"]


def test_a_program_set_has_one_fee_and_its_shots_in_all(priced: duckdb.DuckDBPyConnection) -> None:
    action = {"actionType": "braket.ir.openqasm.program_set", "programCount": 10, "executableCount": 20}
    found = cost(priced, task(shots=2000, numSuccessfulShots=2000, actionMetadata=action))
    assert found["cost_usd"] == usd("3.2")


def test_a_program_set_from_its_results_file_pays_what_succeeded(priced: duckdb.DuckDBPyConnection) -> None:
    body = task(shots=2000)
    found = cost(priced, body, results=(Result(body["quantumTaskArn"], successful_shots=1500),))
    assert found["cost_usd"] == usd("2.475")


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
@pytest.mark.parametrize("device", [GARNET, SV1])
def test_a_task_that_failed_or_was_cancelled_costs_nothing(
    priced: duckdb.DuckDBPyConnection, status: str, device: str
) -> None:
    found = cost(priced, task(device=device, status=status))
    assert (found["cost_status"], found["cost_usd"]) == ("not_billed", 0)


def test_a_task_in_a_reservation_costs_nothing_itself(priced: duckdb.DuckDBPyConnection) -> None:
    found = cost(priced, task(associations=reserved()))
    assert (found["cost_status"], found["cost_usd"]) == ("reservation", 0)


@pytest.mark.parametrize("status", ["CREATED", "QUEUED", "RUNNING", "CANCELLING"])
def test_an_open_task_costs_nothing_yet_and_says_what_it_will(
    priced: duckdb.DuckDBPyConnection, status: str
) -> None:
    found = cost(priced, task(status=status, endedAt=None, shots=1000))
    assert (found["cost_status"], found["cost_usd"], found["committed_usd"]) == ("pending", None, usd("1.75"))
    assert (found["cost_usd_lower"], found["cost_usd_upper"]) == (0, usd("1.75"))


def test_an_open_task_in_a_reservation_commits_to_nothing(priced: duckdb.DuckDBPyConnection) -> None:
    found = cost(priced, task(status="QUEUED", endedAt=None, associations=reserved()))
    assert (found["cost_status"], found["committed_usd"]) == ("pending", 0)


def test_what_an_open_simulator_task_will_cost_is_not_known(priced: duckdb.DuckDBPyConnection) -> None:
    found = cost(priced, task(device=SV1, status="RUNNING", endedAt=None))
    assert (found["cost_status"], found["cost_usd"], found["committed_usd"]) == ("pending", None, None)


@pytest.mark.parametrize(
    ("milliseconds", "expected", "seconds"),
    [
        (0, "0.00375", "3"),
        (4, "0.00375", "3"),
        (2999, "0.00375", "3"),
        (3000, "0.00375", "3"),
        (3001, "0.00375125", "3.001"),
        (90_000, "0.1125", "90"),
    ],
)
def test_a_simulator_is_paid_by_the_millisecond_for_three_seconds_at_least(
    priced: duckdb.DuckDBPyConnection, milliseconds: int, expected: str, seconds: str
) -> None:
    body = task(device=SV1, shots=0)
    found = cost(priced, body, results=(Result(body["quantumTaskArn"], milliseconds),))
    assert (found["cost_status"], found["cost_usd"]) == ("priced", usd(expected))
    assert (found["billed_seconds"], found["run_fee_usd"]) == (usd(seconds), usd(expected))
    assert (found["task_fee_usd"], found["shot_fee_usd"]) == (0, 0)


@pytest.mark.parametrize("milliseconds", [None, -1])
def test_a_simulator_without_a_duration_has_bounds_and_no_cost(
    priced: duckdb.DuckDBPyConnection, milliseconds: int | None
) -> None:
    body = task(device=SV1, shots=0, endedAt=(START + timedelta(seconds=60)).isoformat())
    found = cost(priced, body, results=(Result(body["quantumTaskArn"], milliseconds),))
    assert (found["cost_status"], found["cost_usd"]) == ("no_duration", None)
    assert (found["cost_usd_lower"], found["cost_usd_upper"]) == (usd("0.00375"), usd("0.075"))


def test_a_task_in_a_job_has_prices_of_its_own(priced: duckdb.DuckDBPyConnection) -> None:
    arn = "arn:aws:braket:us-east-1:123456789012:job/1"
    quantum, simulated = task(1, jobArn=arn), task(2, device=SV1, jobArn=arn)
    store(priced, quantum, simulated)
    store_results(priced, Result(simulated["quantumTaskArn"], 60_000))
    costs = dict(priced.execute("SELECT quantum_task_arn, cost_usd FROM task_costs").fetchall())
    assert costs == {quantum["quantumTaskArn"]: usd("0.3"), simulated["quantumTaskArn"]: usd("0.06")}


def test_an_unknown_device_is_no_cost_of_zero(priced: duckdb.DuckDBPyConnection) -> None:
    found = cost(priced, task(device="arn:aws:braket:us-east-1::device/qpu/acme/Anvil"))
    assert (found["cost_status"], found["cost_usd"], found["cost_usd_lower"]) == ("no_price", None, None)
    assert "Anvil" in check(priced, "every_task_has_a_price").summary


def test_a_task_before_every_price_has_none(priced: duckdb.DuckDBPyConnection) -> None:
    old = {"createdAt": "2020-08-01T00:00:00Z", "endedAt": "2020-08-01T00:01:00Z"}
    assert cost(priced, task(**old))["cost_status"] == "no_price"


def test_without_a_price_list_the_seed_counts_and_says_so(connection: duckdb.DuckDBPyConnection) -> None:
    ensure_seed(connection)
    store(connection, task(1), task(2, jobArn="arn:aws:braket:us-east-1:123456789012:job/1"))
    sources = [
        row[0] for row in connection.execute("SELECT price_source FROM task_costs ORDER BY 1").fetchall()
    ]
    assert sources == [EQUAL, EVIDENCED]


def test_the_seed_counts_only_before_the_first_loaded_price(priced: duckdb.DuckDBPyConnection) -> None:
    before = {"createdAt": "2026-07-31T23:00:00Z", "endedAt": "2026-07-31T23:59:59.999Z"}
    store(priced, task(1, **before), task(2, **before | {"endedAt": "2026-08-01T00:00:00Z"}))
    sources = [row[0] for row in priced.execute("SELECT price_source FROM task_costs ORDER BY 1").fetchall()]
    assert sources == ["price_list 2026-09-11", EVIDENCED]


def test_of_two_publications_the_newest_counts_where_it_holds(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, qpu("Garnet", "0.30", "0.001", "eu-north-1", EffectiveDate="2026-06-01"), "2026-06-01")
    load(connection, qpu("Garnet", "0.30", "0.002", "eu-north-1", EffectiveDate="2026-08-01"), "2026-08-02")
    load(connection, qpu("Garnet", "0.30", "0.003", "eu-north-1", EffectiveDate="2026-07-01"), "2026-07-01")
    for n, day in enumerate(("2026-06-15", "2026-07-15", "2026-08-15")):
        store(connection, task(n, createdAt=f"{day}T00:00:00Z", endedAt=f"{day}T01:00:00Z"))
    costs = connection.execute("SELECT shot_fee_usd FROM task_costs ORDER BY charged_at").fetchall()
    assert costs == [(usd("0.1"),), (usd("0.3"),), (usd("0.2"),)]


def test_a_new_price_never_changes_what_came_before_it(priced: duckdb.DuckDBPyConnection) -> None:
    before = cost(priced, task())
    raised = qpu("Garnet", "0.90", "0.9", "eu-north-1", EffectiveDate="2026-09-02")
    load(priced, raised, "2026-10-01")
    assert one(priced, "SELECT * FROM task_costs") == before


def test_a_price_that_was_corrected_for_the_past_counts_for_the_past(
    priced: duckdb.DuckDBPyConnection,
) -> None:
    store(priced, task())
    load(priced, qpu("Garnet", "0.10", "0.001", "eu-north-1", EffectiveDate="2026-08-01"), "2026-10-01")
    found = one(priced, "SELECT * FROM task_costs")
    assert (found["cost_usd"], found["price_source"]) == (usd("0.2"), "price_list 2026-10-01")


def test_two_prices_of_one_publication_are_no_price(connection: duckdb.DuckDBPyConnection) -> None:
    twice = (
        qpu("Garnet", "0.30", "0.001", "eu-north-1")
        + qpu("Garnet", "0.30", "0.002", "eu-north-1", SKU="OTHER")[1:]
    )
    load(connection, twice)
    found = cost(connection, task())
    assert (found["cost_status"], found["cost_usd"]) == ("no_price", None)
    assert not check(connection, "prices_do_not_contradict").passed


def test_a_device_listed_in_one_region_has_that_price_in_all(priced: duckdb.DuckDBPyConnection) -> None:
    assert cost(priced, task(region="us-west-2"))["cost_usd"] == usd("0.445")


def test_a_device_listed_in_two_regions_has_its_own_price_in_each(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = [
        price("Simulator Task", usd_, "minutes", device="SV1", **{"Region Code": region})
        for region, usd_ in (("us-east-1", "0.06"), ("us-west-2", "0.12"))
    ]
    load(connection, rows)
    tasks = [task(n, device=SV1, region=region) for n, region in enumerate(("us-east-1", "us-west-2"))]
    store(connection, *tasks)
    store_results(connection, *(Result(body["quantumTaskArn"], 60_000) for body in tasks))
    costs = connection.execute(
        "SELECT region, cost_usd FROM task_costs JOIN quantum_tasks USING (quantum_task_arn) ORDER BY region"
    ).fetchall()
    assert costs == [("us-east-1", usd("0.06")), ("us-west-2", usd("0.12"))]


@pytest.mark.parametrize(
    ("device", "listed"),
    [
        ("rigetti/Aspen-M-3", "Aspen-M"),
        ("aqt/Ibex-Q1", "IBEX-Q1"),
        ("d-wave/Advantage_system4", "Advantage_system"),
        ("d-wave/DW_2000Q_6", "2000Q"),
        ("ionq/ionQdevice", "IonQdevice"),
    ],
)
def test_a_device_is_found_however_the_list_spells_it(
    connection: duckdb.DuckDBPyConnection, device: str, listed: str
) -> None:
    load(connection, qpu(listed, "0.30", "0.001", "us-west-1"))
    arn = f"arn:aws:braket:::device/qpu/{device}"
    assert cost(connection, task(device=arn, region="us-west-1"))["cost_usd"] == usd("0.4")


def test_sql_and_python_make_the_same_key_of_a_device(connection: duckdb.DuckDBPyConnection) -> None:
    names = [
        "Aspen-M-3",
        "Aspen-11",
        "Ibex-Q1",
        "Advantage_system4",
        "DW_2000Q_6",
        "Forte-1",
        "  Odd  Name_x ",
        "sv1",
    ]
    store(
        connection,
        *(task(n, device=f"arn:aws:braket:us-east-1::device/qpu/x/{name}") for n, name in enumerate(names)),
    )
    keys = dict(connection.execute("SELECT device_name, device_key FROM device_keys").fetchall())
    assert keys == {name: device_key(name) for name in names}


@pytest.mark.parametrize(
    "members",
    [
        {"numSuccessfulShots": 2**63 - 1},
        {"numSuccessfulShots": -1},
        {"shots": 2**63 - 1},
    ],
)
def test_a_number_beyond_all_sense_is_one_unknown_cost_and_no_error(
    priced: duckdb.DuckDBPyConnection, members: dict[str, int]
) -> None:
    store(priced, task(1), task(2, **members))
    costs = priced.execute(
        "SELECT cost_status, cost_usd FROM task_costs ORDER BY quantum_task_arn"
    ).fetchall()
    assert costs == [("priced", usd("0.445")), ("no_price", None)]
    assert one(priced, "SELECT sum(cost_usd) AS total FROM daily_costs")["total"] == usd("0.445")


def test_a_duration_beyond_all_sense_is_no_duration(priced: duckdb.DuckDBPyConnection) -> None:
    body = task(device=SV1)
    assert (
        cost(priced, body, results=(Result(body["quantumTaskArn"], 2**63 - 1),))["cost_status"]
        == "no_duration"
    )


def test_a_publication_that_changed_is_refused_and_changes_nothing(priced: duckdb.DuckDBPyConnection) -> None:
    before = priced.execute("SELECT * FROM prices ORDER BY ALL").fetchall()
    with pytest.raises(PriceListError, match="stored already"):
        load(
            priced,
            [*qpu("Aquila", "0.30", "0.01", "us-east-1"), *qpu("Garnet", "0.31", "0.00145", "eu-north-1")],
        )
    assert priced.execute("SELECT * FROM prices ORDER BY ALL").fetchall() == before


def test_every_publication_is_kept(priced: duckdb.DuckDBPyConnection) -> None:
    load(priced, PRICES)
    load(priced, PRICES, "2026-10-01")
    kept = priced.execute(
        "SELECT published_at::DATE, count(*) FROM prices WHERE NOT is_seed GROUP BY 1"
    ).fetchall()
    assert sorted(n for _, n in kept) == [len(PRICES)] * 2


def test_money_is_decimal_everywhere(priced: duckdb.DuckDBPyConnection) -> None:
    ours = {
        "charges",
        "cost_reconciliation",
        "daily_costs",
        "job_costs",
        "job_meters",
        "price_periods",
        "priced_tasks",
        "reservation_costs",
        "spend_against_limits",
        "tag_costs",
        "task_costs",
    }
    types = priced.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal "
        "AND (column_name LIKE '%usd%' OR column_name LIKE '%cost' OR column_name LIKE '%spend%')"
    ).fetchall()
    money = [
        (table, column, kind)
        for table, column, kind in types
        if (table in ours or table in {"prices", "spending_limits", "reservations", "billed_line_items"})
        and kind != "VARCHAR"
        and not column.endswith("_arn")
    ]
    assert {table for table, _, _ in money} >= ours
    assert [found for found in money if found[2] != "DECIMAL(38,12)"] == []


def test_no_model_divides_money() -> None:
    for model in models():
        if model.name.endswith("costs") or model.name in {
            "charges",
            "priced_tasks",
            "job_meters",
            "price_periods",
        }:
            for line in model.sql.splitlines():
                code = line.split("--")[0]
                assert "/" not in code or "usd" not in code.lower(), (model.name, line)


def test_costs_are_the_same_in_every_time_zone(priced: duckdb.DuckDBPyConnection) -> None:
    late = {"createdAt": "2026-09-01T23:50:00Z", "endedAt": "2026-09-02T00:10:00Z"}
    store(priced, task(1, **late, tags={"team": "a"}), task(2, device=FORTE))
    names = ("task_costs", "charges", "daily_costs", "tag_costs", "focus_costs", "cost_reconciliation")

    def found() -> list[Any]:
        return [priced.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in names]

    utc = found()
    priced.execute("SET TimeZone = 'America/New_York'")
    assert found() == utc
    assert {str(row[0]) for row in utc[2]} == {"2026-09-01", "2026-09-02"}


def test_a_reservation_that_no_file_knows_is_said_loudly(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, task(associations=reserved("arn:aws:braket:us-east-1:123456789012:reservation/9")))
    finding = check(priced, "reservations_are_known")
    assert not finding.passed
    assert finding.check.is_error
    assert "reservation/9" in finding.summary


def test_all_checks_pass_on_sound_data(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, task())
    assert [found.summary for found in (run_check(priced, c) for c in checks()) if not found.passed] == []


def check(connection: duckdb.DuckDBPyConnection, name: str) -> Any:
    return run_check(connection, next(found for found in checks() if found.name == name))


def test_decimal_results_reach_python_as_decimals(priced: duckdb.DuckDBPyConnection) -> None:
    assert isinstance(cost(priced, task())["cost_usd"], Decimal)
