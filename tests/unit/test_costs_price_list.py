"""A price list is read whole or not at all; a row that is odd by itself is kept, told and not used."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from braket_emulator import offers
from braket_etl.costs.errors import PriceListError
from braket_etl.costs.price_list import Publication, links_of, parse
from braket_etl.costs.rules import price_rules
from braket_etl.costs.seed import ASSUMED, EQUAL, EVIDENCED, SEED_DATE, seed_points, seed_rows
from braket_etl.costs.units import Unit, unit_of, usd_per_billion
from braket_etl.tables.device_keys import device_key
from tests.cost_cases import COLUMNS, instance_and_volume, offer, price, qpu


def only(content: bytes) -> Publication:
    """The one publication in a price list."""
    (found,) = parse(content)
    return found


GOOD = qpu("Garnet", "0.30", "0.00145", "eu-north-1")


def test_csv_and_json_of_one_publication_are_the_same_prices() -> None:
    from_csv = only(offers.as_csv().encode())
    from_json = only(json.dumps(offers.as_json()).encode())
    assert set(from_csv.prices) == set(from_json.prices)
    assert from_csv.published_at == from_json.published_at == datetime(2026, 9, 11, tzinfo=UTC)
    assert {found.product_family for found in from_csv.prices} == price_rules().keys()


def test_both_spellings_of_the_device_column_are_read() -> None:
    rows = [*GOOD, *qpu("Garnet", "0.31", "0.002", "eu-north-1", in_job=True)]
    assert {found.device_name for found in only(offer(rows)).prices} == {"Garnet"}


def test_prices_of_failed_simulator_tasks_are_kept_and_not_used() -> None:
    rows = [
        price("Simulator Task", "0.275", "minutes", device="TN1"),
        price("Simulator Task", "0.275", "minutes", device="TN1", operation="FailedTask"),
    ]
    assert [found.is_used for found in only(offer(rows)).prices] == [True, False]


def test_an_instance_type_is_found_in_the_usage_type_too() -> None:
    row = price("Braket Managed Jobs Instance", "0.1", "hours", usageType="USE1-Jobs-Instance:ml.c5.xlarge")
    assert only(offer([row])).prices[0].instance_type == "ml.c5.xlarge"


def test_families_that_are_not_known_are_kept_named_and_not_used() -> None:
    publication = only(offer([*GOOD, price("Quantum Coffee", "3", "cups")]))
    assert publication.unknown_families == ("Quantum Coffee",)
    assert [found.is_used for found in publication.prices] == [True, True, False]


def test_a_byte_order_mark_and_crlf_are_no_harm() -> None:
    plain = offer(GOOD)
    assert only(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")).prices == only(plain).prices
    assert only(plain.decode().encode("utf-16")).prices == only(plain).prices  # PowerShell's `>`


def _without(column: str) -> bytes:
    lines = offer(GOOD).decode().splitlines()
    at = COLUMNS.index(column)
    cut = [",".join(part for i, part in enumerate(line.split(",")) if i != at) for line in lines[5:]]
    return "\n".join(lines[:5] + cut).encode()


def _json(change: object = None, **members: object) -> bytes:
    return json.dumps({**offers.as_json(), **members}).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "HTML or XML"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a,b\n1,2\n", "no price list"),
        (b"{}", "products"),
        (b'{"products": ', "JSON"),
        (_json(products=[]), "products"),
        (_json(publicationDate=None), "published"),
        (_json(offerCode="AmazonEC2"), "AmazonEC2"),
        (offer(GOOD, OfferCode="AmazonEC2"), "AmazonEC2"),
        (offer(GOOD, published=""), "published"),
        (offer(GOOD, published="yesterday"), "yesterday"),
        (offer([]), "no price"),
        (offer([price("Quantum Coffee", "3", "cups")]), "no price"),
        (_without("PricePerUnit"), "PricePerUnit"),
        (_without("Currency"), "Currency"),
        (_without("Region Code"), "Region Code"),
        (_without("EffectiveDate"), "EffectiveDate"),
        (offer(GOOD)[:-40], "fields|damaged"),
        (offer([GOOD[0] | {"Currency": "CNY"}]), "CNY"),
        (offer([GOOD[0] | {"PricePerUnit": "free"}]), "free"),
        (offer([GOOD[0] | {"PricePerUnit": "NaN"}]), "NaN"),
        (offer([GOOD[0] | {"PricePerUnit": "-0.3"}]), "-0.3"),
        (offer([GOOD[0] | {"PricePerUnit": "1e30"}]), "1e30"),
        (offer([GOOD[0] | {"PricePerUnit": "0.0000000000001"}]), "decimals"),
        (offer([GOOD[0] | {"EffectiveDate": "soon"}]), "soon"),
        (offer([GOOD[0] | {"Unit": "fortnights"}]), "fortnights"),
        (offer([GOOD[0] | {"Unit": "hours"}]), "hours"),
        (offer([GOOD[0] | {"SKU": ""}]), "SKU"),
        (offer([GOOD[0] | {"DeviceName": ""}]), "device"),
        (offer([GOOD[0] | {"Region Code": ""}]), "Region Code"),
        (offer([GOOD[0] | {"Device Name": "Emerald"}]), "two devices"),
        (b'{"PriceList": []}', "PriceList"),
        (b'{"PriceList": ["{"]}', "no product"),
        (b'{"PriceList": [{"product": {"sku": "A"}}]}', "published"),
        (_json(terms={"OnDemand": []}), "OnDemand"),
        (offer([price("Braket Managed Jobs Instance", "0.1", "hours")]), "instance type"),
        (offer([GOOD[0], GOOD[0] | {"PricePerUnit": "0.31"}]), "two different prices"),
        (offer([GOOD[0], GOOD[0] | {"Unit": "tasks"}]), "two different prices"),
    ],
)
def test_what_is_no_sound_price_list_is_refused_in_words(content: bytes, says: str) -> None:
    with pytest.raises(PriceListError, match=says):
        parse(content)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (GOOD[0] | {"SKU": "ODD", "Product Family": ""}, "no product family"),
        (GOOD[0] | {"SKU": "ODD", "Unit": "fortnights"}, "fortnights"),
        (GOOD[0] | {"SKU": "ODD", "Unit": ""}, "no unit of tasks"),
        (GOOD[0] | {"SKU": "ODD", "DeviceName": ""}, "no device"),
        (GOOD[0] | {"SKU": "ODD", "Device Name": "Emerald"}, "two devices"),
        (price("Simulator Task", "0.075", "minutes", SKU="ODD"), "no device"),
        (price("Simulator Task", "0", "minutes", device="SV1", SKU="ODD", **{"Region Code": ""}), "Region"),
        (price("Braket Managed Jobs Instance", "0.1", "hours", SKU="ODD"), "instance type"),
    ],
)
def test_an_odd_row_is_kept_told_and_not_used_and_the_rest_counts(row: dict[str, str], says: str) -> None:
    found = only(offer([*GOOD, row]))
    assert {price.sku: price.is_used for price in found.prices} == {
        GOOD[0]["SKU"]: True,
        GOOD[1]["SKU"]: True,
        "ODD": False,
    }
    (told,) = found.told
    assert "ODD" in told
    assert says in told
    assert found.unknown_families == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"RateCode": ""}, "RateCode"),
        ({"Currency": "CNY"}, "CNY"),
        ({"PricePerUnit": "free"}, "free"),
        ({"EffectiveDate": ""}, "no date"),
    ],
)
def test_a_row_without_a_price_to_keep_is_left_out_and_told(change: dict[str, str], says: str) -> None:
    found = only(offer([*GOOD, GOOD[0] | {"SKU": "ODD"} | change]))
    assert [price.sku for price in found.prices] == [row["SKU"] for row in GOOD]
    (told,) = found.told
    assert says in told
    assert "left out" in told


def _odd_json(change: Callable[[dict[str, Any], str], object]) -> Publication:
    """The emulator's offer with a change to one product, whose SKU is handed over."""
    content = copy.deepcopy(offers.as_json())
    change(content, next(iter(content["products"])))
    return only(json.dumps(content).encode())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content, sku: content["products"][sku].pop("productFamily"), "no product family"),
        (lambda content, sku: content["products"].pop(sku), "no product"),
        (lambda content, sku: content["products"][sku].pop("attributes"), "SKU"),
    ],
)
def test_a_product_that_lacks_a_part_is_kept_told_and_not_used(change: Any, says: str) -> None:
    found = _odd_json(change)
    assert len(found.prices) == len(offers.prices())
    assert sum(not price.is_used for price in found.prices) == 1
    (told,) = found.told
    assert says in told


