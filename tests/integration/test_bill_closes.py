"""A month's bill beside what is known: what agrees, what is explained, what is open and by what name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from braket_etl.cli import costs as verbs
from braket_etl.costs.bill_delivery import local_delivery
from braket_etl.costs.billing import import_bill
from braket_etl.costs.close import closed
from braket_etl.warehouse.connection import Warehouse
from tests import cost_cases
from tests.bill_cases import written
from tests.cost_cases import (
    ACCOUNT,
    SV1,
    TASK_PRICES,
    Result,
    instance_and_volume,
    job,
    load,
    store,
    store_results,
    task,
    usd,
)
from tests.drawn_bills import DISCOUNTS, judge
from tests.warehouses import empty_warehouse

pytestmark = pytest.mark.warehouse

Found = tuple[dict[str, Any], list[dict[str, Any]]]
GARNET_TASK = ("Quantum Task", "Garnet", "eu-north-1", "quantum-task")
GARNET_SHOT = ("Quantum Task-Shot", "Garnet", "eu-north-1", "quantum-shot")
SIMULATED = ("Simulator Task", "SV1", "us-east-1", "minutes")
INSTANCE = ("Braket Managed Jobs Instance", "", "us-east-1", "hours")
VOLUME = ("Braket Managed Jobs Volume", "", "us-east-1", "GB-Mo")
FIVE_DAYS = job(
    createdAt="2026-09-03T05:50:00Z",
    startedAt="2026-09-03T06:00:00Z",
    endedAt="2026-09-08T00:00:00Z",
    billableDuration=410_400,
)


@pytest.fixture
def place(tmp_path: Path) -> Warehouse:
    made = empty_warehouse(tmp_path)
    with made.writing("test") as connection:
        load(connection, [*TASK_PRICES, *instance_and_volume()])
    return made


def line(
    what: tuple[str, str, str, str], day: str, quantity: str, cost: str, arn: str = "", **columns: Any
) -> dict[str, Any]:
    """A line of usage in CUR 2.0; its month is that of the day, and its bill is final."""
    family, device, region, unit = what
    return {
        "bill_billing_period_start_date": f"{day[:7]}-01T00:00:00Z",
        "bill_payer_account_id": "999999999999",
        "bill_invoice_id": "1",
        "line_item_usage_account_id": ACCOUNT,
        "line_item_product_code": "AmazonBraket",
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": f"{day}T10:00:00Z",
        "line_item_usage_end_date": f"{day}T11:00:00Z",
        "line_item_usage_type": "",
        "line_item_resource_id": arn,
        "line_item_usage_amount": quantity,
        "line_item_unblended_cost": cost,
        "line_item_net_unblended_cost": "",
        "line_item_currency_code": "USD",
        "pricing_unit": unit,
        "pricing_public_on_demand_cost": cost,
        "product_product_family": family,
        "product_region_code": region,
        "product": {"devicename": device},
        **columns,
    }


def of_task(day: str, arn: str = "", tasks: int = 1, **columns: Any) -> list[dict[str, Any]]:
    """The lines of tasks of 100 shots on Garnet."""
    return [
        line(GARNET_TASK, day, str(tasks), str(tasks * usd("0.3")), arn, **columns),
        line(GARNET_SHOT, day, str(100 * tasks), str(tasks * usd("0.145")), arn, **columns),
    ]


def on(day: str, n: int = 1, **members: Any) -> dict[str, Any]:
    """A task of 100 shots on Garnet that ended on that day: 0.30 and 0.145."""
    return task(n, createdAt=f"{day}T09:00:00Z", endedAt=f"{day}T10:00:00Z", **members)


def close(
    place: Warehouse,
    folder: Path,
    bodies: list[dict[str, Any]],
    lines: list[dict[str, Any]],
    month: str = "2026-09",
) -> Found:
    """The bill of a month, and the rows of the reconciliation."""
    import_bill(place, local_delivery(written(folder / "bill.csv", lines)))
    with place.writing("test") as connection:
        store(connection, *bodies)
        found = connection.execute("SELECT * FROM cost_reconciliation ORDER BY ALL")
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        return closed(connection, month).as_json(), rows


def told(found: Mapping[str, Any]) -> dict[str, Decimal]:
    """The sums of a bill that is closed."""
    return {name: found[f"{name}_usd"] for name in ("matched", "explained", "open")}


ARN, JOB = on("2026-09-01")["quantumTaskArn"], FIVE_DAYS["jobArn"]


@pytest.mark.parametrize("arn", ["", JOB])
@pytest.mark.parametrize("day", ["2026-09-07", "2026-09-08"])
def test_a_job_of_five_days_that_is_billed_at_its_end_is_matched(
    place: Warehouse, tmp_path: Path, arn: str, day: str
) -> None:
    lines = [line(INSTANCE, day, "114", "13.68", arn), line(VOLUME, day, "4.75", "0.665", arn)]
    found, rows = close(place, tmp_path, [FIVE_DAYS], lines)
    assert told(found) == {"matched": usd("14.345"), "explained": 0, "open": 0}
    assert {row["explanation"] for row in rows} <= {"matched", "day_shift"}
    assert sum(row["estimated_usd"] for row in rows) == usd("14.345")


def test_a_job_over_the_end_of_the_month_is_due_in_the_next(place: Warehouse, tmp_path: Path) -> None:
    over = FIVE_DAYS | {"startedAt": "2026-09-28T06:00:00Z", "endedAt": "2026-10-03T00:00:00Z"}
    found, _ = close(place, tmp_path, [over, on("2026-09-05")], of_task("2026-09-05"))
    assert (told(found), found["not_billed_yet_usd"]) == (
        {"matched": usd("0.445"), "explained": 0, "open": 0},
        usd("7.92") + usd("0.385"),
    )
    end = [line(INSTANCE, "2026-10-02", "114", "13.68"), line(VOLUME, "2026-10-02", "4.75", "0.665")]
    found, _ = close(place, tmp_path, [], [*of_task("2026-09-05"), *end], "2026-10")
    assert told(found) == {"matched": usd("14.345"), "explained": 0, "open": 0}


def test_equal_days_that_are_all_billed_a_day_later_are_a_shift(place: Warehouse, tmp_path: Path) -> None:
    days = range(3, 12)
    lines = [each for day in days for each in of_task(f"2026-09-{day + 1:02d}")]
    found, rows = close(place, tmp_path, [on(f"2026-09-{day:02d}", day) for day in days], lines)
    assert told(found) == {"matched": 9 * usd("0.445"), "explained": 0, "open": 0}
    assert {row["explanation"] for row in rows} == {"matched", "day_shift"}


def test_what_the_bill_has_and_the_warehouse_lacks_is_named_by_its_arn(
    place: Warehouse, tmp_path: Path
) -> None:
    other = ARN.replace("/1", "/2")
    found, _ = close(
        place, tmp_path, [on("2026-09-01")], [*of_task("2026-09-01", ARN), *of_task("2026-09-02", other)]
    )
    assert told(found) == {"matched": usd("0.445"), "explained": 0, "open": usd("0.445")}
    assert [(each["record_arn"], each["cause"], each["amount_usd"]) for each in found["open"]] == [
        (other, "not_in_warehouse", usd("0.3")),
        (other, "not_in_warehouse", usd("0.145")),
    ]
    assert "backfill --again --from 2026-09-01 --to 2026-09-02" in found["open"][0]["do"]


@pytest.mark.parametrize(
    ("changed", "cause", "amount"),
    [
        ({"line_item_unblended_cost": "0.2", "pricing_public_on_demand_cost": "0.2"}, "rate", "0.055"),
        ({"line_item_usage_account_id": "444455556666"}, "foreign_account", "0.145"),
        ({"product_product_family": "", "product": {}, "pricing_unit": "odd"}, "unknown_product", "0.145"),
    ],
)
def test_an_error_has_a_name_and_says_what_to_do(
    place: Warehouse, tmp_path: Path, changed: dict[str, Any], cause: str, amount: str
) -> None:
    fee, shots = of_task("2026-09-01")
    found, _ = close(place, tmp_path, [on("2026-09-01")], [fee, shots | changed])
    [dearer] = [each for each in found["open"] if each["amount_usd"] > 0]
    assert (dearer["cause"], dearer["amount_usd"]) == (cause, usd(amount))
    assert dearer["sku"] or dearer["cause"] == "unknown_product"
    assert dearer["do"]


def test_what_is_not_billed_is_open_once_the_bill_is_final(place: Warehouse, tmp_path: Path) -> None:
    bodies, lines = [on("2026-09-01"), on("2026-09-20", 2)], of_task("2026-09-01")
    found, _ = close(place, tmp_path, bodies, [each | {"bill_invoice_id": ""} for each in lines])
    assert (found["open"], found["not_billed_yet_usd"]) == ([], usd("0.445"))
    found, _ = close(place, tmp_path, [], lines)
    assert {(each["cause"], str(each["charge_date"])) for each in found["open"]} == {
        ("not_on_bill", "2026-09-20")
    }
    assert sum(each["amount_usd"] for each in found["open"]) == -usd("0.445")


def test_lines_of_their_own_are_explained(place: Warehouse, tmp_path: Path) -> None:
    own = {"Credit": "-0.2", "Refund": "-0.1", "Tax": "0.07", "Fee": "5", **dict.fromkeys(DISCOUNTS, "-0.01")}
    lines = [
        line(
            ("", "", "", ""),
            "2026-09-01",
            "0",
            cost,
            line_item_line_item_type=of,
            line_item_line_item_description="AWS Support",
        )
        for of, cost in own.items()
    ]
    found, rows = close(place, tmp_path, [on("2026-09-01")], [*of_task("2026-09-01"), *lines])
    assert found["explained"] == {
        "credit": usd("-0.2"),
        "refund": usd("-0.1"),
        "tax": usd("0.07"),
        "support": usd("5"),
        "discount": usd("-0.05"),
    }
    assert (found["open"], found["billed_usd"]) == ([], usd("0.445") + sum(map(Decimal, own.values())))
    assert "unexplained" not in {row["explanation"] for row in rows}


def test_a_discount_in_columns_is_what_the_net_cost_leaves(place: Warehouse, tmp_path: Path) -> None:
    fee, shots = of_task("2026-09-01", pricing_public_on_demand_cost="")
    lines = [
        fee | {"line_item_net_unblended_cost": "0.27"},
        shots | {"line_item_net_unblended_cost": "0.1305"},
    ]
    found, _ = close(place, tmp_path, [on("2026-09-01")], lines)
    assert told(found) == {"matched": usd("0.445"), "explained": usd("-0.0445"), "open": 0}


@pytest.mark.parametrize("listed", ["0", "0.075"])
def test_free_of_charge_is_worth_what_it_costs(place: Warehouse, tmp_path: Path, listed: str) -> None:
    body = on("2026-09-01", deviceArn=SV1, quantumTaskArn=ARN.replace("eu-north-1", "us-east-1"), shots=0)
    with place.writing("test") as connection:
        store_results(connection, Result(body["quantumTaskArn"], 180_000))
    lines = [
        line(SIMULATED, "2026-09-02", "1", "0", pricing_public_on_demand_cost=listed),
        line(SIMULATED, "2026-09-02", "2", "0.15"),
    ]
    found, _ = close(place, tmp_path, [body], lines)
    assert told(found) == {"matched": usd("0.225"), "explained": usd("-0.075"), "open": 0}
    assert found["explained"] == {"free_tier": usd("-0.075")}


def test_many_records_that_are_off_by_less_than_a_cent_are_not_rounding(
    place: Warehouse, tmp_path: Path
) -> None:
    bodies, lines = [], []
    for n in range(20):
        body = on("2026-09-01", n, deviceArn=SV1, shots=0)
        body["quantumTaskArn"] = body["quantumTaskArn"].replace("eu-north-1", "us-east-1")
        bodies.append(body)
        lines.append(line(SIMULATED, "2026-09-01", "0.05", "0.0075", body["quantumTaskArn"]))
    with place.writing("test") as connection:
        store_results(connection, *(Result(body["quantumTaskArn"], 3000) for body in bodies))
    found, _ = close(place, tmp_path, bodies, lines)
    assert (told(found)["open"], {each["cause"] for each in found["open"]}) == (usd("0.075"), {"rate"})


def test_a_failed_task_that_is_billed_is_open_and_a_running_job_is_not(
    place: Warehouse, tmp_path: Path
) -> None:
    running = FIVE_DAYS | {"status": "RUNNING", "endedAt": None, "billableDuration": None}
    bodies = [on("2026-09-01", status="FAILED"), {k: v for k, v in running.items() if v is not None}]
    lines = [line(GARNET_TASK, "2026-09-01", "1", "0.3", ARN), line(INSTANCE, "2026-09-04", "24", "2.88")]
    found, _ = close(place, tmp_path, bodies, lines)
    assert [(each["record_arn"], each["cause"]) for each in found["open"]] == [(ARN, "not_billable")]
    assert found["explained"] == {"pending": usd("2.88")}


def test_a_line_of_a_whole_month_is_compared_with_the_month(place: Warehouse, tmp_path: Path) -> None:
    lines = of_task("2026-09-01", tasks=3, line_item_usage_end_date="2026-10-01T00:00:00Z")
    found, _ = close(place, tmp_path, [on(f"2026-09-{day:02d}", day) for day in (4, 11, 25)], lines)
    assert told(found) == {"matched": usd("1.335"), "explained": 0, "open": 0}


# Each form, with and without ARNs, errors and not, by the hour and at the end; `python -m tests.drawn_bills` does more.
@pytest.mark.parametrize("seed", [3, 5, 6, 10])
def test_a_drawn_month_closes_and_its_errors_are_named(seed: int) -> None:
    found = judge(seed)
    assert found.is_sum
    assert found.unfound == ()
    assert found.share >= Decimal("0.995")


app = typer.Typer()
app.add_typer(verbs.billing, name="billing")
app.add_typer(verbs.prices, name="prices")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path / "home"))
    empty_warehouse(tmp_path / "home")
    (tmp_path / "index.csv").write_bytes(cost_cases.offer(TASK_PRICES))
    assert CliRunner().invoke(app, ["prices", "import", str(tmp_path / "index.csv")]).exit_code == 0
    return tmp_path


def test_the_verb_prints_what_is_open_and_says_so_by_its_exit_code(home: Path) -> None:
    file = written(home / "bill.csv", of_task("2026-09-01", ARN))
    assert CliRunner().invoke(app, ["billing", "import", str(file)]).exit_code == 0
    result = CliRunner().invoke(app, ["billing", "close", "2026-09", "--json"])
    found = json.loads(result.stdout)
    assert (result.exit_code, Decimal(found["open_usd"]), Decimal(found["matched_usd"])) == (
        1,
        usd("0.445"),
        0,
    )
    assert {each["record_arn"] for each in found["open"]} == {ARN}
    shown = CliRunner().invoke(app, ["billing", "close", "2026-09"])
    assert (shown.exit_code, ARN[-20:] in shown.output.replace("\n", "")) == (1, True)


def test_lines_of_other_services_for_resources_of_braket_are_neighbours(home: Path) -> None:
    notebook = line(
        ("", "", "", ""),
        "2026-09-01",
        "1",
        "2.5",
        "arn:aws:sagemaker:us-east-1:1:notebook-instance/amazon-braket-a",
    )
    other = line(
        ("", "", "", ""), "2026-09-01", "1", "9", "arn:aws:s3:::bucket", line_item_product_code="AmazonS3"
    )
    lines = [notebook | {"line_item_product_code": "AmazonSageMaker"}, other, *of_task("2026-09-01")]
    result = CliRunner().invoke(app, ["billing", "import", str(written(home / "bill.csv", lines))])
    assert "2 line items of Amazon Braket" in result.output
    result = CliRunner().invoke(app, ["billing", "close", "2026-09", "--with-neighbours", "--json"])
    found = json.loads(result.stdout)
    assert {name: Decimal(cost) for name, cost in found["neighbours"].items()} == {
        "AmazonSageMaker": usd("2.5")
    }
    assert Decimal(found["billed_usd"]) == usd("0.445")


def test_a_month_whose_lines_are_explained_is_closed(home: Path) -> None:
    credit = line(GARNET_TASK, "2026-09-01", "0", "-5", line_item_line_item_type="Credit")
    assert (
        CliRunner().invoke(app, ["billing", "import", str(written(home / "bill.csv", [credit]))]).exit_code
        == 0
    )
    result = CliRunner().invoke(app, ["billing", "close", "2026-09", "--json"])
    assert (result.exit_code, Decimal(json.loads(result.stdout)["explained_usd"])) == (0, -5)


@pytest.mark.parametrize(
    ("month", "code", "says"), [("2026-09", 1, "billing import"), ("September", 2, "2026-09")]
)
def test_a_month_without_a_bill_is_said(home: Path, month: str, code: int, says: str) -> None:
    result = CliRunner().invoke(app, ["billing", "close", month])
    assert (result.exit_code, says in result.output) == (code, True)
