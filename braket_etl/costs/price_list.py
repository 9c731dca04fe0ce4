"""Reading AWS's offer file for AmazonBraket, CSV or JSON, or the output of GetProducts, from bytes.

The file is checked whole before a single price is given: what is no such list, was cut off or contradicts itself raises
PriceListError. A row that is odd by itself is kept and not used, and told. Fetching and storing do not belong here.
"""

from __future__ import annotations

import csv
import io
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from braket_etl.costs.errors import PriceListError
from braket_etl.costs.rules import PriceRule, price_rules
from braket_etl.costs.units import HIGHEST_PRICE, unit_of, usd_per_billion
from braket_etl.json_text import read_joined_json, read_json
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
#: Members of the entries of an index, and how far into one they come: it begins with its head and its first entry.
_LINKS = (b'"offerVersionUrl"', b'"currentVersionUrl"')
_INDEX_HEAD = 10_000

# An attribute has one name in the CSV and another in the JSON; compared are its letters alone. `DeviceName` is on
# tasks by themselves and `Device Name` on tasks in jobs: to us they are the same.
_DEVICE = "devicename"
_JSON_COLUMNS = {"regionCode": "Region Code", "usagetype": "usageType", "operation": "operation"}


@dataclass(frozen=True, slots=True)
class Price:
    """One price of a publication. `price_usd` is that of one `unit`; instants are aware UTC.

    `oddity` says what the row lacks to be priced by, where it is of a family that we know or of none.
    """

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
    oddity: str | None = None

    @property
    def is_used(self) -> bool:
        """Whether models price by it."""
        return self.why_not_used is None

    @property
    def why_not_used(self) -> str | None:
        """Why models do not price by it; None where they do."""
        if self.oddity:
            return self.oddity
        rule = price_rules().get(self.product_family)
        if rule is None:
            return f"the product family {self.product_family!r:.60} is not known"
        if rule.device_type == "SIMULATOR" and (self.operation or "") not in _SIMULATOR_OPERATIONS:
            return f"the operation {self.operation!r:.60} is not priced"
        return None

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
            "why_not_used": self.why_not_used,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class Publication:
    """One publication of the price list.

    `told` is what the user should know of it: rows that are kept and not used, what could not be kept, pages that
    are missing.
    """

    published_at: datetime
    version: str | None
    prices: tuple[Price, ...]
    told: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """How task_costs.price_source names it."""
        return f"price_list {self.published_at:%Y-%m-%d}"

    @property
    def unknown_families(self) -> tuple[str, ...]:
        """Product families that this version does not know; their prices are kept and not used."""
        return tuple(sorted({price.product_family for price in self.prices} - price_rules().keys() - {""}))


def parse(content: bytes) -> tuple[Publication, ...]:
    """The publications in an offer file, CSV or JSON, or in the output of the pricing API's GetProducts.

    An offer file is one publication; what GetProducts gives may come from several. Raises PriceListError.
    """
    text = _text(content)
    start = text.lstrip()[:200].lower()
    if not start:
        raise PriceListError("the price list is empty")
    if start.startswith("<"):
        raise PriceListError("got an HTML or XML page instead of a price list; is the address right?")
    return _from_json(text) if start[0] in "{[" else (_from_csv(text),)


def links_of(content: bytes) -> tuple[str, ...]:
    """The paths of the price lists that an index of AWS's names, of all versions or all Regions; () for what is none.

    https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api.html
    """
    if not any(name in content[:_INDEX_HEAD] for name in _LINKS):
        return ()
    try:
        index = read_json(_text(content))
    except ValueError:
        return ()
    if not isinstance(index, dict) or "products" in index:
        return ()
    entries = [entry for name in ("versions", "regions") for entry in _members(index.get(name)).values()]
    entries += [_members(index.get("offers")).get(OFFER_CODE)]
    found = (
        _members(entry).get(name) for entry in entries for name in ("offerVersionUrl", "currentVersionUrl")
    )
    return tuple(sorted({link for link in found if isinstance(link, str) and link}))


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-16" if content[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise PriceListError(
            f"the price list is not UTF-8 or UTF-16 text: {error.reason} at byte {error.start}"
        ) from None


def _from_csv(text: str) -> Publication:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head, header = _head(reader)
        rows = [_csv_price(header, row, reader.line_num) for row in reader if any(row)]
    except csv.Error as error:
        raise PriceListError(f"line {reader.line_num} of the price list is damaged: {error}") from None
    return _publication(head.get("OfferCode"), head.get("Publication Date"), head.get("Version"), rows)


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
        f"the {OFFER_CODE} offer, or what `aws pricing get-products --service-code {OFFER_CODE}` writes"
    )


def _csv_price(header: list[str], row: list[str], line: int) -> Price | str:
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