@pytest.mark.parametrize("member", ["priceDimensions", "effectiveDate"])
def test_a_term_without_a_price_or_a_date_is_left_out_and_told(member: str) -> None:
    def change(content: dict[str, Any], sku: str) -> None:
        for term in content["terms"]["OnDemand"][sku].values():
            term.pop(member)

    found = _odd_json(change)
    assert len(found.prices) == len(offers.prices()) - 1
    assert "left out" in found.told[0]


def test_a_product_without_a_term_is_told() -> None:
    found = _odd_json(lambda content, sku: content["terms"]["OnDemand"].pop(sku))
    assert len(found.prices) == len(offers.prices()) - 1
    assert "no terms on demand" in found.told[0]


def _products(published: str = "2026-09-11T00:00:00Z") -> list[dict[str, Any]]:
    """The emulator's price list as the pricing API's GetProducts gives it."""
    content = offers.as_json()
    return [
        {
            "product": product,
            "serviceCode": "AmazonBraket",
            "terms": {"OnDemand": content["terms"]["OnDemand"][sku]},
            "version": "20260911000000",
            "publicationDate": published,
        }
        for sku, product in content["products"].items()
    ]


def _page(products: list[Any], **members: Any) -> dict[str, Any]:
    return {"FormatVersion": "aws_v1", "PriceList": products, **members}


