"""What a line of an export may hold, and how it may be written."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from braket_etl.costs.billing import read_file
from braket_etl.costs.errors import BillingFileError
from braket_etl.costs.rules import family_of_usage
from tests.bill_cases import PAYER, cur2, focus, text_of

LINE = {
    "line_item_usage_start_date": "2026-09-03T10:00:00.000Z",
    "line_item_unblended_cost": "0.30",
    "line_item_line_item_type": "Usage",
    "line_item_product_code": "AmazonBraket",
}
TAGS = {"user_project": "alpha, b", "aws_createdBy": "Root:1"}
FOUND = {"project": "alpha, b", "aws:createdBy": "Root:1"}


def rows(content: bytes) -> list[dict[str, Any]]:
    return read_file("bill.csv", lambda: io.BytesIO(content))


def read(**values: Any) -> dict[str, Any]:
    [row] = rows(text_of([LINE | values]))
    return row


def parquet(lines: list[dict[str, Any]], **types: pa.DataType) -> bytes:
    """The lines as Parquet: text but for `types`."""
    schema = pa.schema([(name, types.get(name, pa.string())) for name in lines[0]])
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(lines, schema=schema), stream)
    return stream.getvalue()


def stored(**columns: tuple[Any, pa.DataType]) -> dict[str, Any]:
    """The row of a line in Parquet, with values of these types."""
    line = LINE | {name: value for name, (value, _) in columns.items()}
    [row] = rows(parquet([line], **{name: kind for name, (_, kind) in columns.items()}))
    return row


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0.30", "0.300000000000"),
        ("-1e-3", "-0.001000000000"),
        (
            "12345678901234567.89",
            "12345678901234567.890000000000",
        ),  # more than the 28 digits of Python's context
        ("99999999999999999999999999.5", "99999999999999999999999999.500000000000"),
    ],
)
def test_an_amount_is_stored_as_it_is_billed(amount: str, expected: str) -> None:
    assert read(line_item_unblended_cost=amount)["billed_usd"] == Decimal(expected)


@pytest.mark.parametrize("amount", ["Infinity", "one", "1e26", "-1e26", "1e999999999", "$1"])
def test_an_amount_that_cannot_be_right_names_the_column(amount: str) -> None:
    with pytest.raises(BillingFileError, match="line_item_unblended_cost"):
        read(line_item_unblended_cost=amount)


@pytest.mark.parametrize(
    ("amount", "kind", "expected"),
    [
        (0.1 + 0.2, pa.float64(), "0.300000000000"),
        (12345678901234568.0, pa.float64(), "12345678901234568"),
        (1e25, pa.float64(), "1e25"),
        (Decimal("8.3"), pa.decimal128(38, 18), "8.3"),
        (Decimal("8.3"), pa.decimal256(50, 20), "8.3"),  # DuckDB 1.5 reads another number
        (Decimal("8.3"), pa.decimal256(76, 40), "8.3"),
        (3, pa.int64(), "3"),
        (0.3, pa.float32(), "0.3"),
    ],
)
def test_an_amount_in_parquet_is_that_of_the_file(amount: Any, kind: pa.DataType, expected: str) -> None:
    assert stored(line_item_unblended_cost=(amount, kind))["billed_usd"] == Decimal(expected)


@pytest.mark.parametrize("amount", ["NaN", "", "NULL"])
def test_a_line_whose_amount_is_not_told_is_refused(amount: str) -> None:
    with pytest.raises(BillingFileError, match="no billed_usd"):
        read(line_item_unblended_cost=amount)


@pytest.mark.parametrize(("value", "kind"), [(float("nan"), pa.float64()), ("NaN", pa.string())])
def test_what_is_no_number_to_pandas_is_not_told(value: Any, kind: pa.DataType) -> None:
    assert stored(pricing_public_on_demand_cost=(value, kind))["list_usd"] is None


@pytest.mark.parametrize(
    "start",
    [
        "2026-09-03T10:00:00Z",
        "2026-09-03 10:00:00",
        "2026-09-03T12:00:00.000000000+02:00",
        "2026-09-03 10:00:00.000",
        "2026-09-03 10:00:00.000 UTC",  # Athena
    ],
)
def test_a_time_of_a_bill_is_utc(start: str) -> None:
    assert read(line_item_usage_start_date=start)["usage_start"] == datetime(2026, 9, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize("start", ["noon", "1788430800", "0001-01-01T00:00:00+05:00"])
def test_a_time_that_is_none_is_refused(start: str) -> None:
    with pytest.raises(BillingFileError, match="is no time"):
        read(line_item_usage_start_date=start)


@pytest.mark.parametrize("kind", [pa.timestamp("ms"), pa.timestamp("ns"), pa.timestamp("us", "UTC")])
def test_a_time_in_parquet_is_utc(kind: pa.DataType) -> None:
    at = datetime(2026, 9, 3, 10, tzinfo=UTC)
    assert stored(line_item_usage_start_date=(at, kind))["usage_start"] == at


# --- Columns as they come


def test_the_columns_of_cur_2_are_read() -> None:
    line = cur2(line_item_iam_principal="arn:aws:iam::111122223333:user/r", bill_invoice_id="7")[0]
    [row] = rows(text_of([line]))
    assert row == {
        "neighbour": None,
        "source_format": "cur2",
        "line_item_id": "li5-0",
        "payer_account_id": PAYER,
        "account_id": PAYER,
        "region": "us-east-1",
        "billing_period_start": datetime(2026, 9, 1, tzinfo=UTC),
        "usage_start": datetime(2026, 9, 5, tzinfo=UTC),
        "usage_end": datetime(2026, 9, 6, tzinfo=UTC),
        "charge_kind": "usage",
        "charge_kind_raw": "Usage",
        "bill_type": "Anniversary",
        "invoice_id": "7",
        "usage_type": "USE1-Task-IonQ-Forte-1",
        "operation": None,
        "product_family": "Quantum Task",
        "device_name": "Forte-1",
        "device_key": "forte-1",
        "sku": None,
        "resource_id": None,
        "line_item_iam_principal": "arn:aws:iam::111122223333:user/r",
        "quantity": 1,
        "unit": "Quantum-Task",
        "list_usd": Decimal("0.3"),
        "billed_usd": Decimal("0.3"),
        "tags": {"project": "alpha"},
        "description": None,
        "source_file": "bill.csv",
    }


LEGACY = {
    "identity/LineItemId": "li",
    "bill/PayerAccountId": PAYER,
    "bill/BillingPeriodStartDate": "2026-09-01T00:00:00Z",
    "lineItem/UsageAccountId": PAYER,
    "lineItem/LineItemType": "Usage",
    "lineItem/UsageStartDate": "2026-09-05T00:00:00Z",
    "lineItem/ProductCode": "AmazonBraket",
    "lineItem/UsageType": "USE1-Task-IonQ-Forte-1",
    "lineItem/UnblendedCost": "0.30",
    "product/devicename": "Forte-1",
    "product/productFamily": "Quantum Task",
    "product/region": "us-east-1",
    "pricing/publicOnDemandCost": "0.30",
    "resourceTags/aws:createdBy": "Root:1",
    "resourceTags/user:project": "alpha, b",
    "resourceTags/user:other": "",
}
IN_PARQUET = {
    "identity_line_item_id": "li",
    "bill_payer_account_id": PAYER,
    "bill_billing_period_start_date": "2026-09-01 00:00:00",
    "line_item_usage_account_id": PAYER,
    "line_item_line_item_type": "Usage",
    "line_item_usage_start_date": "2026-09-05 00:00:00",
    "line_item_product_code": "AmazonBraket",
    "line_item_usage_type": "USE1-Task-IonQ-Forte-1",
    "line_item_unblended_cost": "0.30",
    "product_product_name": "Amazon Braket",
    "product_devicename": "Forte-1",
    "product_product_family": "Quantum Task",
    "product_region": "us-east-1",
    "pricing_public_on_demand_cost": "0.30",
    "resource_tags_aws_createdBy": "Root:1",
    "resource_tags_user_project": "alpha, b",
    "resource_tags_user_other": None,
}


@pytest.mark.parametrize("content", [text_of([LEGACY]), parquet([IN_PARQUET]), text_of([IN_PARQUET])])
def test_legacy_cur_is_read_whole(content: bytes) -> None:
    [row] = rows(content)
    read = {name: row[name] for name in ("source_format", "device_name", "region", "product_family", "tags")}
    assert read == {
        "source_format": "cur1",
        "device_name": "Forte-1",
        "region": "us-east-1",
        "product_family": "Quantum Task",
        "tags": FOUND,
    }
    assert (row["list_usd"], row["usage_type"], row["line_item_id"]) == (
        Decimal("0.3"),
        LEGACY["lineItem/UsageType"],
        "li",
    )


def test_focus_of_aws_is_read_with_its_literal_nulls() -> None:
    first, second = rows(text_of(focus()))
    assert (first["source_format"], first["usage_type"], first["sku"], first["list_usd"]) == (
        "focus",
        "USE1-Task-IonQ-Forte-1",
        None,
        None,
    )
    assert (second["billed_usd"], second["tags"], second["line_item_id"]) == (8, {"project": "alpha"}, None)


@pytest.mark.parametrize("spelled", [str.lower, str.upper])
@pytest.mark.parametrize("lines", [cur2(), focus(x_UsageType="USE1-Odd", SkuMeter=None)])
def test_headers_may_be_spelled_otherwise(lines: list[dict[str, Any]], spelled: Any) -> None:
    otherwise = [{spelled(name): value for name, value in line.items()} for line in lines]
    assert rows(text_of(otherwise)) == rows(text_of(lines))


@pytest.mark.parametrize("name", ["product_region_code", "product_region", "product"])
def test_a_region_stands_in_one_of_several_columns(name: str) -> None:
    value = {"region": "eu-north-1"} if name == "product" else "eu-north-1"
    assert read(**{name: value})["region"] == "eu-north-1"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("user_project", "project"),
        ("resourceTags/user_project", "project"),
        ("resourceTags/user:project", "project"),
        ("resourceTags/project", "project"),
        ("user:user_name", "user_name"),
        ("aws:createdBy", "aws:createdBy"),
        ("resourceTags/aws:createdBy", "aws:createdBy"),
        ("aws_createdBy", "aws:createdBy"),
        ("accountTag/team", "accountTag/team"),
        ("costCategory/x", "costCategory/x"),
    ],
)
@pytest.mark.parametrize("column", ["resource_tags", "tags"])
def test_a_tag_has_the_key_of_the_resource(column: str, key: str, expected: str) -> None:
    assert read(**{column: {key: "a"}})["tags"] == {expected: "a"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(TAGS),
        "{user_project=alpha, b, aws_createdBy=Root:1}",  # Athena
        "{user_project='alpha, b', aws_createdBy='Root:1'}",  # DuckDB
        str(TAGS),  # pandas
        str(list(TAGS.items())),
        json.dumps([{"key": key, "value": value} for key, value in TAGS.items()]),
    ],
)
def test_tags_as_text_are_read(text: str) -> None:
    assert read(resource_tags=text)["tags"] == FOUND


@pytest.mark.parametrize("text", ["odd", "{odd}", "5", '"odd"', "[1]", "{a=" + ", " * 60_000 + "}"])
def test_tags_that_are_no_map_do_not_cost_the_line(text: str) -> None:
    assert read(resource_tags=text)["billed_usd"] == Decimal("0.3")


@pytest.mark.parametrize("text", ["", "{}", "[]", "NULL", "null"])
def test_no_tags_are_none(text: str) -> None:
    assert read(resource_tags=text)["tags"] is None


_TEXT = pa.string()
_KEY_AND_VALUE = pa.list_(pa.struct([("key", _TEXT), ("value", _TEXT)]))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (list(TAGS.items()), pa.map_(_TEXT, _TEXT)),
        ([{"key": key, "value": value} for key, value in TAGS.items()], _KEY_AND_VALUE),
        ([list(pair) for pair in TAGS.items()], pa.list_(pa.list_(_TEXT))),  # pandas
        (TAGS | {"user_other": None}, pa.struct([(name, _TEXT) for name in (*TAGS, "user_other")])),
    ],
)
def test_tags_in_parquet_are_read(value: Any, kind: pa.DataType) -> None:
    assert stored(resource_tags=(value, kind))["tags"] == FOUND


@pytest.mark.parametrize(
    ("account", "kind"),
    [
        (11122223333, pa.int64()),
        (11122223333.0, pa.float64()),
        ("011122223333", _TEXT),
        ("1.1122223333E10", _TEXT),  # Spark
    ],
)
def test_an_account_taken_for_a_number_is_one(account: Any, kind: pa.DataType) -> None:
    assert stored(line_item_usage_account_id=(account, kind))["account_id"] == "011122223333"


@pytest.mark.parametrize(("account", "kind"), [(float("nan"), pa.float64()), ("NULL", _TEXT)])
def test_an_account_that_is_not_told_is_none(account: Any, kind: pa.DataType) -> None:
    assert stored(line_item_usage_account_id=(account, kind))["account_id"] is None


def test_an_account_that_a_spreadsheet_rounded_is_refused() -> None:
    with pytest.raises(BillingFileError, match=r"line_item_usage_account_id '1\.11122E\+11'.*spreadsheet"):
        read(line_item_usage_account_id="1.11122E+11")


@pytest.mark.parametrize("kind", [pa.dictionary(pa.int32(), _TEXT), pa.large_string(), pa.binary()])
def test_text_in_parquet_may_be_stored_otherwise(kind: pa.DataType) -> None:
    value = b"AmazonBraket" if kind == pa.binary() else "AmazonBraket"
    assert stored(line_item_product_code=(value, kind))["charge_kind"] == "usage"


def test_a_correction_of_an_earlier_month_is_a_refund() -> None:
    assert {row["charge_kind"] for row in rows(text_of(focus(ChargeClass="Correction")))} == {"refund"}


# --- Files


def zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("report-1.csv", content)
    return stream.getvalue()


@pytest.mark.parametrize("packed", [gzip.compress, zipped, lambda text: b"\xef\xbb\xbf" + text])
def test_a_file_is_unpacked_by_its_content(packed: Any) -> None:
    assert len(rows(packed(text_of(cur2())))) == 2


def test_the_first_quoted_field_may_come_late() -> None:
    plain = [LINE | {"line_item_product_code": "AmazonEC2", "resource_tags": ""}] * 30_000
    [row] = rows(text_of([*plain, LINE | {"resource_tags": TAGS}]))
    assert row["tags"] == FOUND


def test_parquet_with_more_than_one_row_group_is_read_whole() -> None:
    table = pa.Table.from_pylist(
        [{k: v for k, v in line.items() if k != "product"} for line in cur2(resource_tags=None)]
    )
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=1)
    assert [row["billed_usd"] for row in rows(stream.getvalue())] == [Decimal("0.3"), 8]


@pytest.mark.parametrize(
    "content",
    [
        text_of(cur2())[:-20],  # ends within quotes
        text_of(cur2()) + b"x,y\n",
        gzip.compress(text_of(cur2()))[:-9],
        zipped(text_of(cur2()))[:-9],
        parquet([LINE])[:-9],
        text_of(cur2()).replace(b"us-east-1", b"\xff"),
        text_of(cur2()).replace(b",", b";"),
    ],
    # a packed file holds the time: workers would call the case by different names
    ids=["in quotes", "short line", "gzip cut", "zip cut", "parquet cut", "no UTF-8", "semicolons"],
)
def test_a_damaged_file_is_refused_with_its_name(content: bytes) -> None:
    with pytest.raises(BillingFileError, match=r"bill\.csv"):
        rows(content)


@pytest.mark.parametrize("told", [{}, {"line_item_usage_type": "USE1-Task-IonQ-Forte-1"}])
def test_a_file_that_does_not_tell_the_service_is_refused(told: dict[str, str]) -> None:
    line = told | {name: value for name, value in LINE.items() if name != "line_item_product_code"}
    with pytest.raises(BillingFileError, match="service"):
        rows(text_of([line]))


@pytest.mark.parametrize(
    ("usage_type", "operation", "unit", "family"),
    [
        ("USE1-Task", "CompleteTask", None, "Quantum Task"),
        ("USE1-Task-Shot", None, None, "Quantum Task-Shot"),
        ("USE1-Task-Shot-IonQ-Forte-1", "Managed-Jobs", None, "Braket Managed Jobs QPU Task Shot"),
        ("USE1-SV1-Completed-Task-ExecutionDuration", None, None, "Simulator Task"),
        ("USE1-Jobs-ml.m5.large", None, None, "Braket Managed Jobs Instance"),
        ("USE1-Reservation-Forte-1", None, None, "Quantum Reservation"),
        (None, None, "Quantum-Shot", "Quantum Task-Shot"),
        ("USE1-Odd", None, "Quantum-Shot", None),
        (None, None, None, None),
    ],
)
def test_a_usage_type_tells_the_family(usage_type: str, operation: str, unit: str, family: str) -> None:
    assert family_of_usage(usage_type, operation, unit) == family
