"""What a line of an export may hold where money and times stand."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from braket_etl.costs.billing import read_file
from braket_etl.costs.errors import BillingFileError

LINE = {
    "line_item_usage_start_date": "2026-09-03T10:00:00.000Z",
    "line_item_unblended_cost": "0.30",
    "line_item_line_item_type": "Usage",
    "line_item_product_code": "AmazonBraket",
}


def read(**values: str) -> dict[str, Any]:
    line = LINE | values
    text = f"{','.join(line)}\n{','.join(line.values())}\n"
    [row] = read_file("bill.csv", lambda: io.BytesIO(text.encode()))
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


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "one", "1e26", "-1e26", "1e999999999", "$1"])
def test_an_amount_that_cannot_be_right_names_the_column(amount: str) -> None:
    with pytest.raises(BillingFileError, match="line_item_unblended_cost"):
        read(line_item_unblended_cost=amount)


@pytest.mark.parametrize(
    "start", ["2026-09-03T10:00:00Z", "2026-09-03 10:00:00", "2026-09-03T12:00:00.000000000+02:00"]
)
def test_a_time_of_a_bill_is_utc(start: str) -> None:
    assert read(line_item_usage_start_date=start)["usage_start"] == datetime(2026, 9, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize("start", ["noon", "1788430800", "0001-01-01T00:00:00+05:00"])
def test_a_time_that_is_none_is_refused(start: str) -> None:
    with pytest.raises(BillingFileError, match="is no time"):
        read(line_item_usage_start_date=start)
