"""What goes out and comes in: FOCUS files, bills, price lists over HTTP, and the command line that moves them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from braket_emulator import offers, running
from braket_etl.cli import costs as verbs
from braket_etl.cli.export import export
from braket_etl.costs.bill_delivery import local_delivery
from braket_etl.costs.billing import import_bill
from braket_etl.costs.errors import BillingFileError, CostError, PriceListError, UnknownPriceError
from braket_etl.costs.estimate import estimate
from braket_etl.costs.focus import export_focus
from braket_etl.costs.load import install_seed, refresh_prices
from braket_etl.costs.seed import ASSUMED, EQUAL, ensure_seed, seed_only
from braket_etl.runtime import Runtime
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.models import models
from braket_etl.warehouse.publish import publish
from tests.cost_cases import (
    ACCOUNT,
    FORTE,
    SV1,
    TASK_PRICES,
    Result,
    instance_and_volume,
    job,
    load,
    offer,
    one,
    price,
    store,
    store_results,
    task,
    usd,
    warehouse,
)
from tests.http_server import answered_by
from tests.warehouses import empty_warehouse

pytestmark = pytest.mark.warehouse

PRICES = [
    *TASK_PRICES,
    *instance_and_volume(),
]


@pytest.fixture
def place(tmp_path: Path) -> Warehouse:
    return empty_warehouse(tmp_path)


@pytest.fixture
def account(place: Warehouse) -> Warehouse:
    """A few tasks and a job with prices."""
    with place.writing("test") as connection:
        load(connection, PRICES)
        simulated = task(3, device=SV1, shots=0)
        store(
            connection,
            task(1, tags={"team": 'a"b'}),
            task(2, device=FORTE),
            simulated,
            job(),
            task(4, status="FAILED"),
        )
        store_results(connection, Result(simulated["quantumTaskArn"], 4321))
    return place


# --- FOCUS

MANDATORY = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
]


def test_focus_has_every_mandatory_column_and_only_marked_ones_of_its_own(account: Warehouse) -> None:
    with account.writing("test") as connection:
        columns = [row[0] for row in connection.execute("DESCRIBE focus_costs").fetchall()]
    assert set(MANDATORY) <= set(columns)
    standard = [column for column in columns if not column.startswith("x_")]
    assert all(column[0].isupper() and column.isalpha() for column in standard)


def test_focus_has_a_row_a_meter_whose_arithmetic_and_dates_hold(account: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "f.parquet"
    with account.writing("test") as connection:
        assert export_focus(connection, file) == 7
    rows = pq.read_table(file).to_pylist()
    assert sorted(row["SkuMeter"] for row in rows) == sorted(
        ["task", "shot"] * 2 + ["run_time", "instance", "volume"]
    )
    for row in rows:
        assert abs(row["ListUnitPrice"] * row["PricingQuantity"] - row["ListCost"]) < Decimal("1e-9")
        assert row["BilledCost"] == row["EffectiveCost"] == row["ContractedCost"] == row["ListCost"]
        start, end = row["ChargePeriodStart"], row["ChargePeriodEnd"]
        assert (end - start).days == 1
        assert row["BillingPeriodStart"] <= start < end <= row["BillingPeriodEnd"]
        assert (start.date(), row["BillingPeriodStart"].day) == (date(2026, 9, 1), 1)
        assert row["BillingCurrency"] == "USD"
        assert row["ProviderName"] == row["InvoiceIssuerName"] == "AWS"
        assert json.loads(row["Tags"]) == (
            {"team": 'a"b'} if row["ResourceId"] == task(1)["quantumTaskArn"] else {}
        )
    simulator = next(row for row in rows if row["SkuMeter"] == "run_time")
    assert (simulator["ConsumedQuantity"], simulator["ConsumedUnit"]) == (usd("4.321"), "Seconds")
    assert simulator["PricingUnit"] == "Minutes"


def test_focus_as_csv_writes_instants_in_utc(account: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    with account.writing("test") as connection:
        export_focus(connection, file)
    with file.open(newline="") as stream:
        assert {row["ChargePeriodStart"] for row in csv.DictReader(stream)} == {"2026-09-01T00:00:00Z"}


@pytest.mark.parametrize("name", ["f.txt", "no/such/folder/f.parquet"])
def test_focus_that_cannot_be_written_is_said_in_words(account: Warehouse, tmp_path: Path, name: str) -> None:
    with account.writing("test") as connection, pytest.raises(CostError, match=name.rsplit("/", 1)[-1]):
        export_focus(connection, tmp_path / name)
    assert list(tmp_path.glob(".f*")) == []


@pytest.mark.skipif(
    "FOCUS_VALIDATOR" not in os.environ,
    reason="FOCUS_VALIDATOR names no focus-validator (it needs an environment of its own, with Python 3.12)",
)
def test_focus_validator_finds_nothing_but_the_rule_that_contradicts_itself(
    account: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "f.parquet"
    with account.writing("test") as connection:
        export_focus(connection, file)
    command = Path(os.environ["FOCUS_VALIDATOR"])
    criteria = (
        "PUBLIC_PRICE_LIST_SUPPORTED,UNIT_PRICING_SUPPORTED,REGION_SUPPORTED,TAGGING_SUPPORTED,SUB_ACCOUNT_SUPPORTED,"
        "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED,RESOURCE_TYPE_ASSIGNMENT_SUPPORTED,"
        "MULTIPLE_PRICING_CATEGORIES_SUPPORTED,ACCOUNT_NAMING_SUPPORTED,MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED,"
        "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED"
    )
    # It opens a file relative to its own folder, and exits with 0 whatever it finds.
    found = subprocess.run(
        [
            command,
            "--data-file",
            file,
            "--validate-version",
            "1.2",
            "--block-download",
            "--focus-dataset",
            "CostAndUsage",
            "--show-violations",
            "--applicability-criteria",
            criteria,
        ],
        cwd=next(command.parent.parent.glob("lib/python3.*/site-packages")),
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = [line.split()[1].rstrip(":") for line in found.stdout.splitlines() if line.startswith("❌")]
    assert "Total: " in found.stdout, found.stderr
    assert failed == ["InvoiceId-C-005-C"]


# --- Bills


def cur_line(arn: str = "", **columns: Any) -> dict[str, Any]:
    """One line of a CUR 2.0 export: 100 shots on Garnet, billed at list price."""
    return {
        "identity_line_item_id": columns.pop("id", "line-1"),
        "bill_billing_period_start_date": "2026-09-01T00:00:00.000Z",
        "bill_payer_account_id": "999999999999",
        "line_item_usage_account_id": ACCOUNT,
        "line_item_product_code": "AmazonBraket",
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": "2026-09-01T12:00:00.000Z",
        "line_item_usage_end_date": "2026-09-01T13:00:00.000Z",
        "line_item_usage_type": "EUN1-Garnet-Task-Shot",
        "line_item_operation": "",
        "line_item_resource_id": arn,
        "line_item_usage_amount": "100",
        "line_item_unblended_cost": "0.145",
        "line_item_currency_code": "USD",
        "pricing_unit": "quantum-shot",
        "pricing_public_on_demand_cost": "0.145",
        "product_product_family": "Quantum Task-Shot",
        "product_region_code": "eu-north-1",
        "product": '{"devicename": "Garnet", "provider": "IQM"}',
        "resource_tags": '{"user_team": "a"}',
        **columns,
    }


FEE = {
    "id": "line-2",
    "line_item_unblended_cost": "0.3",
    "pricing_public_on_demand_cost": "0.3",
    "line_item_usage_amount": "1",
    "product_product_family": "Quantum Task",
}


def cur(folder: Path, *lines: dict[str, Any], name: str = "cur.csv") -> Path:
    file = folder / name
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)
    return file


def reconciled(place: Warehouse, *paths: Path) -> list[dict[str, Any]]:
    for path in paths:
        import_bill(place, local_delivery(path))
    with place.writing("test") as connection:
        found = connection.execute("SELECT * FROM cost_reconciliation ORDER BY product_family, charge_date")
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def billed(place: Warehouse) -> Warehouse:
    """One task on Garnet, which costs 0.30 and 0.145."""
    with place.writing("test") as connection:
        load(connection, PRICES)
        store(connection, task(1))
    return place


def test_a_bill_that_agrees_is_matched(billed: Warehouse, tmp_path: Path) -> None:
    rows = reconciled(billed, cur(tmp_path, cur_line(), cur_line(**FEE)))
    assert [(row["product_family"], row["explanation"], row["difference_usd"]) for row in rows] == [
        ("Quantum Task", "matched", 0),
        ("Quantum Task-Shot", "matched", 0),
    ]


def test_a_resource_id_that_is_known_puts_the_line_on_its_day(billed: Warehouse, tmp_path: Path) -> None:
    next_day = {"line_item_usage_start_date": "2026-09-02T00:00:00Z", "product": "{}"}
    arn = task(1)["quantumTaskArn"]
    rows = reconciled(billed, cur(tmp_path, cur_line(arn, **next_day), cur_line(arn, **FEE, **next_day)))
    assert [(str(row["charge_date"]), row["explanation"]) for row in rows] == [("2026-09-01", "matched")] * 2


def test_usage_billed_a_day_later_is_a_day_shift(billed: Warehouse, tmp_path: Path) -> None:
    late = cur_line(line_item_usage_start_date="2026-09-02T00:00:00Z")
    rows = [
        row
        for row in reconciled(billed, cur(tmp_path, late, cur_line(**FEE)))
        if "Shot" in row["product_family"]
    ]
    assert [(str(row["charge_date"]), row["explanation"], row["unexplained_usd"]) for row in rows] == [
        ("2026-09-01", "day_shift", 0),
        ("2026-09-02", "day_shift", 0),
    ]


@pytest.mark.parametrize(
    ("columns", "explanation", "unexplained"),
    [
        ({"line_item_unblended_cost": "0"}, "free_tier", "0"),
        ({"line_item_unblended_cost": "0.1"}, "discount", "0"),
        ({"line_item_unblended_cost": "0.1449", "pricing_public_on_demand_cost": "0.1449"}, "rounding", "0"),
        (
            {"line_item_unblended_cost": "0.045", "pricing_public_on_demand_cost": "0.045"},
            "unexplained",
            "0.1",
        ),
        (
            {"line_item_unblended_cost": "1.145", "pricing_public_on_demand_cost": "1.145"},
            "unexplained",
            "-1",
        ),
        ({"line_item_unblended_cost": "0", "pricing_public_on_demand_cost": "0"}, "free_tier", "0"),
    ],
)
def test_a_difference_is_explained_or_remains(
    billed: Warehouse, tmp_path: Path, columns: dict[str, str], explanation: str, unexplained: str
) -> None:
    row = reconciled(billed, cur(tmp_path, cur_line(**columns), cur_line(**FEE)))[1]
    assert (row["explanation"], row["unexplained_usd"]) == (explanation, usd(unexplained))


def test_credits_and_taxes_stand_beside_the_comparison(billed: Warehouse, tmp_path: Path) -> None:
    credit = cur_line(id="c", line_item_line_item_type="Credit", line_item_unblended_cost="-0.145")
    tax = cur_line(id="t", line_item_line_item_type="Tax", line_item_unblended_cost="0.03")
    row = reconciled(billed, cur(tmp_path, cur_line(), cur_line(**FEE), credit, tax))[1]
    assert (row["explanation"], row["credit_usd"], row["tax_usd"]) == ("matched", usd("-0.145"), usd("0.03"))


def test_a_discount_line_explains_what_it_takes_off(billed: Warehouse, tmp_path: Path) -> None:
    line = cur_line(id="d", line_item_line_item_type="PrivateRateDiscount", line_item_unblended_cost="-0.045")
    row = reconciled(billed, cur(tmp_path, cur_line(), cur_line(**FEE), line))[1]
    assert (row["explanation"], row["billed_usd"], row["discount_usd"]) == (
        "discount",
        usd("0.1"),
        usd("0.045"),
    )


def test_what_no_bill_covers_yet_is_not_unexplained(billed: Warehouse) -> None:
    assert {row["explanation"] for row in reconciled(billed)} == {"not_billed_yet"}


def test_a_newer_delivery_replaces_the_month(billed: Warehouse, tmp_path: Path) -> None:
    first = cur(tmp_path, cur_line(line_item_unblended_cost="9"), cur_line(**FEE))
    second = cur(tmp_path, cur_line(id="other"), cur_line(**FEE), name="again.csv")
    assert [row["explanation"] for row in reconciled(billed, first, second, second)] == ["matched", "matched"]


def test_lines_that_are_equal_are_all_kept(billed: Warehouse, tmp_path: Path) -> None:
    half = {"line_item_unblended_cost": "0.0725", "pricing_public_on_demand_cost": "0.0725", "id": ""}
    rows = reconciled(billed, cur(tmp_path, cur_line(**half), cur_line(**half), cur_line(**FEE)))
    assert (rows[1]["explanation"], rows[1]["n_lines"]) == ("matched", 2)


def test_lines_of_other_services_are_passed_over(billed: Warehouse, tmp_path: Path) -> None:
    other = cur_line(id="x", line_item_product_code="AmazonEC2", line_item_usage_type="BoxUsage")
    assert import_bill(billed, local_delivery(cur(tmp_path, other, cur_line()))).rows == 1


def test_parquet_with_maps_is_read_like_csv(billed: Warehouse, tmp_path: Path) -> None:
    lines = [cur_line(), cur_line(**FEE)]
    for line in lines:
        line["product"] = [("devicename", "Garnet")]
        line["resource_tags"] = [("user_team", "a")]
        line["line_item_unblended_cost"] = float(line["line_item_unblended_cost"])
    text_map = pa.map_(pa.string(), pa.string())
    schema = pa.schema(
        [
            (
                name,
                text_map
                if isinstance(value, list)
                else pa.float64()
                if isinstance(value, float)
                else pa.string(),
            )
            for name, value in lines[0].items()
        ]
    )
    folder = tmp_path / "BILLING_PERIOD=2026-09"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(lines, schema=schema), folder / "a-00001.snappy.parquet")
    (folder / "Manifest.json").write_text("{}")
    assert [row["explanation"] for row in reconciled(billed, tmp_path)] == ["matched", "matched"]
    with billed.writing("test") as connection:
        assert one(connection, "SELECT DISTINCT tags FROM billed_line_items") == {"tags": {"team": "a"}}


def test_our_own_focus_export_reconciles_with_itself(account: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "f.parquet"
    with account.writing("test") as connection:
        export_focus(connection, file)
    assert {row["explanation"] for row in reconciled(account, file)} == {"matched"}


def test_a_usage_type_may_be_explained_by_a_file(billed: Warehouse, tmp_path: Path) -> None:
    from braket_etl.costs.kept_files import import_usage_types

    unknown = {"product_product_family": "", "product": "{}", "line_item_usage_type": "EUN1-Odd"}
    file = cur(tmp_path, cur_line(**unknown), cur_line(**FEE))
    assert reconciled(billed, file)[0]["product_family"] == "(unknown)"
    kept = tmp_path / "usage.csv"
    kept.write_text("usage_type,product_family,device_name\nEUN1-Odd,Quantum Task-Shot,Garnet\n")
    import_usage_types(billed, kept)
    assert {row["explanation"] for row in reconciled(billed)} == {"matched"}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"line_item_currency_code": "EUR"}, "EUR"),
        ({"line_item_unblended_cost": "dear"}, "dear"),
        ({"line_item_unblended_cost": ""}, "billed_usd"),
        ({"line_item_unblended_cost": "1e300"}, "1e300"),
        ({"line_item_usage_start_date": "soon"}, "soon"),
    ],
)
def test_a_bill_that_cannot_be_right_changes_nothing(
    billed: Warehouse, tmp_path: Path, columns: dict[str, str], says: str
) -> None:
    import_bill(billed, local_delivery(cur(tmp_path, cur_line())))
    with pytest.raises(BillingFileError, match=says):
        import_bill(billed, local_delivery(cur(tmp_path, cur_line(**FEE), cur_line(**columns))))
    with billed.writing("test") as connection:
        assert one(connection, "SELECT count(*) AS n FROM billed_line_items")["n"] == 1


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"<html>", b"PAR1garbage"])
@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_what_is_no_bill_is_refused_in_words(
    billed: Warehouse, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BillingFileError, match=name):
        import_bill(billed, local_delivery(tmp_path / name))


# --- Price lists over HTTP


@contextmanager
def served(content: bytes, *, announced: int | None = None, status: int = 200) -> Iterator[str]:
    """A server that answers every request so, perhaps with less than it announced."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) if announced is None else announced))
            self.end_headers()
            self.wfile.write(content)

    with answered_by(Handler) as url:
        yield f"{url}/index.csv?X-Amz-Signature=secret"


