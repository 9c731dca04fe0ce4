"""Bills: line items for Amazon Braket from exports of AWS, in one form.

Which files count is bill_delivery's to say, what stands in them bill_files'; here a line becomes a row, and a delivery is
checked whole before a row is stored. How files get here (a local path, or S3 by an opener that is handed in) is not
decided here.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from braket_etl.costs.bill_delivery import BillFile, Delivery, bill_files
from braket_etl.costs.bill_files import UNREADABLE, Export, open_export
from braket_etl.costs.bill_lines import (
    CUR,
    FOCUS,
    LARGEST,
    WANTED,
    Bill,
    Columns,
    Form,
    Line,
    Row,
    form_of,
    unread_tags,
)
from braket_etl.costs.errors import BillingFileError
from braket_etl.costs.rules import family_of_usage
from braket_etl.costs.seed import ensure_seed
from braket_etl.costs.units import unit_of
from braket_etl.tables.billed_line_items import BILLED_LINE_ITEMS
from braket_etl.tables.device_keys import device_key
from braket_etl.tables.redact import NOTHING_REDACTED, Redactor
from braket_etl.tables.shared_columns import canonical_json
from braket_etl.values import rounded
from braket_etl.warehouse.connection import Connection, Warehouse, first_line
from braket_etl.warehouse.statements import affected, transaction

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: rows stored, rows that they replaced, months; `notes` are what the user should know."""

    rows: int
    replaced: int
    files: int
    periods: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line for the user."""
        periods = ", ".join(self.periods)
        return f"{self.rows} line items of Amazon Braket from {self.files} files ({periods}), {self.replaced} replaced"


def import_bill(
    warehouse: Warehouse,
    delivery: Delivery,
    redactor: Redactor = NOTHING_REDACTED,
    months: Collection[str] = (),
    principal: Callable[[str], str] = str,
) -> Imported:
    """Store a delivery: all files of an export that belong together, or, of those, `months` alone (2026-09).

    It replaces what was stored in the same format of the same paying accounts and months, also where a month has no
    line of Braket now; secrets in tags are struck out, and `principal` says what stands for the ARN of who called.
    Raises BillingFileError, WarehouseError; then nothing was changed.
    """
    files, passed_over = bill_files(delivery, months)
    read = [found for file in files if (found := _ReadFile.of(file, months)) is not None]
    if not read:
        raise BillingFileError(f"{files[0].name} is empty")
    bills = _bills(read, months)
    _refuse_doubled(read, bills)
    rows = [row for file in read for row in file.rows]
    for row in rows:
        row["tags"] = redactor.tags(row["tags"])
        if row["line_item_iam_principal"] is not None:
            row["line_item_iam_principal"] = principal(row["line_item_iam_principal"])
        row["base_quantity"] = _base_quantity(row)
    _number_repeated(rows)
    with warehouse.writing("bill") as connection, transaction(connection):
        _tell_what_is_billed(connection, rows)
        replaced = _store(connection, rows, bills)
    periods = tuple(sorted({bill.month for bill in bills}))
    n_own = sum(row["neighbour"] is None for row in rows)
    return Imported(n_own, replaced, len(read), periods, tuple(_notes(read, passed_over)))


def _base_quantity(row: Row) -> Decimal | None:
    """The quantity in the units in which models count."""
    unit = unit_of(row["unit"] or "")
    if unit is None or row["quantity"] is None:
        return None
    counted = rounded(row["quantity"] * unit.size)
    return counted if counted.copy_abs() < LARGEST else None


def read_file(name: str, opened: Callable[[], BinaryIO]) -> list[Row]:
    """The rows of one export file that are of Amazon Braket; raises BillingFileError."""
    found = _ReadFile.of(BillFile(name, opened, "", False, None), ())
    if found is None:
        raise BillingFileError(f"{name} is empty")
    return found.rows


@dataclass(frozen=True, slots=True)
class _ReadFile:
    """A file that was read: its rows, and the bills that any of its lines is of."""

    file: BillFile
    form: Form
    source_format: str
    columns: Columns
    rows: list[Row]
    bills: frozenset[Bill]
    note: str | None

    @classmethod
    def of(cls, file: BillFile, months: Collection[str]) -> _ReadFile | None:
        """The file read; None for an empty one, as Data Exports leaves where there was a chunk more before."""
        try:
            with file.open() as stream:
                export = open_export(stream)
                return None if export is None else cls._read(file, export, months)
        except UNREADABLE as error:
            is_text = not isinstance(error, UnicodeDecodeError)
            what = "" if is_text else "; Parquet is read, and CSV in UTF-8, plain, gzip or zip"
            raise BillingFileError(f"{file.name} cannot be read: {first_line(error)}{what}") from None

    @classmethod
    def _read(cls, file: BillFile, export: Export, months: Collection[str]) -> _ReadFile:
        columns = Columns(export.columns)
        form, source_format = form_of(file.name, columns)
        of_bill, service = form.of_bill(columns), columns.named(*form.service)
        if not service:
            raise BillingFileError(
                f"{file.name} does not tell the service of a line: it lacks {', '.join(form.service)}"
            )
        named = [*service, *columns.named(*form.fields["resource_id"][1])]
        found = export.lines([*{*form.wanted(columns), *service}], named, of_bill)
        lines = [Line(file.name, columns, values) for values in found]
        told = [Line(file.name, columns, dict(zip(of_bill, bill, strict=True))) for bill in export.bills]
        bills = [form.bill(line, source_format, file.month) for line in told]
        source = {"source_file": Path(file.name).name}
        rows = [
            form.row(line, source_format, file.month) | source | {"neighbour": form.neighbour(line, service)}
            for line in lines
        ]
        if months:
            rows = [row for row in rows if f"{row['billing_period_start']:%Y-%m}" in months]
        return cls(
            file,
            form,
            source_format,
            columns,
            rows,
            frozenset(filter(None, bills)),
            unread_tags(file.name, lines),
        )


def _bills(read: Sequence[_ReadFile], months: Collection[str]) -> set[Bill]:
    """What the files speak of; raises BillingFileError where nothing tells the month."""
    bills = {bill for file in read for bill in file.bills if not months or bill.month in months}
    told = {(bill.source_format, bill.month) for bill in bills}
    for file in read:
        if file.bills:
            continue  # only a file without a line has to be told by its name or the user
        for month in [file.file.month] if file.file.month else months:
            if (file.source_format, month) not in told:
                owner = file.file.payer
                bills.add(Bill(file.source_format, month, owner, None))
                bills.add(Bill(file.source_format, month, None, owner))
    if missing := sorted(set(months) - {bill.month for bill in bills}):
        there = sorted({bill.month for file in read for bill in file.bills})
        raise BillingFileError(
            f"there is no line of {', '.join(missing)}: the files are of {', '.join(there)}"
        )
    if not bills:
        raise BillingFileError(
            f"{read[0].file.name} holds no line, and nothing tells its month; say it: --period 2026-09"
        )
    return bills


def _refuse_doubled(read: Sequence[_ReadFile], bills: Collection[Bill]) -> None:
    """Raise BillingFileError where the same usage is billed by two files, and no manifest says which of them counts."""
    units: dict[tuple[str, str, str | None], set[str]] = {}
    for file in read:
        for bill in file.bills & set(bills):
            units.setdefault((bill.source_format, bill.month, bill.account), set()).add(file.file.unit)
    for (_, month, account), found in units.items():
        if len(found) > 1:
            raise BillingFileError(
                f"{month} of account {account} is here more than once, and nothing says which counts: "
                f"{_listed(found)}. Give the folder with the manifest, or one of them; nothing was changed."
            )
    alone = [_Lines(file) for file in read if not file.file.is_named]
    for one, other in combinations(alone, 2):
        if same := one.shared(other):
            raise BillingFileError(
                f"{one.file.file.name} and {other.file.file.name} hold the same lines ({_listed(same)}). Give one of "
                "them, or the folder with the manifest; nothing was changed."
            )


@dataclass(frozen=True)
class _Lines:
    """The lines of a file, to find them in another one."""

    file: _ReadFile

    @cached_property
    def identities(self) -> set[str]:
        """Lines by their ids, or, without ids, by their content."""
        return {f"{self.file.source_format}:{_identity(row)}" for row in self.file.rows}

    @cached_property
    def contents(self) -> Counter[str]:
        """Lines by their content, whatever their ids."""
        return Counter(map(_content, self.file.rows))

    def shared(self, other: _Lines) -> Collection[str]:
        """Lines that both have; or, whatever their ids, all of one where the other has all of them."""
        if both := self.identities & other.identities:
            return both
        fewer, more = sorted((self, other), key=lambda lines: lines.contents.total())
        return fewer.identities if fewer.contents <= more.contents else ()


def _identity(row: Row) -> str:
    identity = row["line_item_id"] or hashlib.sha256(_content(row).encode()).hexdigest()[:32]
    return f"{row['billing_period_start']:%Y-%m}:{identity}:{row['usage_start'].isoformat()}"


def _content(row: Row) -> str:
    return canonical_json(
        {name: str(value) for name, value in row.items() if name not in ("source_file", "line_item_id")}
    )


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:_SHOWN]
    return ", ".join(shown) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _number_repeated(rows: list[Row]) -> None:
    """Give each row an id of its own: the export's, or the hash of its content; a repetition is counted on."""
    seen: Counter[str] = Counter()
    for row in rows:
        base = _identity(row)
        seen[base] += 1
        row["line_item_id"] = base if seen[base] == 1 else f"{base}:{seen[base]}"


