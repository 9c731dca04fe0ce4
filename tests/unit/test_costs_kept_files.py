"""Files that users keep are read whole, and a line that cannot be right is named."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from braket_etl.costs.errors import BillingFileError
from braket_etl.costs.kept_files import read_discounts, read_reservations, read_usage_types
from braket_etl.costs.rules import price_rules

ARN = "arn:aws:braket:us-east-1:123456789012:reservation/1"
AQUILA = "arn:aws:braket:us-east-1::device/qpu/quera/Aquila"
HEAD = "reservation_arn,device_arn,start_at,end_at"


def _file(folder: Path, *lines: str) -> Path:
    file = folder / "kept.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_a_reservation_is_paid_for_each_begun_hour(tmp_path: Path) -> None:
    row = read_reservations(_file(tmp_path, HEAD, f"{ARN},{AQUILA},2026-10-01T10:00,2026-10-01T12:01"))[0]
    assert (row["hours"], row["account_id"], row["region"], row["device_name"]) == (
        3,
        "123456789012",
        "us-east-1",
        "Aquila",
    )
    assert row["start_at"].isoformat() == "2026-10-01T10:00:00+00:00"


def test_whole_hours_are_not_rounded_up_and_zones_are_minded(tmp_path: Path) -> None:
    line = f"{ARN},{AQUILA},2026-10-01T10:00+02:00,2026-10-01T10:00Z,20000"
    row = read_reservations(_file(tmp_path, HEAD + ",agreed_usd", line))[0]
    assert (row["hours"], row["agreed_usd"], row["agreed_usd_per_hour"]) == (
        2,
        Decimal(20000),
        Decimal(10000),
    )


def test_a_discount_on_all_is_one_on_each_family(tmp_path: Path) -> None:
    rows = read_discounts(_file(tmp_path, "product_family,percent,effective_from", "*,12.5,2026-01-01"))
    assert {row["product_family"] for row in rows} == price_rules().keys()
    assert {row["rate"] for row in rows} == {Decimal("0.125")}


def test_a_discount_may_follow_another(tmp_path: Path) -> None:
    head = "product_family,percent,effective_from,effective_to"
    lines = ("Quantum Task,10,2026-01-01,2026-06-01", "Quantum Task,20,2026-06-01,")
    assert [row["rate"] for row in read_discounts(_file(tmp_path, head, *lines))] == [
        Decimal("0.1"),
        Decimal("0.2"),
    ]


@pytest.mark.parametrize(
    ("read", "lines", "says"),
    [
        (read_reservations, (HEAD, f"{ARN},{AQUILA},2026-10-01T10:00,2026-10-01T10:00"), "line 2: end_at"),
        (read_reservations, (HEAD, f"{ARN},{AQUILA},soon,2026-10-01"), "line 2: start_at 'soon'"),
        (read_reservations, (HEAD, f",{AQUILA},2026-10-01,2026-10-02"), "line 2: reservation_arn"),
        (read_reservations, (HEAD, f"r-1,{AQUILA},2026-10-01,2026-10-02"), "account_id"),
        (read_reservations, (HEAD, *[f"{ARN},{AQUILA},2026-10-01,2026-10-02"] * 2), "twice"),
        (
            read_reservations,
            (
                HEAD,
                *[
                    f"{arn},{AQUILA},2026-10-01,2026-10-02"
                    for arn in (ARN, ARN.replace("reservation", "Reservation"))
                ],
            ),
            "twice",
        ),
        (read_reservations, ("reservation_arn,device_arn", "a,b"), "start_at, end_at"),
        (read_reservations, (HEAD + ",prize", f"{ARN},{AQUILA},2026-10-01,2026-10-02,1"), "prize"),
        (read_reservations, (HEAD, f"{ARN},{AQUILA}"), "line 2: not as many fields"),
        (
            read_reservations,
            (HEAD + ",agreed_usd", f"{ARN},{AQUILA},2026-10-01,2026-10-02,NaN"),
            "agreed_usd",
        ),
        (read_discounts, ("product_family,percent,effective_from", "Coffee,1,2026-01-01"), "Coffee"),
        (read_discounts, ("product_family,percent,effective_from", "Quantum Task,101,2026-01-01"), "percent"),
        (read_discounts, ("product_family,percent,effective_from", "Quantum Task,x,2026-01-01"), "percent"),
        (
            read_discounts,
            ("product_family,percent,effective_from", "*,1,2026-01-01", "Quantum Task,2,2026-03-01"),
            "two discounts on Quantum Task hold at 2026-03-01",
        ),
        (read_usage_types, ("usage_type,product_family", "USE1-x,Coffee"), "Coffee"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(
    tmp_path: Path, read: Callable[[Path], list[dict[str, Any]]], lines: tuple[str, ...], says: str
) -> None:
    with pytest.raises(BillingFileError, match=says):
        read(_file(tmp_path, *lines))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BillingFileError, match=r"gone\.csv cannot be read"):
        read_reservations(tmp_path / "gone.csv")