def stored_prices(place: Warehouse) -> list[Any]:
    with place.writing("test") as connection:
        return connection.execute("SELECT * EXCLUDE (loaded_at) FROM prices ORDER BY ALL").fetchall()


def test_the_emulators_price_list_loads_in_both_forms(place: Warehouse) -> None:
    with running(tasks=0, jobs=0, days=1) as emulator:
        path = f"{emulator.url}/offers/v1.0/aws/AmazonBraket/current/index"
        first, again = refresh_prices(place, f"{path}.csv"), refresh_prices(place, f"{path}.json")
    assert (first.new, again.new, again.known) == (len(offers.prices()), 0, first.new)


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (b"<html>Sign in</html>", {}, "HTML"),
        (offer(PRICES), {"announced": 10**6}, "cannot be read"),
        (b"no such key", {"status": 404}, "answered 404"),
        (offer(PRICES)[:-30], {}, "fields|damaged"),
        (b"\x1f\x8bnot gzip", {}, "cannot be read"),
    ],
)
def test_a_price_list_that_did_not_come_whole_changes_nothing(
    place: Warehouse, content: bytes, options: dict[str, int], says: str
) -> None:
    install_seed(place)
    before = stored_prices(place)
    with served(content, **options) as url, pytest.raises(PriceListError, match=says) as caught:
        refresh_prices(place, url)
    assert "secret" not in str(caught.value)
    assert stored_prices(place) == before


