"""Reading AWS's offer file for AmazonBraket, CSV or JSON, from bytes.

The file is checked whole before a single price is given: what is no such list, contradicts itself or counts in
another currency raises PriceListError. Fetching and storing do not belong here.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from braket_etl.costs.errors import PriceListError
from braket_etl.costs.rules import price_rules
from braket_etl.costs.units import HIGHEST_PRICE, unit_of, usd_per_billion
from braket_etl.json_text import read_json
from braket_etl.tables.device_keys import device_key
from braket_etl.values import decimal, instant

OFFER_CODE = "AmazonBraket"
_REQUIRED = (
    "SKU",
    "RateCode",
    "EffectiveDate",
    "Unit",
    "PricePerUnit",
    "Currency",
    "Product Family",
    "Region Code",
)
_SIMULATOR_OPERATIONS = (
    "",
    "CompleteTask",
    "Managed-Jobs",
)  # others are of failed tasks, which are not priced
_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
_DECODER = json.JSONDecoder(parse_float=Decimal)
_MOST_DECIMALS = 12

# An attribute has one name in the CSV and another in the JSON; compared are its letters alone. `DeviceName` is on
# tasks by themselves and `Device Name` on tasks in jobs: to us they are the same.
_DEVICE = "devicename"
_JSON_COLUMNS = {"regionCode": "Region Code", "usagetype": "usageType", "operation": "operation"}


@dataclass(frozen=True, slots=True)
class Price:
    """One price of a publication. `price_usd` is that of one `unit`; instants are aware UTC."""

    sku: str
    rate_code: str
    effective_from: datetime
    product_family: str
    region: str | None
    device_name: str | None
    instance_type: str | None
    operation: str | None
    usage_type: str | None
    unit: str
    price_usd: Decimal
    begin_range: str | None
    description: str | None

    @property
    def is_used(self) -> bool:
        """Whether models price by it."""
        rule = price_rules().get(self.product_family)
        return rule is not None and (
            rule.device_type != "SIMULATOR" or (self.operation or "") in _SIMULATOR_OPERATIONS
        )

    def row(self) -> dict[str, Any]:
        """The columns of `prices` that the price itself fills."""
        unit = unit_of(self.unit)
        return {
            "sku": self.sku,
            "rate_code": self.rate_code,
            "effective_from": self.effective_from,
            "product_family": self.product_family,
            "region": self.region,
            "device_name": self.device_name,
            "device_key": device_key(self.device_name),
            "instance_type": self.instance_type,
            "operation": self.operation,
            "usage_type": self.usage_type,
            "unit": self.unit,
            "price_usd": self.price_usd,
            "base_unit": unit.base if unit else None,
            "unit_size": unit.size if unit else None,
            "usd_per_billion": usd_per_billion(self.price_usd, unit) if unit else None,
            "begin_range": self.begin_range,
            "is_used": self.is_used,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class Publication:
    """One publication of the price list."""

    published_at: datetime
    version: str | None
    prices: tuple[Price, ...]

    @property
    def source(self) -> str:
        """How task_costs.price_source names it."""
        return f"price_list {self.published_at:%Y-%m-%d}"

    @property
    def unknown_families(self) -> tuple[str, ...]:
        """Product families that this version does not know; their prices are kept and not used."""
        return tuple(sorted({price.product_family for price in self.prices} - price_rules().keys()))


def parse(content: bytes) -> Publication:
    """The publication in an offer file, CSV or JSON; raises PriceListError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PriceListError(
            f"the price list is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from None
    start = text.lstrip()[:200].lower()
    if not start:
        raise PriceListError("the price list is empty")
    if start.startswith("<"):
        raise PriceListError("got an HTML or XML page instead of a price list; is the address right?")
    return _from_json(text) if start.startswith("{") else _from_csv(text)


def _from_csv(text: str) -> Publication:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head, header = _head(reader)
        prices = [_csv_price(header, row, reader.line_num) for row in reader if any(row)]
    except csv.Error as error:
        raise PriceListError(f"line {reader.line_num} of the price list is damaged: {error}") from None
    return _publication(head.get("OfferCode"), head.get("Publication Date"), head.get("Version"), prices)


def _head(reader: Iterator[list[str]]) -> tuple[dict[str, str], list[str]]:
    """The lines about the file, and the header; AWS writes five lines before it."""
    head: dict[str, str] = {}
    for row in reader:
        if "PricePerUnit" in row:
            if missing := [name for name in _REQUIRED if name not in row]:
                raise PriceListError(f"the price list lacks the columns {', '.join(missing)}")
            return head, row
        if len(head) > 20:
            break
        head[row[0] if row else ""] = row[1] if len(row) > 1 else ""
    raise PriceListError(
        "this is no price list of AWS: no line with the column PricePerUnit. Expected is index.csv or index.json of "
        f"the {OFFER_CODE} offer"
    )


def _csv_price(header: list[str], row: list[str], line: int) -> Price:
    if len(row) != len(header):
        raise PriceListError(
            f"line {line} of the price list has {len(row)} fields, not {len(header)}: it may be cut off"
        )
    named = dict(zip(header, row, strict=True))
    return _price(
        f"line {line}",
        named,
        {_letters(name): value for name, value in named.items() if value and _letters(name) != _DEVICE},
        [value for name, value in named.items() if value and _letters(name) == _DEVICE],
    )


def _from_json(text: str) -> Publication:
    try:
        offer = read_json(text, _DECODER)
    except ValueError as error:
        raise PriceListError(f"the price list is no whole JSON: {str(error)[:200]}") from None
    try:
        products, terms = offer["products"], offer["terms"]["OnDemand"]
        prices = [
            _json_price(sku, products[sku], term, dimension)
            for sku, offers in terms.items()
            for term in offers.values()
            for dimension in term["priceDimensions"].values()
        ]
        return _publication(
            offer.get("offerCode"), offer.get("publicationDate"), offer.get("version"), prices
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise PriceListError(
            f"this is no price list of AWS: products, terms.OnDemand and their members are expected ({error!r:.100})"
        ) from None


def _json_price(sku: str, product: Any, term: Any, dimension: Any) -> Price:
    attributes = product["attributes"]
    amounts = dimension["pricePerUnit"]
    currency = "USD" if "USD" in amounts else ", ".join(amounts) or "none"
    named = {column: str(attributes.get(name) or "") for name, column in _JSON_COLUMNS.items()} | {
        "SKU": sku,
        "RateCode": dimension["rateCode"],
        "EffectiveDate": term["effectiveDate"],
        "Unit": dimension["unit"],
        "PricePerUnit": str(amounts.get("USD", "")),
        "Currency": currency,
        "Product Family": product["productFamily"],
        "StartingRange": dimension.get("beginRange") or "",
        "PriceDescription": dimension.get("description") or "",
    }
    others = {_letters(name): str(value) for name, value in attributes.items() if _letters(name) != _DEVICE}
    devices = [str(value) for name, value in attributes.items() if value and _letters(name) == _DEVICE]
    return _price(f"SKU {sku}", named, others, devices)


def _price(where: str, named: Mapping[str, str], attributes: Mapping[str, str], devices: list[str]) -> Price:
    """One price, checked; `named` bears the CSV's column names, `attributes` all others by their letters."""
    for column in ("SKU", "RateCode", "Unit", "Product Family"):
        if not str(named[column]).strip():
            raise PriceListError(f"{where} of the price list has no {column}")
    if named["Currency"] != "USD":
        raise PriceListError(
            f"{where} of the price list is in {named['Currency']!r:.20}; only USD is understood"
        )
    family, amount = named["Product Family"], _amount(where, named["PricePerUnit"])
    operation = named.get("operation") or None
    price = Price(
        sku=named["SKU"],
        rate_code=named["RateCode"],
        effective_from=_instant(where, "EffectiveDate", named["EffectiveDate"]),
        product_family=family,
        region=named["Region Code"] or None,
        device_name=_device(where, family, attributes, devices),
        instance_type=_instance_type(family, attributes, named.get("usageType")),
        operation=operation,
        usage_type=named.get("usageType") or None,
        unit=named["Unit"],
        price_usd=amount,
        begin_range=named.get("StartingRange") or None,
        description=named.get("PriceDescription") or None,
    )
    _check(where, price)
    return price


def _check(where: str, price: Price) -> None:
    """What a price of a known family must have to be used."""
    if not price.is_used:
        return
    rule = price_rules()[price.product_family]
    expected = rule.base_unit
    unit = unit_of(price.unit)
    if unit is None or unit.base != expected:
        raise PriceListError(
            f"{where} of the price list counts {price.product_family} in {price.unit!r:.40}, "
            f"which is no unit of {expected.replace('_', ' ')}s that is known here"
        )
    if price.region is None:
        raise PriceListError(f"{where} of the price list has no Region Code")
    if rule.item == "instance_type" and price.instance_type is None:
        raise PriceListError(f"{where} of the price list tells no instance type")
    if rule.item == "device" and price.device_name is None:
        raise PriceListError(f"{where} of the price list tells no device")


def _device(where: str, family: str, attributes: Mapping[str, str], devices: list[str]) -> str | None:
    rule = price_rules().get(family)
    if rule is not None and rule.item != "device":
        return None
    if len({device_key(name) for name in devices}) > 1:
        raise PriceListError(
            f"{where} of the price list names two devices: {' and '.join(sorted(set(devices)))}"
        )
    if devices:
        return devices[0]
    return attributes.get("version") if rule is not None and rule.device_type == "SIMULATOR" else None


def _instance_type(family: str, attributes: Mapping[str, str], usage_type: str | None) -> str | None:
    """The instance type; where it has no column of its own, from the usage type."""
    rule = price_rules().get(family)
    if rule is None or rule.item != "instance_type":
        return None
    for candidate in (attributes.get("instancetype"), attributes.get("instancename"), usage_type):
        if candidate and (found := _INSTANCE_TYPE.search(candidate)):
            return found[0]
    return None


def _amount(where: str, text: Any) -> Decimal:
    try:
        amount = decimal(text if isinstance(text, str) else None)
    except ValueError:
        raise PriceListError(f"{where} of the price list: {text!r:.40} is no price") from None
    if not 0 <= amount <= HIGHEST_PRICE:
        raise PriceListError(f"{where} of the price list: a price of {text!r:.40} cannot be right")
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _MOST_DECIMALS:
        raise PriceListError(
            f"{where} of the price list: {text!r:.40} has more than {_MOST_DECIMALS} decimals"
        )
    return amount


def _instant(where: str, name: str, text: Any) -> datetime:
    try:
        return instant(str(text).strip())
    except ValueError:
        raise PriceListError(f"{where} of the price list: {name} {text!r:.40} is no date") from None


def _publication(offer: Any, date: Any, version: Any, prices: Iterable[Price]) -> Publication:
    if offer != OFFER_CODE:
        raise PriceListError(f"this is the price list of {offer!r:.60}, not of {OFFER_CODE}")
    if not date:
        raise PriceListError("the price list does not say when it was published (Publication Date)")
    distinct: dict[tuple[str, str, datetime], Price] = {}
    for price in prices:
        key = (price.sku, price.rate_code, price.effective_from)
        if distinct.setdefault(key, price) != price:
            raise PriceListError(
                f"the price list has two different prices for SKU {price.sku} ({price.rate_code})"
            )
    if not any(price.is_used for price in distinct.values()):
        raise PriceListError("the price list holds no price of a quantum task, simulator, job or reservation")
    return Publication(
        _instant("the head", "Publication Date", date),
        str(version) if version else None,
        tuple(distinct.values()),
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
