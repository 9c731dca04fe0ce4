"""Files that users keep: reservations, discounts and usage types, as CSV with a header.

A file is the whole truth of its table: what is no longer in it is no longer in the table. It is read whole before
anything is stored; a line that cannot be right raises BillingFileError with its number. Days and times without a zone
are UTC.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from braket_etl.costs.errors import BillingFileError
from braket_etl.costs.rules import price_rules
from braket_etl.tables.arns import account_id_of, device_name_of, region_of
from braket_etl.tables.declaration import Table
from braket_etl.tables.device_keys import device_key
from braket_etl.tables.reservations import DISCOUNTS, RESERVATIONS, USAGE_TYPES
from braket_etl.values import decimal, instant, rounded
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.statements import transaction

_MOST_USD = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a file, with what is needed to say where it is wrong."""

    where: str
    values: Mapping[str, str]

    def text(self, name: str) -> str:
        """A value that must be there."""
        if value := self.optional(name):
            return value
        raise BillingFileError(f"{self.where}: {name} is missing")

    def optional(self, name: str) -> str | None:
        """A value that may be left out."""
        return (self.values.get(name) or "").strip() or None

    def instant(self, name: str) -> datetime | None:
        """An ISO-8601 day or time as an aware UTC datetime."""
        if (text := self.optional(name)) is None:
            return None
        try:
            return instant(text)
        except ValueError:
            raise BillingFileError(f"{self.where}: {name} {text!r:.40} is no ISO-8601 day or time") from None

    def required_instant(self, name: str) -> datetime:
        """An instant that must be there."""
        self.text(name)
        found = self.instant(name)
        assert found is not None  # noqa: S101 - text() has seen it
        return found

    def amount(self, name: str, most: Decimal) -> Decimal | None:
        """A number from 0 to `most`, to 12 decimals."""
        if (text := self.optional(name)) is None:
            return None
        try:
            amount = decimal(text)
        except ValueError:
            raise BillingFileError(f"{self.where}: {name} {text!r:.40} is no number") from None
        if not 0 <= amount <= most:
            raise BillingFileError(f"{self.where}: {name} must lie between 0 and {most}, not {text!r:.40}")
        return rounded(amount)


def import_reservations(warehouse: Warehouse, path: Path) -> int:
    """Replace `reservations` by the file's; how many there are. Raises BillingFileError, WarehouseError."""
    return _replace(warehouse, RESERVATIONS, read_reservations(path))


def import_discounts(warehouse: Warehouse, path: Path) -> int:
    """Replace `discounts` by the file's; how many there are. Raises BillingFileError, WarehouseError."""
    return _replace(warehouse, DISCOUNTS, read_discounts(path))


def import_usage_types(warehouse: Warehouse, path: Path) -> int:
    """Replace `usage_types` by the file's; how many there are. Raises BillingFileError, WarehouseError."""
    return _replace(warehouse, USAGE_TYPES, read_usage_types(path))


def read_reservations(path: Path) -> list[dict[str, Any]]:
    """Rows of `reservations`.

    Columns: reservation_arn, device_arn, start_at, end_at; optional account_id and region (else from the ARNs),
    cancelled_at, agreed_usd (of the whole reservation; else list price), note.
    """
    rows = [
        _reservation(line)
        for line in _lines(
            path,
            ("reservation_arn", "device_arn", "start_at", "end_at"),
            ("account_id", "region", "cancelled_at", "agreed_usd", "note"),
        )
    ]
    return _distinct(path, rows, RESERVATIONS.key, same=str.lower)


def read_discounts(path: Path) -> list[dict[str, Any]]:
    """Rows of `discounts`, one a product family.

    Columns: product_family (* for all), percent (of the list price, 0 to 100), effective_from; optional effective_to
    (exclusive), note. Spans of a family must not overlap.
    """
    rows = [
        row
        for line in _lines(path, ("product_family", "percent", "effective_from"), ("effective_to", "note"))
        for row in _discounts(line)
    ]
    rows.sort(key=lambda row: (row["product_family"], row["effective_from"]))
    for earlier, later in pairwise(rows):
        if earlier["product_family"] == later["product_family"] and (
            earlier["effective_to"] is None or earlier["effective_to"] > later["effective_from"]
        ):
            raise BillingFileError(
                f"{path}: two discounts on {later['product_family']} hold at {later['effective_from']:%Y-%m-%d}; end "
                "the earlier one by effective_to"
            )
    return rows


