"""Deliveries of bills: which files count, and what they replace."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from braket_etl.cli import costs as verbs
from braket_etl.costs.bill_delivery import local_delivery
from braket_etl.costs.billing import Imported, import_bill
from braket_etl.costs.errors import BillingFileError
from braket_etl.warehouse.connection import Warehouse
from tests import cost_cases
from tests.bill_cases import MONTH, PAYER, cur2, focus, manifest, text_of, written
from tests.http_server import answered_by
from tests.integration.buckets import Buckets, serving
from tests.warehouses import empty_warehouse

pytestmark = pytest.mark.warehouse

FIRST, SECOND = "2026-09-06T02:00:00.000Z-1b2c", "2026-09-07T02:00:00.000Z-9f8e"
PERIOD = f"BILLING_PERIOD={MONTH}"
OTHER = "444455556666"


@pytest.fixture
def place(tmp_path: Path) -> Warehouse:
    return empty_warehouse(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "bills"
    found.mkdir()
    return found


def imported(place: Warehouse, path: Path, *months: str) -> Imported:
    return import_bill(place, local_delivery(path), months=months)


def billed(place: Warehouse, where: str = "true") -> tuple[int, Decimal]:
    """Lines that are stored, and their sum."""
    with place.writing("test") as connection:
        found = connection.execute(
            f"SELECT count(*), coalesce(sum(billed_usd), 0) FROM billed_line_items WHERE {where}"
        ).fetchall()
    return found[0]


def created_new(folder: Path) -> Path:
    """Two refreshes of an export, as Data Exports leaves them where it is to create new files."""
    export = folder / "exports" / "my-export"
    for refresh, days in ((FIRST, (5,)), (SECOND, (5, 6))):
        data = f"my-export/data/{PERIOD}/{refresh}/my-export-00001.csv.gz"
        lines = [line for day in days for line in cur2(day, prefix=refresh)]
        written(folder / "exports" / data, lines)
        manifest(export / "metadata" / PERIOD / refresh / "my-export-Manifest.json", data)
        manifest(export / "metadata" / PERIOD / "my-export-Manifest.json", data)
    return export


@pytest.mark.parametrize("deeper", [".", ".."])
def test_the_manifest_of_the_period_says_which_refresh_counts(
    place: Warehouse, folder: Path, deeper: str
) -> None:
    done = imported(place, created_new(folder) / deeper)
    assert (billed(place), done.periods) == ((4, Decimal("16.6")), (MONTH,))
    assert any(FIRST in note for note in done.notes)


@pytest.mark.parametrize("name", [f"data/{PERIOD}", "data", "."])
def test_refreshes_without_the_manifest_of_the_period_are_refused(
    place: Warehouse, folder: Path, name: str
) -> None:
    export = created_new(folder)
    (export / "metadata" / PERIOD / "my-export-Manifest.json").unlink()
    with pytest.raises(BillingFileError, match=rf"{FIRST}.*{SECOND}"):
        imported(place, export / name)
    assert billed(place) == (0, 0)


def test_the_manifest_of_one_refresh_does_not_speak_for_the_others(place: Warehouse, folder: Path) -> None:
    export = created_new(folder)
    (export / "metadata" / PERIOD / "my-export-Manifest.json").unlink()
    (export / "metadata" / PERIOD / SECOND / "my-export-Manifest.json").unlink()
    with pytest.raises(BillingFileError, match=rf"{SECOND}.*{FIRST}|{FIRST}.*{SECOND}"):
        imported(place, export)


def test_a_single_refresh_counts_without_a_manifest(place: Warehouse, folder: Path) -> None:
    imported(place, created_new(folder) / "data" / PERIOD / SECOND)
    assert billed(place) == (4, Decimal("16.6"))


def test_an_overwritten_export_is_read_with_its_empty_chunk(place: Warehouse, folder: Path) -> None:
    names = [f"e/data/{PERIOD}/e-0000{n}.csv" for n in (1, 2, 3)]
    written(folder / names[0], cur2(5))
    written(folder / names[1], cur2(6))
    written(folder / names[2], [], cur2()[0])
    manifest(folder / f"e/metadata/{PERIOD}/e-Manifest.json", *names)
    assert (imported(place, folder).rows, billed(place)) == (4, (4, Decimal("16.6")))


def test_a_manifest_that_names_a_file_which_is_not_here_is_refused(place: Warehouse, folder: Path) -> None:
    export = created_new(folder)
    next((export / "data" / PERIOD / SECOND).iterdir()).unlink()
    with pytest.raises(BillingFileError, match=rf"my-export-Manifest\.json names .*{SECOND}.* is not here"):
        imported(place, export)


def test_a_manifest_that_names_no_file_is_refused(place: Warehouse, folder: Path) -> None:
    written(folder / "e.csv", cur2())
    manifest(folder / "e-Manifest.json")
    with pytest.raises(BillingFileError, match=r"e-Manifest\.json names no file"):
        imported(place, folder)


def test_a_file_that_two_manifests_name_counts_once(place: Warehouse, folder: Path) -> None:
    written(folder / "e.csv", cur2())
    for name in ("Manifest.json", "e-Manifest.json"):
        manifest(folder / name, "e.csv")
    imported(place, folder)
    assert billed(place) == (2, Decimal("8.3"))


def test_a_manifest_and_files_in_one_folder_belong_together(place: Warehouse, folder: Path) -> None:
    written(folder / "e-00001.csv", cur2(5))
    written(folder / "e-00002.csv", cur2(6))
    manifest(folder / "e-Manifest.json", f"e/data/{PERIOD}/{SECOND}/e-00001.csv")
    done = imported(place, folder)
    assert (billed(place), "e-00002.csv" in done.notes[0]) == ((2, Decimal("8.3")), True)


@pytest.mark.parametrize(
    "content", ["{", "[" * 1000, '{"dataFiles": [{"key": "e.csv"}]}', '{"reportKeys": "e"}']
)
def test_a_manifest_that_cannot_be_read_is_refused(place: Warehouse, folder: Path, content: str) -> None:
    written(folder / "e.csv", cur2())
    (folder / "e-Manifest.json").write_text(content)
    with pytest.raises(BillingFileError, match=r"e-Manifest\.json cannot be read"):
        imported(place, folder)


def test_a_manifest_speaks_for_the_files_of_its_own_tree(place: Warehouse, folder: Path) -> None:
    for payer in (PAYER, OTHER):
        data = f"e/data/{PERIOD}/e-00001.csv.gz"
        lines = cur2(bill_payer_account_id=payer, line_item_usage_account_id=payer, prefix=payer)
        written(folder / payer / data, lines)
        manifest(folder / payer / f"e/metadata/{PERIOD}/e-Manifest.json", data)
    imported(place, folder)
    assert billed(place, f"payer_account_id = '{OTHER}'") == (2, Decimal("8.3"))
    assert billed(place) == (4, Decimal("16.6"))


def test_a_manifest_does_not_speak_for_another_export(place: Warehouse, folder: Path) -> None:
    data = f"cur/data/{PERIOD}/cur-00001.csv.gz"
    written(folder / data, cur2())
    manifest(folder / f"cur/metadata/{PERIOD}/cur-Manifest.json", data)
    written(folder / f"focus/data/{PERIOD.lower()}/focus-00001.csv.gz", focus())
    imported(place, folder)
    assert billed(place) == (4, Decimal("16.6"))
    written(folder / f"hourly/data/{PERIOD}/hourly-00001.csv.gz", cur2(6))
    with pytest.raises(BillingFileError, match=r"2026-09 of account 111122223333.*cur.*hourly"):
        imported(place, folder)


def test_a_file_in_a_packing_that_is_not_read_is_refused_and_not_passed_over(
    place: Warehouse, folder: Path
) -> None:
    written(folder / "e-00001.csv", cur2(5))
    (folder / "e-00002.csv.bz2").write_bytes(bz2.compress(text_of(cur2(6))))
    with pytest.raises(BillingFileError, match=r"e-00002\.csv\.bz2 cannot be read.*gzip or zip"):
        imported(place, folder)
    (folder / "e-00002.csv.bz2").rename(folder / "._e-00002.csv")  # as macOS leaves beside a file
    assert imported(place, folder).files == 1


def test_a_name_of_a_file_makes_no_line_of_its_own(place: Warehouse, folder: Path) -> None:
    file = written(folder / "e\nerror: it is gone.csv", cur2(resource_tags="odd"))
    (note, *_) = imported(place, file).notes
    assert r"e\nerror: it is gone.csv: 2 lines" in note


def test_a_month_without_a_manifest_counts_beside_one_that_has_one(place: Warehouse, folder: Path) -> None:
    export = created_new(folder)
    august = cur2(bill_billing_period_start_date="2026-08-01T00:00:00Z")
    written(export / "data" / "BILLING_PERIOD=2026-08" / "x" / "my-export-00001.csv", august)
    assert imported(place, export).periods == ("2026-08", MONTH)


LEGACY = {"billingPeriod": {"start": "20260901T000000.000Z", "end": "20261001T000000.000Z"}, "account": PAYER}


def test_legacy_cur_has_a_manifest_of_its_own(place: Warehouse, folder: Path) -> None:
    dates = folder / "report" / "20260901-20261001"
    for assembly, day in (("a1", 5), ("a2", 6)):
        key = f"prefix/report/20260901-20261001/{assembly}/report-1.csv.gz"
        written(dates / assembly / "report-1.csv.gz", cur2(day))
        for where in (dates, dates / assembly):
            manifest(where / "report-Manifest.json", reportKeys=[key], **LEGACY)
            manifest(where / "report-RedshiftManifest.json", entries=[])
    imported(place, folder)
    assert billed(place, "usage_start = '2026-09-06 00:00:00Z'") == billed(place) == (2, Decimal("8.3"))


def test_the_status_file_of_legacy_cur_is_no_bill(place: Warehouse, folder: Path) -> None:
    status = folder / "cost_and_usage_data_status" / "cost_and_usage_data_status.parquet"
    status.parent.mkdir()
    pq.write_table(pa.table({"status": ["READY"]}), status)
    written(folder / "report" / "year=2026" / "month=9" / "report.csv", cur2())
    assert imported(place, folder).files == 1
    with pytest.raises(BillingFileError, match="status"):
        imported(place, status)


# --- Doubled files, without a manifest


def test_a_packed_file_beside_its_plain_one_is_refused(place: Warehouse, folder: Path) -> None:
    for name in ("e-00001.csv", "e-00001.csv.gz"):
        written(folder / name, cur2())
    with pytest.raises(
        BillingFileError, match=r"e-00001\.csv and .*e-00001\.csv\.gz hold the same lines.*li5-"
    ):
        imported(place, folder)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (cur2(), [*cur2(), *cur2(6)]),
        (cur2(), [*cur2(prefix="x"), *cur2(6)]),  # ids are others in each refresh
        (focus(), focus()),
        (focus(), [*focus()[:1], *focus(ChargePeriodStart="2026-09-07T00:00:00Z")]),
    ],
)
def test_lines_that_stand_in_two_files_are_refused(
    place: Warehouse, folder: Path, one: list[Any], other: list[Any]
) -> None:
    written(folder / "one.csv", one)
    written(folder / "other.csv", other)
    with pytest.raises(BillingFileError, match=r"one\.csv and .*other\.csv hold the same lines"):
        imported(place, folder)


def test_two_exports_of_one_account_and_month_are_refused(place: Warehouse, folder: Path) -> None:
    for export, day in (("daily", 5), ("hourly", 6)):
        data = f"{export}/data/{PERIOD}/{export}-00001.csv"
        written(folder / data, cur2(day))
        manifest(folder / f"{export}/metadata/{PERIOD}/{export}-Manifest.json", data)
    with pytest.raises(BillingFileError, match=r"2026-09 of account 111122223333.*daily.*hourly"):
        imported(place, folder)


def test_chunks_accounts_formats_and_partitions_of_a_month_add_up(place: Warehouse, folder: Path) -> None:
    written(folder / "e-00001.csv", cur2(5))
    written(folder / "e-00002.csv", cur2(6))
    written(folder / "day=7" / "e.csv", cur2(7))
    written(folder / "member" / "e.csv", cur2(5, line_item_usage_account_id=OTHER, prefix="m"))
    written(folder / "focus" / "f.csv", focus())
    imported(place, folder)
    assert (billed(place, "source_format = 'cur2'")[0], billed(place, "source_format = 'focus'")[0]) == (8, 2)


# --- What a delivery replaces


def test_a_month_without_braket_is_replaced(place: Warehouse, folder: Path) -> None:
    imported(place, written(folder / "a.csv", cur2()))
    done = imported(place, written(folder / "b.csv", cur2()[2:]))
    assert (done.rows, done.replaced, done.periods, billed(place)) == (0, 2, (MONTH,), (0, 0))


@pytest.mark.parametrize("told_by", ["folder", "manifest", "period"])
def test_a_month_without_a_line_is_replaced(place: Warehouse, folder: Path, told_by: str) -> None:
    imported(
        place,
        written(folder / "a.csv", [*cur2(), *cur2(bill_billing_period_start_date="2026-08-01", prefix="x")]),
    )
    empty = folder / "empty"
    written(empty / (PERIOD if told_by == "folder" else ".") / "e.csv", [], cur2()[0])
    if told_by == "manifest":
        manifest(empty / "Manifest.json", reportKeys=["report/e.csv"], **LEGACY)
    done = imported(place, empty, *([MONTH] if told_by == "period" else []))
    assert (done.replaced, billed(place)) == (2, (2, Decimal("8.3")))


def test_an_empty_delivery_whose_month_nothing_tells_is_refused(place: Warehouse, folder: Path) -> None:
    with pytest.raises(BillingFileError, match="--period"):
        imported(place, written(folder / "e.csv", [], cur2()[0]))


def test_an_empty_delivery_of_one_payer_leaves_the_others(place: Warehouse, folder: Path) -> None:
    for payer in (PAYER, OTHER):
        imported(
            place,
            written(folder / "a.csv", cur2(bill_payer_account_id=payer, line_item_usage_account_id=payer)),
        )
    written(folder / "empty" / "e.csv", [], cur2()[0])
    manifest(folder / "empty" / "Manifest.json", reportKeys=["report/e.csv"], **LEGACY)
    imported(place, folder / "empty")
    assert billed(place) == billed(place, f"payer_account_id = '{OTHER}'") == (2, Decimal("8.3"))


@pytest.mark.parametrize(("before", "after"), [(PAYER, None), (None, PAYER), (None, None)])
def test_a_restatement_without_payers_does_not_add_up(
    place: Warehouse, folder: Path, before: str | None, after: str | None
) -> None:
    imported(
        place,
        written(folder / "other.csv", cur2(bill_payer_account_id=OTHER, line_item_usage_account_id=OTHER)),
    )
    imported(place, written(folder / "a.csv", cur2(bill_payer_account_id=before)))
    assert imported(place, written(folder / "b.csv", cur2(bill_payer_account_id=after))).replaced == 2
    assert billed(place) == (4, Decimal("16.6"))


def test_a_period_limits_a_delivery(place: Warehouse, folder: Path) -> None:
    august = cur2(bill_billing_period_start_date="2026-08-01T00:00:00Z", prefix="x")
    written(folder / "a.csv", [*cur2(), *august])
    written(folder / "BILLING_PERIOD=2026-07" / "b.csv", [{"no": "bill"}])  # not even read
    assert imported(place, folder, MONTH).periods == (MONTH,)
    assert (
        billed(place) == billed(place, "billing_period_start = '2026-09-01 00:00:00Z'") == (2, Decimal("8.3"))
    )
    with pytest.raises(BillingFileError, match="no line of 2026-06"):
        imported(place, folder, "2026-06")


def test_a_line_that_does_not_tell_its_month_is_of_its_folder_s(place: Warehouse, folder: Path) -> None:
    late = cur2(bill_billing_period_start_date=None, line_item_usage_start_date="2026-10-01T00:00:00Z")
    imported(place, written(folder / PERIOD / "a.csv", late))
    assert billed(place, "billing_period_start = '2026-09-01 00:00:00Z'") == (2, Decimal("8.3"))
    imported(place, written(folder / "a.csv", cur2(bill_billing_period_start_date=None)))
    assert billed(place, "billing_period_start = '2026-09-01 00:00:00Z'") == (2, Decimal("8.3"))


# --- What is told


def test_what_no_line_tells_is_said(place: Warehouse, folder: Path) -> None:
    lines = cur2(product_region_code="", pricing_public_on_demand_cost=None, resource_tags="odd secret")
    notes = " ".join(imported(place, written(folder / "a.csv", lines)).notes)
    assert "region (product_region_code, product empty)" in notes
    assert "list_usd (no column pricing_public_on_demand_cost)" in notes
    assert "2 lines have tags that are no map" in notes
    assert "secret" not in notes


def test_family_and_device_are_told_by_the_usage_type_or_the_price_list(
    place: Warehouse, folder: Path
) -> None:
    odd = focus(SkuMeter="EUN1-Odd", SkuId="S1", ChargePeriodStart="2026-09-07T00:00:00Z")[:1]
    with place.writing("test") as connection:
        price = cost_cases.price("Quantum Task-Shot", "0.00145", "shot", device="Garnet", region="eu-north-1")
        cost_cases.load(connection, [price])
        connection.execute("UPDATE prices SET sku = 'S1' WHERE NOT is_seed")
    imported(place, written(folder / "f.csv", [*focus(), *odd]))
    with place.writing("test") as connection:
        found = connection.execute(
            "SELECT product_family, device_name, device_key FROM billed_line_items ORDER BY usage_start, billed_usd"
        ).fetchall()
    assert found == [
        ("Quantum Task", "Forte-1", "forte-1"),
        ("Quantum Task-Shot", "Forte-1", "forte-1"),
        ("Quantum Task-Shot", "Garnet", "garnet"),
    ]


def test_huge_amounts_are_compared_without_a_failure(place: Warehouse, folder: Path) -> None:
    huge = [line for day in range(1, 12) for line in cur2(day, line_item_unblended_cost="9e25")]
    imported(place, written(folder / "a.csv", huge))
    with place.writing("test") as connection:
        assert connection.execute("SELECT count(*) FROM cost_reconciliation").fetchall()[0][0] > 0


# --- The command line


app = typer.Typer()
app.add_typer(verbs.billing, name="billing")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Buckets]:
    with serving() as found:
        for name, value in found.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        yield found


def test_a_bucket_is_read_as_a_folder_is(home: Path, buckets: Buckets, folder: Path) -> None:
    export = created_new(folder)
    for file in export.rglob("*"):
        if file.is_file():
            buckets.put("bills", f"cur/{file.relative_to(export.parent)}", file.read_bytes())
    buckets.put("bills", f"cur-old/data/{PERIOD}/old.csv", text_of(cur2(8)))
    result = CliRunner().invoke(app, ["billing", "import", "s3://bills/cur", "--period", MONTH])
    assert (result.exit_code, "4 line items" in result.output) == (0, True), result.output
    assert "passed over" in result.output
    one = f"s3://bills/cur-old/data/{PERIOD}/old.csv"
    assert "2 line items" in CliRunner().invoke(app, ["billing", "import", one]).output


def test_a_bucket_that_refuses_is_told_with_the_permission(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with answered_by(Refuses) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE123456789")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        result = CliRunner().invoke(app, ["billing", "import", "s3://bills/cur/"])
    assert (result.exit_code, "s3:ListBucket on arn:aws:s3:::bills" in result.output) == (1, True), (
        result.output
    )


def test_a_period_that_is_no_month_is_bad_usage(home: Path) -> None:
    result = CliRunner().invoke(app, ["billing", "import", "x", "--period", "September"])
    assert (result.exit_code, "2026-09" in result.output) == (2, True)