def _texts(products: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(product) for product in products]


HALF = len(_products()) // 2


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(_page(_texts(_products())), indent=1),
        json.dumps(_page(_products())),
        json.dumps(_page(_texts(_products()), NextToken=None)),
        json.dumps(_texts(_products())),
        "\n".join(_texts(_products())),
        # pages as `--no-paginate` writes them, joined with and without a newline, in either order, and in a list
        json.dumps(_page(_texts(_products()[:HALF]), NextToken="n"))
        + json.dumps(_page(_texts(_products()[HALF:]))),
        json.dumps(_page(_products()[HALF:]))
        + "\n"
        + json.dumps(_page(_products()[:HALF], NextToken="n"), indent=2),
        json.dumps([_page(_products()[:HALF], NextToken="n"), _page(_products()[HALF:])]),
    ],
)
def test_what_get_products_gives_is_the_same_prices(content: str) -> None:
    found = only(content.encode())
    assert set(found.prices) == set(only(json.dumps(offers.as_json()).encode()).prices)
    assert (found.published_at, found.told) == (datetime(2026, 9, 11, tzinfo=UTC), ())


def test_a_page_that_names_a_next_one_is_read_and_told() -> None:
    found = only(json.dumps(_page(_products()[:HALF], NextToken="n")).encode())
    assert len(found.prices) == HALF
    assert "NextToken" in found.told[0]


def test_products_of_two_publications_are_two_whatever_their_order() -> None:
    products = [*_products("2026-10-01T00:00:00Z")[HALF:], *_products()[:HALF]]
    older, newer = parse(json.dumps(_page(products)).encode())
    assert (older.published_at.month, newer.published_at.month) == (9, 10)
    assert len(older.prices) == HALF


def test_an_entry_that_is_no_product_and_one_of_another_service_are_told() -> None:
    others = [
        "no JSON",
        {"product": {"sku": "X"}, "serviceCode": "AmazonEC2", "publicationDate": "2026-01-01"},
    ]
    found = only(json.dumps(_page([*others, *_products()])).encode())
    assert len(found.prices) == len(_products())
    assert [line for line in found.told if "entry 1" in line]
    assert len(found.told) == 2


def test_an_index_names_price_lists() -> None:
    entry = {"offerVersionUrl": "/offers/v1.0/aws/AmazonBraket/2/index.json", "versionEffectiveEndDate": ""}
    versions = {"formatVersion": "v1.0", "offerCode": "AmazonBraket", "versions": {"2": entry}}
    regions = {"regions": {"us-east-1": {"regionCode": "us-east-1", "currentVersionUrl": "/a/index.json"}}}
    services = {
        "offers": {"AmazonEC2": {"currentVersionUrl": "/c"}, "AmazonBraket": {"currentVersionUrl": "/b"}}
    }
    found = [links_of(json.dumps(index).encode()) for index in (versions, regions, services)]
    assert found == [("/offers/v1.0/aws/AmazonBraket/2/index.json",), ("/a/index.json",), ("/b",)]
    assert links_of(json.dumps(offers.as_json()).encode()) == links_of(offer(GOOD)) == ()


