"""Bills: line items for Amazon Braket from CUR 2.0 and FOCUS exports, Parquet or CSV, in one form.

Files are read by a DuckDB of their own; how they get here (a local path, or S3 by an opener that is handed in) is not
decided here. A delivery is checked whole before a row is stored.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from braket_etl.costs.errors import BillingFileError
from braket_etl.json_text import read_json
from braket_etl.tables.billed_line_items import BILLED_LINE_ITEMS
from braket_etl.tables.declaration import quoted
from braket_etl.tables.device_keys import device_key
from braket_etl.tables.redact import NOTHING_REDACTED, Redactor
from braket_etl.tables.shared_columns import canonical_json
from braket_etl.values import decimal, in_utc, instant, rounded
from braket_etl.warehouse.connection import Connection, Warehouse, first_line
from braket_etl.warehouse.statements import affected, transaction

#: The files of a delivery: name, and how to open each.
Delivery = Iterable[tuple[str, Callable[[], BinaryIO]]]

_SUFFIXES = (".parquet", ".csv", ".csv.gz")
_LIMIT = Decimal(10) ** 26
_PAGE = 10_000

_CUR_KINDS = {
    "Usage": "usage",
    "DiscountedUsage": "usage",
    "SavingsPlanCoveredUsage": "usage",
    "Credit": "credit",
    "Refund": "refund",
    "Tax": "tax",
    "Fee": "fee",
}
_FOCUS_KINDS = {"Usage": "usage", "Purchase": "fee", "Credit": "credit", "Adjustment": "refund", "Tax": "tax"}


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: rows stored, rows that they replaced, line items of other services passed over."""

    rows: int
    replaced: int
    files: int
    periods: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for the user."""
        periods = ", ".join(self.periods) or "no billing period"
        return f"{self.rows} line items of Amazon Braket from {self.files} files ({periods}), {self.replaced} replaced"


def import_bill(warehouse: Warehouse, delivery: Delivery, redactor: Redactor = NOTHING_REDACTED) -> Imported:
    """Store a delivery: all files of one export that belong together.

    It replaces what was stored in the same format of the same paying accounts and billing periods; secrets in tags are
    struck out. Raises
    BillingFileError, WarehouseError; then nothing was changed.
    """
    rows: list[dict[str, Any]] = []
    n_files = 0
    for name, opened in delivery:
        n_files += 1
        rows += [row | {"tags": redactor.tags(row["tags"])} for row in read_file(name, opened)]
    if n_files == 0:
        raise BillingFileError(f"there are no files to import ({', '.join(_SUFFIXES)})")
    _number_repeated(rows)
    with warehouse.writing("bill") as connection, transaction(connection):
        return _stored(connection, rows, n_files)


def local_delivery(path: Path) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    """The export files under a folder, or the one file; raises BillingFileError where there is nothing."""
    if not path.exists():
        raise BillingFileError(f"there is no file or folder {path}")
    files = (
        [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and is_export(p.name))
    )
    if not files:
        raise BillingFileError(f"{path} holds no export file ({', '.join(_SUFFIXES)})")
    for file in files:
        yield str(file), lambda file=file: file.open("rb")  # type: ignore[misc]


def is_export(name: str) -> bool:
    """Whether a file name is one of an export; manifests are not."""
    return name.lower().endswith(_SUFFIXES)


def read_file(name: str, opened: Callable[[], BinaryIO]) -> list[dict[str, Any]]:
    """The rows of one export file that are of Amazon Braket; raises BillingFileError."""
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), None)
    if suffix is None:
        raise BillingFileError(f"{name}: an export is {' or '.join(_SUFFIXES)}")
    with tempfile.TemporaryDirectory(prefix="bill-") as folder:
        copy = Path(folder) / f"export{suffix}"
        try:
            with opened() as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target)
            return list(_rows(name, copy, is_parquet=suffix == ".parquet"))
        except (duckdb.Error, OSError) as error:
            raise BillingFileError(f"{name} cannot be read: {first_line(error)}") from None


def _rows(name: str, file: Path, *, is_parquet: bool) -> Iterator[dict[str, Any]]:
    path = quoted(str(file))
    source = f"read_parquet({path})" if is_parquet else f"read_csv({path}, all_varchar = true, header = true)"
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET autoinstall_known_extensions = false")
        columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
        form = _form(name, columns)
        named = [column for column in form.service_columns if column in columns]
        ours = " OR ".join(f"contains(lower(\"{column}\"::VARCHAR), 'braket')" for column in named)
        found = connection.execute(f"SELECT * FROM {source} WHERE {ours}")
        while page := found.fetchmany(_PAGE):
            for values in page:
                line = _Line(name, dict(zip(columns, values, strict=True)))
                yield form.row(line) | {"source_file": Path(name).name}


def _form(name: str, columns: list[str]) -> _Form:
    for form in (_CUR, _FOCUS):
        if all(column in columns for column in form.required):
            return form
    raise BillingFileError(
        f"{name} is no CUR 2.0 or FOCUS export: it has neither {', '.join(_CUR.required)} nor "
        f"{', '.join(_FOCUS.required)}"
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of an export, and readers for its values."""

    where: str
    values: Mapping[str, Any]

    def text(self, *names: str) -> str | None:
        """The first of the columns that holds something."""
        for name in names:
            if (value := self.values.get(name)) is not None and str(value).strip():
                return str(value).strip()
        return None

    def amount(self, *names: str) -> Decimal | None:
        """A decimal number, to 12 decimals; a DOUBLE as it is written."""
        if (text := self.text(*names)) is None:
            return None
        try:
            amount = decimal(text)
        except ValueError:
            raise BillingFileError(f"{self.where}: {names[0]} {text!r:.40} is no number") from None
        if amount.copy_abs() >= _LIMIT:
            raise BillingFileError(f"{self.where}: {names[0]} {text!r:.40} cannot be right")
        return rounded(amount)

    def instant(self, *names: str) -> datetime | None:
        """An instant in UTC."""
        value = next((v for v in map(self.values.get, names) if v not in (None, "")), None)
        if value is None:
            return None
        try:
            return in_utc(value) if isinstance(value, datetime) else instant(str(value).strip())
        except ValueError:
            raise BillingFileError(f"{self.where}: {names[0]} {value!r:.40} is no time") from None

    def mapping(self, name: str) -> dict[str, str]:
        """A map: as such, or as JSON text, as exports write it to CSV."""
        value = self.values.get(name)
        if isinstance(value, str):
            try:
                value = read_json(value)
            except ValueError:
                return {}
        if not isinstance(value, Mapping):
            return {}
        return {str(key): str(item) for key, item in value.items() if item is not None}