def test_no_credential_of_an_address_is_stored(place: Warehouse) -> None:
    with served(offer(PRICES)) as url:
        loaded = refresh_prices(place, url)
    assert "secret" not in loaded.loaded_from
    assert not any("secret" in str(row) for row in stored_prices(place))


# --- Estimates


def test_an_estimate_is_what_the_task_will_cost() -> None:
    with warehouse() as connection:
        load(connection, PRICES)
        store(connection, *(task(n, shots=777) for n in range(3)))
        found = estimate(connection, "garnet", 777, 3)
        assert found.cost_usd == one(connection, "SELECT sum(cost_usd) AS s FROM task_costs")["s"]
        assert (found.region, found.is_minimum) == ("eu-north-1", False)
        assert {line.price_source for line in found.lines} == {"price_list 2026-09-11"}
        assert found.as_json()["cost_usd"] == "4.27995"


@pytest.mark.parametrize(
    ("seconds", "expected", "is_minimum"), [(None, "0.0075", True), ("60", "0.15", False)]
)
def test_an_estimate_of_a_simulator_is_by_time(seconds: str | None, expected: str, is_minimum: bool) -> None:
    with seed_only() as connection:
        found = estimate(connection, SV1, 0, 2, seconds=None if seconds is None else Decimal(seconds))
    assert (found.cost_usd, found.is_minimum, found.region) == (usd(expected), is_minimum, None)