def _from_json(text: str) -> tuple[Publication, ...]:
    try:
        documents = [each for value in read_joined_json(text, _DECODER) for each in _documents(value)]
    except ValueError as error:
        raise PriceListError(f"the price list is no whole JSON: {str(error)[:200]}") from None
    if documents and all("products" in document for document in documents):
        return tuple(map(_offer, documents))
    products = [each for document in documents for each in _products_of(document)]
    pages = [document for document in documents if "PriceList" in document]
    if not products:
        raise PriceListError(
            "this is no price list of AWS: products and terms.OnDemand are expected, or the PriceList of GetProducts"
        )
    return _from_products(products, is_cut=bool(pages) and all(page.get("NextToken") for page in pages))


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a JSON value: itself, those of a list, and those that GetProducts writes as text."""
    if isinstance(value, str):
        value = read_json(value, _DECODER)
    if isinstance(value, list):
        for each in value:
            yield from _documents(each)
    else:
        yield _members(value)


def _products_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The products in a page of GetProducts, or the one that a line is; {} for an entry that is none."""
    entries = document.get("PriceList", [document] if "product" in document else [])
    for entry in entries if isinstance(entries, list) else []:
        try:
            yield from _documents(entry)
        except ValueError:
            yield {}


def _from_products(products: list[dict[str, Any]], *, is_cut: bool) -> tuple[Publication, ...]:
    """The publications of products as GetProducts gives them, each of which names its own; the oldest first."""
    rows: dict[tuple[str, str, str], list[Price | str]] = {}
    others: list[str] = []
    for n, each in enumerate(products, 1):
        product, terms = _members(each.get("product")), _members(_members(each.get("terms")).get("OnDemand"))
        sku = str(product.get("sku") or f"of entry {n}")
        head = (
            str(each.get("serviceCode")),
            str(each.get("publicationDate") or ""),
            str(each.get("version") or ""),
        )
        if not product:
            others.append(f"entry {n} of PriceList is no product")
        elif not head[1]:
            others.append(f"SKU {sku} does not say when it was published")
        else:
            rows.setdefault(head, []).extend(_json_prices(sku, product, terms))
    if not rows:
        raise PriceListError(f"the price list does not say when it was published: {others[0]}")
    ours = {head: found for head, found in rows.items() if head[0] == OFFER_CODE} or rows
    others += [
        f"products of {offer!r:.60} are not read"
        for offer in sorted({h[0] for h in rows.keys() - ours.keys()})
    ]
    if is_cut:
        others.append("the file names a next page (NextToken) that is not in it: load that as well")
    found = [_publication(offer, date, version, each) for (offer, date, version), each in ours.items()]
    found.sort(key=lambda publication: publication.published_at)
    return (*found[:-1], replace(found[-1], told=(*found[-1].told, *others)))


def _offer(offer: dict[str, Any]) -> Publication:
    """The publication of an offer file."""
    products, terms = offer["products"], _members(offer.get("terms")).get("OnDemand")
    if not isinstance(products, dict) or not isinstance(terms, dict):
        raise PriceListError("this is no price list of AWS: products and terms.OnDemand are expected")
    rows = [
        price
        for sku in dict.fromkeys([*terms, *products])
        for price in _json_prices(sku, _members(products.get(sku)), _members(terms.get(sku)))
    ]
    return _publication(offer.get("offerCode"), offer.get("publicationDate"), offer.get("version"), rows)


def _json_prices(sku: str, product: dict[str, Any], terms: dict[str, Any]) -> Iterator[Price | str]:
    if not terms:
        yield f"SKU {sku} has no terms on demand"
    for term in map(_members, terms.values()):
        dimensions = _members(term.get("priceDimensions"))
        if not dimensions:
            yield f"SKU {sku} has a term without prices"
        for dimension in map(_members, dimensions.values()):
            yield _json_price(sku, product, term, dimension)


def _json_price(
    sku: str, product: dict[str, Any], term: dict[str, Any], dimension: dict[str, Any]
) -> Price | str:
    attributes = {name: str(value) for name, value in _members(product.get("attributes")).items() if value}
    amounts = _members(dimension.get("pricePerUnit"))
    named = {column: attributes.get(name, "") for name, column in _JSON_COLUMNS.items()} | {
        "SKU": sku,
        "RateCode": str(dimension.get("rateCode") or ""),
        "EffectiveDate": str(term.get("effectiveDate") or ""),
        "Unit": str(dimension.get("unit") or ""),
        "PricePerUnit": str(amounts.get("USD", "")),
        "Currency": "USD" if "USD" in amounts else ", ".join(amounts) or "none",
        "Product Family": str(product.get("productFamily") or ""),
        "StartingRange": str(dimension.get("beginRange") or ""),
        "PriceDescription": str(dimension.get("description") or ""),
    }
    others = {_letters(name): value for name, value in attributes.items() if _letters(name) != _DEVICE}
    devices = [value for name, value in attributes.items() if _letters(name) == _DEVICE]
    return _price(f"SKU {sku}", named, others, devices, has_product=bool(product))