def _tell_what_is_billed(connection: Connection, rows: Iterable[Row]) -> None:
    """Fill family and device that a line does not tell: from the price list, else from the usage type."""
    ensure_seed(connection)
    listed = connection.execute(
        "SELECT sku, usage_type, product_family, device_name FROM prices WHERE is_used AND NOT is_seed"
    ).fetchall()
    by_sku = {sku: told for sku, _, *told in listed}
    by_usage: dict[str, list[Any]] = {}
    for _, usage_type, *told in listed:
        by_usage[usage_type] = told if by_usage.get(usage_type, told) == told else [None, None]
    names = connection.execute(
        "SELECT DISTINCT device_name FROM prices WHERE device_name IS NOT NULL"
    ).fetchall()
    devices = {_hyphened(name): name for (name,) in names}
    for row in rows:
        family, device = by_sku.get(row["sku"]) or by_usage.get(row["usage_type"]) or (None, None)
        row["product_family"] = (
            row["product_family"]
            or family
            or family_of_usage(row["usage_type"], row["operation"], row["unit"])
        )
        row["device_name"] = row["device_name"] or device or _device_in(row["usage_type"], devices)
        row["device_key"] = device_key(row["device_name"])


def _device_in(usage_type: str | None, devices: Mapping[str, str]) -> str | None:
    """The device that a usage type names, such as USE1-Task-Shot-IonQ-Forte-1: the longest name that stands in it."""
    usage = f"-{_hyphened(usage_type or '')}-"
    return devices.get(max((name for name in devices if f"-{name}-" in usage), key=len, default=""))