def test_an_estimate_inside_a_job_says_what_it_assumes() -> None:
    with seed_only() as connection:
        found = estimate(connection, FORTE, 100, in_job=True)
    assert (found.cost_usd, found.lines[0].price_source) == (usd("8.3"), EQUAL)


def test_an_unknown_device_is_refused_with_those_that_are_known() -> None:
    with seed_only() as connection, pytest.raises(UnknownPriceError, match=r"Anvil.*Garnet"):
        estimate(connection, "Anvil", 1)


# --- The command line

app = typer.Typer()
app.add_typer(verbs.prices, name="prices")
app.add_typer(verbs.billing, name="billing")
app.add_typer(export, name="export")
app.command()(verbs.estimate)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_estimate_needs_no_warehouse(home: Path) -> None:
    result = CliRunner().invoke(app, ["estimate", "--device", "Garnet", "--shots", "1000", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["cost_usd"]) == (0, "1.75")
    assert not home.exists()


def test_estimate_compares_devices_on_the_first_day(home: Path) -> None:
    result = CliRunner().invoke(app, ["estimate", "--shots", "1000", "--json"])
    assert result.exit_code == 0
    found = {entry["device"]: entry for entry in json.loads(result.stdout)}
    assert {"Garnet", "Forte-1", "SV1"} <= found.keys()
    assert not {"Aria-1", "Borealis", "TN1"} & found.keys()
    assert Decimal(found["Garnet"]["cost_usd"]) == Decimal("1.75")
    for entry in found.values():
        assert (entry["wait_p50_seconds"], entry["back_p90_at"], entry["is_available"]) == (None, None, None)
        assert entry["remarks"]
    again = CliRunner().invoke(app, ["estimate", "--shots", "1000", "--json", "--retired"])
    assert "Aria-1" in {entry["device"] for entry in json.loads(again.stdout)}
    table = CliRunner().invoke(app, ["estimate", "--shots", "1000", "--tasks", "2"])
    assert "$3.50" in table.stdout
    assert not home.exists()


def test_a_retired_device_is_refused_unless_it_is_asked_for(home: Path) -> None:
    runner, place = CliRunner(), Runtime().warehouse
    aria = "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1"
    with place.writing("test") as connection:
        ensure_seed(connection)
        connection.execute(
            "INSERT INTO devices BY NAME SELECT ? AS device_arn, 'Aria-1' AS device_name, 'IonQ' AS provider_name, "
            "'QPU' AS device_type, 'RETIRED' AS device_status, now() AS fetched_at, now() AS first_seen_at, "
            "'api' AS origin",
            [aria],
        )
        connection.execute(
            "INSERT INTO device_observations BY NAME SELECT ? AS device_arn, now() AS observed_at, now() AS "
            "last_observed_at, 1 AS n_polls, 'RETIRED' AS device_status, now() AS fetched_at",
            [aria],
        )
        publish(place, connection)
    asked = ["estimate", "--device", "Aria-1", "--shots", "100"]
    refused = runner.invoke(app, asked)
    assert refused.exit_code == 2
    assert "Aria-1 is RETIRED" in refused.output.replace("\n", " ")
    told = runner.invoke(app, [*asked, "--retired", "--json"])
    assert told.exit_code == 0
    found = json.loads(told.stdout)
    assert (found["status"], found["is_available"], found["cost_usd"]) == ("RETIRED", False, "3.3")


def test_prices_that_are_imported_are_published(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "index.csv"
    file.write_bytes(offer(PRICES))
    assert CliRunner().invoke(app, ["prices", "import", str(file)]).exit_code == 0
    result = CliRunner().invoke(app, ["prices", "list", "--device", "sv1", "--json"])
    assert {row["price_source"] for row in json.loads(result.stdout)} == {
        "price_list 2026-09-11",  # in its Region alone: simulators are in several
        ASSUMED,
        EQUAL,
    }
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        assert one(connection, "SELECT count(*) AS n FROM prices WHERE NOT is_seed")["n"] == len(PRICES)


def test_files_and_bills_are_imported_and_focus_is_exported(home: Path, tmp_path: Path) -> None:
    kept = tmp_path / "reservations.csv"
    kept.write_text(
        "reservation_arn,device_arn,start_at,end_at\n"
        f"arn:aws:braket:us-east-1:{ACCOUNT}:reservation/1,{FORTE},2026-09-01T10:00,2026-09-01T12:00\n"
    )
    runner = CliRunner()
    (tmp_path / "index.csv").write_bytes(
        offer([*PRICES, price("Quantum Reservation", "7000", "hours", device="Forte-1")])
    )
    assert runner.invoke(app, ["prices", "import", str(tmp_path / "index.csv")]).exit_code == 0
    assert runner.invoke(app, ["billing", "reservations", str(kept)]).exit_code == 0
    assert runner.invoke(app, ["billing", "import", str(cur(tmp_path, cur_line()))]).exit_code == 0
    assert runner.invoke(app, ["export", "focus", "--output", str(tmp_path / "f.parquet")]).exit_code == 0
    assert pq.read_table(tmp_path / "f.parquet").to_pylist()[0]["BilledCost"] == usd("14000")


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["prices", "import", "no-such-file.csv"], "no-such-file.csv", 1),
        (["billing", "import", "no-such-folder"], "no-such-folder", 1),
        (["billing", "discounts", "no-such-file.csv"], "no-such-file.csv", 1),
        (["estimate", "--device", "Anvil", "--shots", "1"], "Anvil", 1),
        (["estimate", "--device", "Garnit", "--shots", "1"], "did you mean Garnet?", 1),
        (["estimate", "--device", "sv1", "--shots", "1", "--seconds", "x"], "--seconds", 2),
        (["export", "focus", "--output", "f.parquet"], "no warehouse", 1),
    ],
)
def test_what_cannot_be_done_is_one_line(home: Path, arguments: list[str], says: str, code: int) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, says in result.output.replace("\n", "")) == (code, True)
    assert "Traceback" not in result.output


def test_every_column_of_our_models_is_explained(place: Warehouse) -> None:
    with place.writing("test") as connection:
        publish(place, connection)
        actual = {
            name: [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]
            for name in (model.name for model in models())
        }
    for model in models():
        if "cost" in model.name or model.name in {
            "charges",
            "price_periods",
            "device_keys",
            "priced_tasks",
            "job_meters",
        }:
            assert set(model.columns) == set(actual[model.name]), model.name
            assert model.description