def test_the_same_row_twice_is_one_price() -> None:
    assert len(only(offer([*GOOD, *GOOD])).prices) == 2


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [
        ("minutes", Unit("second", 60)),
        ("Minutes", Unit("second", 60)),
        ("minute", Unit("second", 60)),
        ("hours", Unit("second", 3600)),
        ("Hrs", Unit("second", 3600)),
        ("quantum-task", Unit("task", 1)),
        ("Tasks", Unit("task", 1)),
        ("Quantum Shots", Unit("shot", 1)),
        ("shots", Unit("shot", 1)),
        ("GB-Mo", Unit("gb_second", 30 * 86400)),
        ("GB-months", Unit("gb_second", 30 * 86400)),
        ("s", None),
        ("", None),
    ],
)
def test_units_are_understood_however_they_are_spelled(spelling: str, unit: Unit | None) -> None:
    assert unit_of(spelling) == unit


@pytest.mark.parametrize("rate", ["0.075", "0.275", "0.0019166667", "3.825"])
def test_a_rate_by_time_is_exact_to_a_nanodollar_over_the_longest_job(rate: str) -> None:
    unit = unit_of("minutes")
    assert unit is not None
    five_days = 5 * 86400
    exact = Decimal(rate) * five_days / 60
    assert abs(usd_per_billion(Decimal(rate), unit) * five_days / 10**9 - exact) < Decimal("1e-12")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("IBEX-Q1", "ibex-q1"),
        ("Ibex-Q1", "ibex-q1"),
        ("Aspen-M-3", "aspen-m"),
        ("Aspen-M", "aspen-m"),
        ("Aspen-11", "aspen-11"),
        ("Advantage_system4", "advantage"),
        ("Advantage_system", "advantage"),
        ("DW_2000Q_6", "2000q"),
        ("2000Q", "2000q"),
        ("Forte 1", "forte-1"),
        ("Forte-Enterprise-1", "forte-enterprise-1"),
        ("sv1", "sv1"),
        ("", None),
        (None, None),
    ],
)
def test_a_device_has_one_key_however_it_is_spelled(name: str | None, key: str | None) -> None:
    assert device_key(name) == key


def test_every_point_of_the_seed_has_an_address_and_its_days_in_order() -> None:
    for point in seed_points():
        assert point.source.startswith("https://")
        assert (point.seen_from is None) == (point.seen_to is None)
        if point.seen_from and point.seen_to:
            assert datetime(2020, 11, 1, tzinfo=UTC) <= point.seen_from <= point.seen_to <= SEED_DATE


def test_a_thing_has_one_seed_price_in_a_family() -> None:
    prices: dict[tuple[str, str | None], set[Decimal]] = {}
    for point in seed_points():
        prices.setdefault((point.family, device_key(point.item)), set()).add(point.price_usd)
    assert all(len(found) == 1 for found in prices.values())


def test_every_seed_price_is_used_and_says_its_source() -> None:
    rows = seed_rows().to_pylist()
    assert all(
        row["source"] in (EVIDENCED, ASSUMED, EQUAL) and row["is_seed"] and row["is_used"] for row in rows
    )
    assert all(
        "https://" in row["description"] and row["effective_from"] <= row["published_at"] for row in rows
    )
    keys = {(row["sku"], row["rate_code"], row["effective_from"]) for row in rows}
    assert len(keys) == len(rows)
    equal = {row["product_family"] for row in rows if row["source"] == EQUAL}
    assert equal
    assert all(family.startswith("Braket Managed Jobs") for family in equal)


def test_known_traps_are_no_points_of_the_seed() -> None:
    points = seed_points()
    assert not [p for p in points if p.price_usd == Decimal("0.32")]  # a round number in running text
    cepheus = [p for p in points if p.item == "Cepheus-1-108Q" and p.unit == "shot"]
    assert {p.price_usd for p in cepheus} == {
        Decimal("0.000425")
    }  # 0.0009 was output kept under its new name
    assert min(p.seen_from for p in cepheus if p.seen_from) == datetime(2026, 4, 15, tzinfo=UTC)


def test_the_price_file_holds_instances_and_volumes() -> None:
    assert {found.product_family for found in only(offer(instance_and_volume())).prices} == {
        "Braket Managed Jobs Instance",
        "Braket Managed Jobs Volume",
    }
