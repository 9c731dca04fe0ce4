"""What a line of a bill says: CUR 2.0, legacy CUR and FOCUS, with their columns as they come, as one form of row.

Columns are found whatever their spelling, and where a version of a format has them. AWS's tables:
https://docs.aws.amazon.com/cur/latest/userguide/dataexports-table-dictionary.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, cast

from braket_etl.costs.errors import BillingFileError
from braket_etl.json_text import read_json
from braket_etl.tables.device_keys import device_key
from braket_etl.values import decimal, in_utc, instant, rounded

#: Amounts from this on cannot be stored, and are none.
LARGEST = Decimal(10) ** 26

_CUR_KINDS = {
    "Usage": "usage",
    "DiscountedUsage": "usage",
    "SavingsPlanCoveredUsage": "usage",
    "Credit": "credit",
    "Refund": "refund",
    "Tax": "tax",
    "Fee": "fee",
    "RIFee": "fee",
    "SavingsPlanUpfrontFee": "fee",
    "SavingsPlanRecurringFee": "fee",
    "SavingsPlanNegation": "discount",
}
_FOCUS_KINDS = {"Usage": "usage", "Purchase": "fee", "Credit": "credit", "Adjustment": "refund", "Tax": "tax"}

Row = dict[str, Any]


class Bill(NamedTuple):
    """What a delivery speaks of: a month of an account in one format. None: it is not told."""

    source_format: str
    month: str
    payer: str | None
    account: str | None


class Columns:
    """The columns of a file, found whatever their spelling: lineItem/UsageType, line_item_usage_type, LINEITEMUSAGETYPE."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(dict.fromkeys(names))
        self._by_letters: dict[str, list[str]] = {}
        self._named: dict[tuple[str, ...], list[str]] = {}
        for name in self.names:
            self._by_letters.setdefault(_letters(name), []).append(name)

    def named(self, *names: str) -> list[str]:
        """The columns behind names, in the order of these."""
        if names not in self._named:
            found = (column for name in names for column in self._by_letters.get(_letters(name), ()))
            self._named[names] = list(dict.fromkeys(found))
        return self._named[names]

    @cached_property
    def of_tags(self) -> dict[str, str]:
        """Columns that are one tag each, as in legacy CUR and in queries, and their keys."""
        return {name: found[1] for name in self.names if (found := _TAG_COLUMN.fullmatch(name))}

    @property
    def are_legacy(self) -> bool:
        """Whether they are those of legacy CUR, which has no maps."""
        is_nested = bool(self.named("product", "resource_tags", "tags"))
        return any("/" in name for name in self.names) or (
            not is_nested and bool(self.named("product_product_name", "product_region"))
        )

    @property
    def are_ours(self) -> bool:
        """Whether they are those of our own FOCUS export, whose tags have the keys of the resources."""
        return bool(self.named("x_BraketProductFamily"))


#: resourceTags/user:project in legacy CUR, resource_tags_user_project in its Parquet.
_TAG_COLUMN = re.compile(r"(?i)resource_?tags[/_.]((?:user|aws)[:_].+)")


#: Spreadsheets write a sign before the power of ten, and six digits; Spark writes none, and all digits.
_NUMBER = re.compile(r"\d{1,12}(?:\.\d+)?(?:E(?P<sign>\+?)\d\d)?")


@lru_cache(maxsize=4096)
def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


