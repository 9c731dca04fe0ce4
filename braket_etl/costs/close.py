"""Closing a month's bill: what `sql/questions/bill_close.sql` finds, added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from braket_etl.costs.errors import BillingFileError
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.queries import answer, queries

#: What a line that is open tells; the question names its columns so.
_OPEN = (
    "charge_date",
    "account_id",
    "region",
    "product_family",
    "device_key",
    "record_arn",
    "sku",
    "expected_usd",
    "billed_usd",
    "amount_usd",
    "n_lines",
    "do",
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the bill that is not open: its amount, below 0 where it is taken off."""

    part: str
    kind: str
    amount_usd: Decimal
    n_lines: int


@dataclass(frozen=True, slots=True)
class ClosedBill:
    """A month's bill. matched, explained and what is open above 0 add up to it; amounts are in US dollars."""

    month: str
    source_format: str
    parts: Sequence[Part]
    open: Sequence[dict[str, Any]]

    def sum_of(self, part: str) -> Decimal:
        """The sum of one part."""
        return sum((found.amount_usd for found in self.parts if found.part == part), Decimal())

    @property
    def open_usd(self) -> Decimal:
        """All that is open, in either direction: it does not cancel out."""
        return sum((abs(line["amount_usd"]) for line in self.open), Decimal())

    def as_json(self, *, with_neighbours: bool = False) -> dict[str, Any]:
        """The bill as `billing close --json` prints it."""
        over = sum((max(line["amount_usd"], Decimal()) for line in self.open), Decimal())
        matched, explained = self.sum_of("matched"), self.sum_of("explained")
        neighbours = {part.kind: part.amount_usd for part in self.parts if part.part == "neighbour"}
        return {
            "month": self.month,
            "source_format": self.source_format,
            "billed_usd": matched + explained + over,
            "matched_usd": matched,
            "explained_usd": explained,
            "explained": {part.kind: part.amount_usd for part in self.parts if part.part == "explained"},
            "not_billed_yet_usd": self.sum_of("not_billed_yet"),
            "open_usd": self.open_usd,
            "open": list(self.open),
            **({"neighbours": neighbours} if with_neighbours else {}),
        }


def closed(connection: Connection, month: str, source_format: str | None = None) -> ClosedBill:
    """The bill of a month (2026-09); raises BillingFileError where there is none."""
    values = {"month": month} | ({"format": source_format} if source_format else {})
    rows = answer(connection, queries()["bill_close"], values).records()
    if not any(row["part"] == "matched" for row in rows):
        raise BillingFileError(
            f"there is no bill of {month}{f' in {source_format}' if source_format else ''}: "
            "`braket-etl billing import` loads one"
        )
    parts = [
        Part(row["part"], row["kind"], row["amount_usd"], row["n_lines"])
        for row in rows
        if row["part"] != "open"
    ]
    opened = [
        {"cause": row["kind"], **{name: row[name] for name in _OPEN}} for row in rows if row["part"] == "open"
    ]
    return ClosedBill(month, rows[0]["source_format"], parts, opened)