def _price(
    where: str,
    named: Mapping[str, str],
    attributes: Mapping[str, str],
    devices: list[str],
    *,
    has_product: bool = True,
) -> Price | str:
    """One price; `named` bears the CSV's column names, `attributes` all others by their letters.

    A text says why the row cannot even be kept: it has no name, price or date.
    """
    for column in ("SKU", "RateCode"):
        if not named[column].strip():
            return f"{where} has no {column}"
    if named["Currency"] != "USD":
        return f"{where} is in {named['Currency']!r:.20}; only USD is understood"
    try:
        amount = _amount(named["PricePerUnit"])
        effective_from = _instant("EffectiveDate", named["EffectiveDate"])
    except ValueError as error:
        return f"{where}: {error}"
    family = named["Product Family"].strip()
    rule = price_rules().get(family)
    found = Price(
        sku=named["SKU"],
        rate_code=named["RateCode"],
        effective_from=effective_from,
        product_family=family,
        region=named["Region Code"] or None,
        device_name=_device(rule, attributes, devices),
        instance_type=_instance_type(rule, attributes, named.get("usageType")),
        operation=named.get("operation") or None,
        usage_type=named.get("usageType") or None,
        unit=named["Unit"],
        price_usd=amount,
        begin_range=named.get("StartingRange") or None,
        description=named.get("PriceDescription") or None,
    )
    if not has_product:
        oddity: str | None = "it has a term and no product"
    elif not family:
        oddity = "it has no product family"
    elif rule is None or not found.is_used:
        oddity = None
    elif rule.item == "device" and len({device_key(name) for name in devices}) > 1:
        oddity = f"it names two devices: {' and '.join(sorted(set(devices)))}"
    else:
        oddity = _oddity(found, rule)
    return replace(found, oddity=oddity)


def _oddity(price: Price, rule: PriceRule) -> str | None:
    """What a price of a known family lacks to be used."""
    unit = unit_of(price.unit)
    if unit is None or unit.base != rule.base_unit:
        return (
            f"it counts {price.product_family} in {price.unit!r:.40}, "
            f"which is no unit of {rule.base_unit.replace('_', ' ')}s that is known here"
        )
    if price.region is None:
        return "it has no Region Code"
    if rule.item == "instance_type" and price.instance_type is None:
        return "it tells no instance type"
    if rule.item == "device" and price.device_name is None:
        return "it tells no device"
    return None


def _device(rule: PriceRule | None, attributes: Mapping[str, str], devices: list[str]) -> str | None:
    if rule is not None and rule.item != "device":
        return None
    if devices:
        return devices[0]
    return attributes.get("version") if rule is not None and rule.device_type == "SIMULATOR" else None


def _instance_type(
    rule: PriceRule | None, attributes: Mapping[str, str], usage_type: str | None
) -> str | None:
    """The instance type; where it has no column of its own, from the usage type."""
    if rule is None or rule.item != "instance_type":
        return None
    for candidate in (attributes.get("instancetype"), attributes.get("instancename"), usage_type):
        if candidate and (found := _INSTANCE_TYPE.search(candidate)):
            return found[0]
    return None


def _amount(text: str) -> Decimal:
    try:
        amount = decimal(text)
    except ValueError:
        raise ValueError(f"{text!r:.40} is no price") from None
    if not 0 <= amount <= HIGHEST_PRICE:
        raise ValueError(f"a price of {text!r:.40} cannot be right")
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _MOST_DECIMALS:
        raise ValueError(f"{text!r:.40} has more than {_MOST_DECIMALS} decimals")
    return amount


def _instant(name: str, text: Any) -> datetime:
    try:
        return instant(str(text).strip())
    except ValueError:
        raise ValueError(f"{name} {text!r:.40} is no date") from None


def _publication(offer: Any, date: Any, version: Any, rows: Iterable[Price | str]) -> Publication:
    """The rows as one publication, checked as a whole."""
    if offer != OFFER_CODE:
        raise PriceListError(f"this is the price list of {offer!r:.60}, not of {OFFER_CODE}")
    if not date:
        raise PriceListError("the price list does not say when it was published (Publication Date)")
    try:
        published_at = _instant("Publication Date", date)
    except ValueError as error:
        raise PriceListError(f"the head of the price list: {error}") from None
    distinct: dict[tuple[str, str, datetime], Price] = {}
    told: list[str] = []
    for row in rows:
        if isinstance(row, str):
            told.append(f"{row}; it is left out")
            continue
        key = (row.sku, row.rate_code, row.effective_from)
        other = distinct.setdefault(key, row)
        if other != row and other.is_used and row.is_used:
            raise PriceListError(
                f"the price list has two different prices for SKU {row.sku} ({row.rate_code})"
            )
        if row.is_used:
            distinct[key] = row
    prices = tuple(distinct.values())
    told += [f"SKU {price.sku} is kept and not used: {price.oddity}" for price in prices if price.oddity]
    if not any(price.is_used for price in prices):
        raise PriceListError(
            "the price list holds no price of a quantum task, simulator, job or reservation that can be used"
            + (f": {told[0]}" if told else "")
        )
    return Publication(published_at, str(version) if version else None, prices, tuple(told))


def _members(value: Any) -> dict[str, Any]:
    """The members of an object; none of what is no object."""
    return value if isinstance(value, dict) else {}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