@dataclass(frozen=True)
class Line:
    """One line of an export, and readers for its values."""

    where: str
    columns: Columns
    values: Mapping[str, Any]

    def text(self, *names: str) -> str | None:
        """The first of the columns that holds something; `product.region` is an attribute, in a map or a column."""
        for name in names:
            for value in self.found(name):
                text = "" if value is None else str(value).strip()
                if text and text.upper() != "NULL":
                    return text
        return None

    def account(self, *names: str) -> str | None:
        """An account id: programs that took it for a number dropped zeros before it, or wrote 1.11122223333E11."""
        if (text := self.text(*names)) is None or text.lower() == "nan":
            return None
        if not (number := _NUMBER.fullmatch(text)):
            return text
        if number["sign"]:
            raise BillingFileError(
                f"{self.where}: {names[0]} {text!r:.40} is no account id: a spreadsheet rounded it. Give the file as AWS "
                "wrote it."
            )
        return f"{Decimal(text):.0f}".zfill(12)

    def amount(self, *names: str) -> Decimal | None:
        """A decimal number, to 12 decimals; a DOUBLE as it is written. What pandas leaves where there is none is none."""
        if (text := self.text(*names)) is None or text.lower() == "nan":
            return None
        try:
            amount = decimal(text)
        except ValueError:
            raise BillingFileError(
                f"{self.where}: {self._told_by(names)} {text!r:.40} is no number"
            ) from None
        if amount.copy_abs() >= LARGEST:
            raise BillingFileError(f"{self.where}: {self._told_by(names)} {text!r:.40} cannot be right")
        return rounded(amount)

    def _told_by(self, names: Sequence[str]) -> str:
        return next(name for name in names if self.text(name) is not None)

    def instant(self, *names: str) -> datetime | None:
        """An instant in UTC, also as Athena writes it: `2026-09-05 00:00:00.000 UTC`."""
        value = next((v for name in names for v in self.found(name) if isinstance(v, datetime)), None)
        text = None if value else self.text(*names)
        try:
            if value is not None:
                return in_utc(value)
            return None if text is None else instant(text.removesuffix(" UTC"))
        except ValueError:
            raise BillingFileError(f"{self.where}: {names[0]} {text or value!r:.40} is no time") from None

    def tags(self, *names: str) -> dict[str, str] | None:
        """Tags by the keys that the resources have, from columns that are maps and columns that are one tag each."""
        told = {
            key: value
            for name in names
            for found in self.found(name)
            for key, value in (_map(found) or {}).items()
        }
        single = ((key, self.text(name)) for name, key in self.columns.of_tags.items())
        told |= {key: value for key, value in single if value is not None}
        return {key if self.columns.are_ours else _tag_key(key): value for key, value in told.items()} or None

    def found(self, name: str) -> Iterator[Any]:
        """What the columns of a name hold, and what their maps do."""
        for column in self.columns.named(name):
            yield self.values.get(column)
        of, _, attribute = name.partition(".")
        if attribute:
            for column in self.columns.named(of):
                attributes = _map(self.values.get(column)) or {}
                yield next(
                    (
                        v
                        for k, v in attributes.items()
                        if _letters(k).removeprefix("x") == _letters(attribute)
                    ),
                    None,
                )


def unread_tags(name: str, lines: Sequence[Line]) -> str | None:
    """A note where tags stand in a form that is not known; the text may be a secret and is not told."""
    written = [
        value for line in lines for column in ("tags", "resource_tags") for value in line.found(column)
    ]
    n_strange = sum(_map(value) is None for value in written)
    return (
        f"{name}: {n_strange} lines have tags that are no map, and are stored without" if n_strange else None
    )


def _map(value: Any) -> Mapping[str, str] | None:
    """A map, as such, as pairs or structs of key and value, or as text that programs write. None: it is none."""
    if value is None:
        return {}
    if isinstance(value, str):
        return _map_of_text(value.strip())
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items() if item is not None}
    if not isinstance(value, list):
        return None
    pairs = [tuple(each.values()) if isinstance(each, Mapping) else each for each in value]
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        return None
    return {str(key): str(item) for key, item in pairs if item is not None}


@lru_cache(maxsize=1024)  # lines of one device and owner have the same
def _map_of_text(text: str) -> Mapping[str, str] | None:
    if text.upper() in ("", "NULL"):
        return {}
    try:
        value = read_json(text)
    except ValueError:
        return _written_map(text)
    return None if isinstance(value, str) else _map(value)


def _written_map(text: str) -> dict[str, str] | None:
    """{k=v, l=w} as Athena and DuckDB write a map to CSV, {'k': 'v'} and [('k', 'v')] as pandas does."""
    if _QUOTED_PAIRS.fullmatch(text):
        return {
            _unquoted(key): _unquoted(value) for key, value in _QUOTED_PAIR.findall(text) if value != "None"
        }
    if not (text.startswith("{") and text.endswith("}")):
        return None
    if not text[1:-1].strip():
        return {}
    pairs: list[list[str]] = []
    for part in text[1:-1].split(","):  # a comma ends a value where a key and an equals sign follow
        key, equals, value = part.partition("=")
        if equals and key.strip():
            pairs.append([key, value])
        elif pairs:
            pairs[-1][1] += f",{part}"
        else:
            return None
    return {_unquoted(key): _unquoted(value) for key, value in pairs}


_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_PAIR = rf"\(?({_QUOTED})\s*[:,]\s*({_QUOTED}|None)\)?"
_QUOTED_PAIR = re.compile(_PAIR)
_QUOTED_PAIRS = re.compile(rf"[\[{{]{_PAIR}(?:,\s*{_PAIR})*[\]}}]")


def _unquoted(text: str) -> str:
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if is_quoted else text


def _tag_key(key: str) -> str:
    """The key that the resource has: user_project, resourceTags/user:project are project; aws_createdBy is aws:createdBy."""
    key = key.removeprefix("resourceTags/")
    for prefix in ("user:", "user_"):
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return f"aws:{key.removeprefix('aws_')}" if key.startswith("aws_") else key