@dataclass(frozen=True, slots=True)
class _Form:
    """One format: how it is recognised, where it names the service, and how a line becomes a row."""

    required: tuple[str, ...]
    service_columns: tuple[str, ...]
    row: Callable[[_Line], dict[str, Any]]


def _cur_row(line: _Line) -> dict[str, Any]:
    kind = line.text("line_item_line_item_type") or ""
    product = line.mapping("product")
    row = _common(
        line,
        source_format="cur2",
        currency=line.text("line_item_currency_code"),
        billing_period_start=line.instant("bill_billing_period_start_date", "line_item_usage_start_date"),
        usage_start=line.instant("line_item_usage_start_date"),
        billed_usd=line.amount("line_item_unblended_cost"),
    )
    return row | {
        "line_item_id": line.text("identity_line_item_id"),
        "payer_account_id": line.text("bill_payer_account_id"),
        "account_id": line.text("line_item_usage_account_id"),
        "region": line.text("product_region_code") or _first(product, "regioncode", "region"),
        "usage_end": line.instant("line_item_usage_end_date"),
        "charge_kind": "discount"
        if "Discount" in kind and kind not in _CUR_KINDS
        else _CUR_KINDS.get(kind, "other"),
        "charge_kind_raw": kind or None,
        "usage_type": line.text("line_item_usage_type"),
        "operation": line.text("line_item_operation"),
        "product_family": line.text("product_product_family") or _first(product, "productfamily"),
        **_device(product),
        "sku": line.text("product_sku"),
        "resource_id": line.text("line_item_resource_id"),
        "quantity": line.amount("line_item_usage_amount"),
        "unit": line.text("pricing_unit"),
        "list_usd": line.amount("pricing_public_on_demand_cost"),
        "tags": line.mapping("resource_tags") or None,
        "description": line.text("line_item_line_item_description"),
    }