def read_usage_types(path: Path) -> list[dict[str, Any]]:
    """Rows of `usage_types`. Columns: usage_type, product_family; optional device_name."""
    rows = []
    for line in _lines(path, ("usage_type", "product_family"), ("device_name",)):
        name = line.optional("device_name")
        rows.append(
            {
                "usage_type": line.text("usage_type"),
                "product_family": _family(line),
                "device_name": name,
                "device_key": device_key(name),
            }
        )
    return _distinct(path, rows, USAGE_TYPES.key)


def _reservation(line: _Line) -> dict[str, Any]:
    arn, device = line.text("reservation_arn"), line.text("device_arn")
    start, end = line.required_instant("start_at"), line.required_instant("end_at")
    if end <= start:
        raise BillingFileError(f"{line.where}: end_at is not after start_at")
    hours = -((start - end) // timedelta(hours=1))  # an hour that has begun is a whole one
    agreed = line.amount("agreed_usd", _MOST_USD)
    return {
        "reservation_arn": arn,
        "account_id": line.optional("account_id") or _from_arns(line, "account_id", account_id_of, arn),
        "region": line.optional("region") or _from_arns(line, "region", region_of, device, arn),
        "device_arn": device,
        "device_name": device_name_of(device),
        "start_at": start,
        "end_at": end,
        "hours": hours,
        "cancelled_at": line.instant("cancelled_at"),
        "agreed_usd": agreed,
        "agreed_usd_per_hour": None if agreed is None else rounded(agreed / hours),
        "note": line.optional("note"),
    }


def _from_arns(line: _Line, name: str, part_of: Any, *arns: str) -> str:
    for arn in arns:
        try:
            if part := part_of(arn):
                return str(part)
        except ValueError:
            continue
    raise BillingFileError(f"{line.where}: {name} is missing, and the ARNs do not tell it")


def _discounts(line: _Line) -> Iterator[dict[str, Any]]:
    families = list(price_rules()) if line.text("product_family") == "*" else [_family(line)]
    percent = line.amount("percent", Decimal(100))
    start, end = line.required_instant("effective_from"), line.instant("effective_to")
    if percent is None:
        raise BillingFileError(f"{line.where}: percent is missing")
    if end is not None and end <= start:
        raise BillingFileError(f"{line.where}: effective_to is not after effective_from")
    for family in families:
        yield {
            "product_family": family,
            "effective_from": start,
            "effective_to": end,
            "rate": rounded(percent / 100),
            "note": line.optional("note"),
        }


def _family(line: _Line) -> str:
    family = line.text("product_family")
    if family not in price_rules():
        raise BillingFileError(
            f"{line.where}: there is no product family {family!r:.60}; there are {', '.join(price_rules())}"
        )
    return family


def _lines(path: Path, required: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[_Line]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise BillingFileError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BillingFileError(f"{path} is no UTF-8 text") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = reader.fieldnames or []
        if missing := [name for name in required if name not in header]:
            raise BillingFileError(f"{path} lacks the columns {', '.join(missing)}")
        if unknown := [name for name in header if name not in required + optional]:
            raise BillingFileError(f"{path} has columns that are not known: {', '.join(map(str, unknown))}")
        for values in reader:
            where = f"{path}, line {reader.line_num}"
            if None in values or None in values.values():
                raise BillingFileError(f"{where}: not as many fields as the header has")
            yield _Line(where, values)
    except csv.Error as error:
        raise BillingFileError(f"{path}, line {reader.line_num}: {error}") from None


def _distinct(
    path: Path, rows: list[dict[str, Any]], key: tuple[str, ...], *, same: Callable[[str], str] = str
) -> list[dict[str, Any]]:
    """The rows; raises BillingFileError where a key is there twice, `same` telling what counts of it."""
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        identity = tuple(same(str(row[name])) for name in key)
        if identity in seen:
            raise BillingFileError(f"{path}: {', '.join(map(str, identity))} is there twice")
        seen.add(identity)
    return rows


def _replace(warehouse: Warehouse, table: Table, rows: list[dict[str, Any]]) -> int:
    read_at = datetime.now(UTC)
    arrow = pa.Table.from_pylist([row | {"read_at": read_at} for row in rows], schema=table.arrow_schema)
    with warehouse.writing(table.name) as connection, transaction(connection):
        replace_table(connection, table, arrow)
    return len(rows)


def replace_table(connection: Connection, table: Table, rows: pa.Table) -> None:
    """The rows in the place of all that the table held."""
    connection.register("kept_rows", rows)
    connection.execute(f"DELETE FROM {table.qualified_name}")
    connection.execute(f"INSERT INTO {table.qualified_name} BY NAME SELECT * FROM kept_rows")
    connection.unregister("kept_rows")