def _hyphened(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _notes(read: Sequence[_ReadFile], passed_over: Sequence[str]) -> Iterator[str]:
    """What the user should know of what was read."""
    if passed_over:
        yield f"passed over, since the manifest does not name them: {_listed(passed_over)}"
    yield from (note for file in read if (note := file.note))
    for form in (CUR, FOCUS):
        files = [file for file in read if file.form is form]
        rows = [row for file in files for row in file.rows if row["neighbour"] is None]
        columns = Columns([name for file in files for name in file.columns.names])
        untold = [field for field in WANTED if all(row[field] is None for row in rows)] if rows else []
        if untold:
            yield f"no line tells {'; '.join(form.why_untold(field, columns) for field in untold)}"


def _store(connection: Connection, rows: Iterable[Row], bills: Iterable[Bill]) -> int:
    """Put the rows in the place of what was stored of these bills; how many they replace."""
    imported_at = datetime.now(UTC)
    try:
        arrow = pa.Table.from_pylist(
            [row | {"imported_at": imported_at} for row in rows], schema=BILLED_LINE_ITEMS.arrow_schema
        )
    except (pa.ArrowException, ValueError) as error:
        raise BillingFileError(f"a line item cannot be stored: {error}") from None
    text = pa.schema([(name, pa.string()) for name in Bill._fields])
    connection.register("bill_rows", arrow)
    connection.register("bills", pa.Table.from_pylist([bill._asdict() for bill in bills], schema=text))
    try:
        # a bill whose payer is not told, here or there, is known by an account of it
        replaced = affected(
            connection,
            """DELETE FROM billed_line_items AS b USING (
                SELECT DISTINCT s.source_format, s.billing_period_start, s.payer_account_id
                FROM billed_line_items AS s
                JOIN bills AS n
                    ON n.source_format = s.source_format
                    AND n.month = strftime(timezone('UTC', s.billing_period_start), '%Y-%m')
                    AND (n.payer = s.payer_account_id OR (
                        (n.payer IS NULL OR s.payer_account_id IS NULL)
                        AND coalesce(n.account = s.account_id, true)
                    ))
            ) AS n
            WHERE b.source_format = n.source_format AND b.billing_period_start = n.billing_period_start
                AND b.payer_account_id IS NOT DISTINCT FROM n.payer_account_id""",
        )
        connection.execute("INSERT INTO billed_line_items BY NAME SELECT * FROM bill_rows")
    finally:
        connection.unregister("bill_rows")
        connection.unregister("bills")
    return replaced