def _focus_row(line: _Line) -> dict[str, Any]:
    kind = line.text("ChargeCategory") or ""
    details = line.mapping("SkuPriceDetails")
    row = _common(
        line,
        source_format="focus",
        currency=line.text("BillingCurrency"),
        billing_period_start=line.instant("BillingPeriodStart", "ChargePeriodStart"),
        usage_start=line.instant("ChargePeriodStart"),
        billed_usd=line.amount("BilledCost"),
    )
    return row | {
        "line_item_id": None,
        "payer_account_id": line.text("BillingAccountId"),
        "account_id": line.text("SubAccountId", "BillingAccountId"),
        "region": line.text("RegionId"),
        "usage_end": line.instant("ChargePeriodEnd"),
        "charge_kind": _FOCUS_KINDS.get(kind, "other"),
        "charge_kind_raw": kind or None,
        "usage_type": line.text("x_UsageType"),
        "operation": line.text("x_Operation"),
        "product_family": _first(details, "productfamily", "xproductfamily")
        or line.text("x_BraketProductFamily"),
        **_device(details),
        "sku": line.text("SkuId"),
        "resource_id": line.text("ResourceId"),
        "quantity": line.amount("ConsumedQuantity", "PricingQuantity"),
        "unit": line.text("ConsumedUnit", "PricingUnit"),
        "list_usd": line.amount("ListCost"),
        "tags": line.mapping("Tags") or None,
        "description": line.text("ChargeDescription"),
    }


_CUR = _Form(
    ("line_item_usage_start_date", "line_item_unblended_cost", "line_item_line_item_type"),
    ("line_item_product_code", "product_servicecode", "product_product_name", "line_item_usage_type"),
    _cur_row,
)
_FOCUS = _Form(
    ("ChargePeriodStart", "BilledCost", "ChargeCategory"), ("ServiceName", "x_ServiceCode"), _focus_row
)


def _common(line: _Line, *, source_format: str, currency: str | None, **values: Any) -> dict[str, Any]:
    """What every row must have, checked."""
    if currency not in (None, "USD"):
        raise BillingFileError(f"{line.where}: a line item is in {currency!r:.20}; only USD is understood")
    if missing := sorted(name for name, value in values.items() if value is None):
        raise BillingFileError(f"{line.where}: a line item of Amazon Braket has no {', '.join(missing)}")
    return {"source_format": source_format, **values}


def _device(attributes: Mapping[str, str]) -> dict[str, Any]:
    name = _first(attributes, "devicename", "xitem", "version")
    return {"device_name": name, "device_key": device_key(name)}


def _first(attributes: Mapping[str, str], *names: str) -> str | None:
    """The first of the attributes that holds something; only the letters of their names are compared."""
    spelled = {"".join(filter(str.isalpha, key.lower())): value for key, value in attributes.items()}
    return next((spelled[name] for name in names if spelled.get(name)), None)


def _number_repeated(rows: list[dict[str, Any]]) -> None:
    """Give each row an id of its own: the export's, or the hash of its content; a repetition is counted on."""
    seen: Counter[str] = Counter()
    for row in rows:
        start = row["usage_start"].isoformat()
        identity = row["line_item_id"] or hashlib.sha256(_content(row).encode()).hexdigest()[:32]
        base = f"{row['billing_period_start']:%Y-%m}:{identity}:{start}"
        seen[base] += 1
        row["line_item_id"] = base if seen[base] == 1 else f"{base}:{seen[base]}"


def _content(row: Mapping[str, Any]) -> str:
    return canonical_json({name: str(value) for name, value in row.items() if name != "source_file"})


def _stored(connection: Connection, rows: list[dict[str, Any]], n_files: int) -> Imported:
    imported_at = datetime.now(UTC)
    try:
        arrow = pa.Table.from_pylist(
            [row | {"imported_at": imported_at} for row in rows], schema=BILLED_LINE_ITEMS.arrow_schema
        )
    except (pa.ArrowException, ValueError) as error:
        raise BillingFileError(f"a line item cannot be stored: {error}") from None
    connection.register("bill_rows", arrow)
    try:
        replaced = affected(
            connection,
            """DELETE FROM billed_line_items AS b USING (
                SELECT DISTINCT source_format, billing_period_start, coalesce(payer_account_id, '') AS payer
                FROM bill_rows
            ) AS n
            WHERE b.source_format = n.source_format AND b.billing_period_start = n.billing_period_start
                AND coalesce(b.payer_account_id, '') = n.payer""",
        )
        connection.execute("INSERT INTO billed_line_items BY NAME SELECT * FROM bill_rows")
    finally:
        connection.unregister("bill_rows")
    periods = sorted({f"{row['billing_period_start']:%Y-%m}" for row in rows})
    return Imported(arrow.num_rows, replaced, n_files, tuple(periods))