@dataclass(frozen=True, slots=True)
class Form:
    """One format: how it is recognised, where it names service and bill, and which columns each field is read from.

    A name stands for a column of any spelling; `product.region` for an attribute, in a column or in the map `product`.
    """

    required: tuple[str, ...]
    service: tuple[str, ...]
    fields: Mapping[str, tuple[Callable[..., Any], tuple[str, ...]]]
    kind: Callable[[Line], dict[str, Any]]
    of_kind: tuple[str, ...]

    def read(self, line: Line, field: str) -> Any:
        """The value of one field."""
        reader, names = self.fields[field]
        return reader(line, *names)

    def wanted(self, columns: Columns) -> list[str]:
        """The columns that a row is made of."""
        names = [name for _, of_field in self.fields.values() for name in of_field]
        maps = [name.partition(".")[0] for name in names]
        return list(dict.fromkeys([*columns.named(*names, *maps, *self.of_kind), *columns.of_tags]))

    def why_untold(self, field: str, columns: Columns) -> str:
        """The field, and which columns for it are empty or not there."""
        names = self.fields[field][1]
        there = columns.named(*names, *(name.partition(".")[0] for name in names))
        why = f"{', '.join(there)} empty" if there else f"no column {' or '.join(names).replace('.', '_')}"
        return f"{field} ({why})"

    def neighbour(self, line: Line, service: Sequence[str]) -> str | None:
        """The service of a line that is of another one, and of a resource with Braket's name; None for Braket's own."""
        told = [str(line.values.get(column) or "") for column in service]
        if any("braket" in text.lower() for text in told):
            return None
        return next(filter(None, told), "(unknown)")

    def of_bill(self, columns: Columns) -> list[str]:
        """The columns that tell of which bill a line is: account, payer, and the month or, without it, the time."""
        period = columns.named(*self.fields["billing_period_start"][1])
        names = [*self.fields["payer_account_id"][1], *self.fields["account_id"][1]]
        return list(
            dict.fromkeys(
                [*(period or columns.named(*self.fields["usage_start"][1])), *columns.named(*names)]
            )
        )

    def bill(self, line: Line, source_format: str, month: str | None) -> Bill | None:
        """The bill that a line is of; None where nothing tells the month. `month` is what the file's folder tells."""
        if (at := self._period(line, month)) is None:
            return None
        accounts = self.read(line, "payer_account_id"), self.read(line, "account_id")
        return Bill(source_format, f"{at:%Y-%m}", *accounts)

    def _period(self, line: Line, month: str | None) -> datetime | None:
        """Begin of the billing period: as the line tells it, else the folder, else the month of the usage."""
        if (told := self.read(line, "billing_period_start")) is not None:
            return cast("datetime", told)
        if month is not None:
            return instant(f"{month}-01")
        start: datetime | None = self.read(line, "usage_start")
        return None if start is None else start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def row(self, line: Line, source_format: str, month: str | None) -> Row:
        """The row that a line becomes; raises BillingFileError where it lacks what every line must have."""
        row = {field: self.read(line, field) for field in self.fields}
        row["billing_period_start"] = self._period(line, month)
        if (currency := row.pop("currency")) not in (None, "USD"):
            raise BillingFileError(
                f"{line.where}: a line item is in {currency!r:.20}; only USD is understood"
            )
        if missing := [name for name in _REQUIRED if row[name] is None]:
            raise BillingFileError(f"{line.where}: a line item of Amazon Braket has no {', '.join(missing)}")
        device = {"device_key": device_key(row["device_name"])}
        return row | device | self.kind(line) | {"source_format": source_format}


def _cur_kind(line: Line) -> dict[str, Any]:
    kind = line.text("line_item_line_item_type") or ""
    other = "discount" if "Discount" in kind else "other"
    return {"charge_kind": _CUR_KINDS.get(kind, other), "charge_kind_raw": kind or None}


def _focus_kind(line: Line) -> dict[str, Any]:
    kind = line.text("ChargeCategory") or ""
    found = _FOCUS_KINDS.get(kind, "other")
    is_corrected = found in ("usage", "fee") and line.text("ChargeClass") == "Correction"
    return {"charge_kind": "refund" if is_corrected else found, "charge_kind_raw": kind or None}


def _list_cost(line: Line, listed: str) -> Decimal | None:
    """Cost at list price; where it is not told and a net cost is, the cost before what was taken off."""
    told = line.amount(listed)
    is_net = line.text("line_item_net_unblended_cost") is not None
    return line.amount("line_item_unblended_cost") if told is None and is_net else told


