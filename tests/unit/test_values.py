"""What is read as an instant or a number, and what is refused: in Braket's answers, in bills and price lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from braket_etl.values import decimal, http_date, in_utc, instant, rounded

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-20T12:00:00Z", NOON),
        ("2026-11-20T13:00:00+01:00", NOON),
        ("2026-11-20 12:00:00", NOON),
        ("2026-11-20T12:00", NOON),
        ("2026-11-20", NOON.replace(hour=0)),
        ("20261120T120000Z", NOON),
        ("2026-11-20T12:00:00.678Z", NOON.replace(microsecond=678000)),
        ("2026-11-20T12:00:00.123456Z", NOON.replace(microsecond=123456)),
        ("2026-11-20T12:00:00.123456999Z", NOON.replace(microsecond=123456)),
        (int(NOON.timestamp()), NOON),
        (NOON.timestamp() + 0.5, NOON.replace(microsecond=500000)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1.0, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_an_instant_is_aware_and_utc_whatever_its_form(value: Any, expected: datetime) -> None:
    assert instant(value) == expected
    assert instant(value).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "yesterday", "noon", "2026-13-01", "2026-11-20T12:00:00Zulu", " 2026-11-20", "1767323045"),
        *("Fri, 20 Nov 2026 12:00:00 GMT", "11/20/2026", "\ud800"),
        *("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"),  # no year of Python's in UTC
        *(float("nan"), float("inf"), -float("inf"), 1e20, -1e20, 10**400),
        *(True, False, None, [], {}, b"2026-11-20", Decimal(0)),
    ],
)
def test_what_is_no_instant_is_refused_in_few_words(value: Any) -> None:
    with pytest.raises(ValueError, match="no instant") as refused:
        instant(value)
    assert len(str(refused.value)) < 100


def test_a_time_without_a_zone_is_utc() -> None:
    assert in_utc(datetime(2026, 11, 20, 12)) == NOON
    assert in_utc(datetime(2026, 11, 20, 14, tzinfo=timezone(timedelta(hours=2)))) == NOON
    with pytest.raises(ValueError, match="no instant"):
        in_utc(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fri, 20 Nov 2026 12:00:00 GMT", NOON),
        ("Fri, 20 Nov 2026 13:00:00 +0100", NOON),
        ("Fri, 20 Nov 2026 12:00:00 -0000", NOON),
        ("2026-11-20T12:00:00Z", None),
        ("yesterday", None),
        ("", None),
        ("Fri, 99 Nov 2026 22:00:00 GMT", None),
    ],
)
def test_a_date_header_has_a_form_of_its_own(text: str, expected: datetime | None) -> None:
    assert http_date(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.50", "1.50"),
        (" 3 ", "3"),
        ("-0.000000000001", "-0.000000000001"),
        ("1e-7", "1e-7"),
        ("1E+3", "1000"),
        (7, "7"),
        (2**70, str(2**70)),
        (0.1, "0.1"),  # as it is written, not the binary fraction
        (1e22, "1e22"),
        ("1234567890123456789012345678901234567890", "1234567890123456789012345678901234567890"),
        ("1e999999", "1e999999"),  # a number; whoever stores it has a limit
    ],
)
def test_a_decimal_is_the_number_as_written(value: Any, expected: str) -> None:
    assert decimal(value) == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "one", "$1", "1,000", "0x1", "1.2.3", "\ud800", "1e99999999999999999999"),
        *("NaN", "sNaN", "Infinity", "-inf", float("nan"), float("inf")),
        *(True, None, [], {}, b"1"),
    ],
)
def test_what_is_no_finite_number_is_refused_in_few_words(value: Any) -> None:
    with pytest.raises(ValueError, match="no number") as refused:
        decimal(value)
    assert len(str(refused.value)) < 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "1.000000000000"),
        ("0.0000000000005", "0.000000000000"),  # half goes to even
        ("0.0000000000015", "0.000000000002"),
        ("99999999999999999999999999.123456789012", "99999999999999999999999999.123456789012"),  # 38 digits
        ("1e-999999", "0.000000000000"),
    ],
)
def test_rounding_keeps_every_digit_that_a_column_holds(text: str, expected: str) -> None:
    assert f"{rounded(Decimal(text)):f}" == expected