_REQUIRED = ("billed_usd", "billing_period_start", "usage_start")
CUR = Form(
    ("line_item_usage_start_date", "line_item_unblended_cost", "line_item_line_item_type"),
    ("line_item_product_code", "product_servicecode", "product_product_name"),
    {
        "line_item_id": (Line.text, ("identity_line_item_id",)),
        "payer_account_id": (Line.account, ("bill_payer_account_id",)),
        "account_id": (Line.account, ("line_item_usage_account_id",)),
        "region": (Line.text, ("product.region_code", "product.region")),
        "billing_period_start": (Line.instant, ("bill_billing_period_start_date",)),
        "usage_start": (Line.instant, ("line_item_usage_start_date",)),
        "usage_end": (Line.instant, ("line_item_usage_end_date",)),
        "bill_type": (Line.text, ("bill_bill_type",)),
        "invoice_id": (Line.text, ("bill_invoice_id",)),
        "usage_type": (Line.text, ("line_item_usage_type",)),
        "operation": (Line.text, ("line_item_operation",)),
        "product_family": (Line.text, ("product.product_family",)),
        "device_name": (Line.text, ("product.devicename", "product.version")),
        "sku": (Line.text, ("product.sku",)),
        "resource_id": (Line.text, ("line_item_resource_id",)),
        "line_item_iam_principal": (Line.text, ("line_item_iam_principal",)),
        "quantity": (Line.amount, ("line_item_usage_amount",)),
        "unit": (Line.text, ("pricing_unit",)),
        # what discounts take off stands in lines of its own, or in columns, and then net cost is what is paid
        "list_usd": (_list_cost, ("pricing_public_on_demand_cost",)),
        "billed_usd": (Line.amount, ("line_item_net_unblended_cost", "line_item_unblended_cost")),
        "currency": (Line.text, ("line_item_currency_code",)),
        "tags": (Line.tags, ("tags", "resource_tags")),
        "description": (Line.text, ("line_item_line_item_description",)),
    },
    _cur_kind,
    ("line_item_line_item_type",),
)
FOCUS = Form(
    ("ChargePeriodStart", "BilledCost", "ChargeCategory"),
    ("ServiceName", "x_ServiceCode"),
    {
        "line_item_id": (Line.text, ()),
        "payer_account_id": (Line.account, ("BillingAccountId",)),
        "account_id": (Line.account, ("SubAccountId", "BillingAccountId")),
        "region": (Line.text, ("RegionId",)),
        "billing_period_start": (Line.instant, ("BillingPeriodStart",)),
        "usage_start": (Line.instant, ("ChargePeriodStart",)),
        "usage_end": (Line.instant, ("ChargePeriodEnd",)),
        "bill_type": (Line.text, ("ChargeClass",)),
        "invoice_id": (Line.text, ("InvoiceId",)),
        "usage_type": (Line.text, ("x_UsageType", "SkuMeter")),
        "operation": (Line.text, ("x_Operation",)),
        "product_family": (Line.text, ("SkuPriceDetails.ProductFamily", "x_BraketProductFamily")),
        "device_name": (
            Line.text,
            ("SkuPriceDetails.devicename", "SkuPriceDetails.Item", "SkuPriceDetails.version"),
        ),
        "sku": (Line.text, ("SkuId",)),
        "resource_id": (Line.text, ("ResourceId",)),
        "line_item_iam_principal": (Line.text, ()),
        "quantity": (Line.amount, ("ConsumedQuantity", "PricingQuantity")),
        "unit": (Line.text, ("ConsumedUnit", "PricingUnit")),
        "list_usd": (Line.amount, ("ListCost",)),
        "billed_usd": (Line.amount, ("BilledCost",)),
        "currency": (Line.text, ("BillingCurrency",)),
        "tags": (Line.tags, ("Tags",)),
        "description": (Line.text, ("ChargeDescription",)),
    },
    _focus_kind,
    ("ChargeCategory", "ChargeClass"),
)
#: What a user misses where no line of a bill tells it.
WANTED = (
    "account_id",
    "region",
    "usage_type",
    "product_family",
    "device_name",
    "resource_id",
    "quantity",
    "list_usd",
    "tags",
)


def form_of(name: str, columns: Columns) -> tuple[Form, str]:
    """The format of a file and its name here; raises BillingFileError for a file that is none."""
    lacking = []
    for form in (CUR, FOCUS):
        absent = [column for column in form.required if not columns.named(column)]
        if not absent:
            return form, "focus" if form is FOCUS else "cur1" if columns.are_legacy else "cur2"
        lacking.append(", ".join(absent))
    raise BillingFileError(
        f"{name} is no CUR or FOCUS export: for CUR it lacks {lacking[0]}; for FOCUS {lacking[1]}"
    )
