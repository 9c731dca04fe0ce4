"""A price list is read whole or not at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from braket_emulator import offers
from braket_etl.costs.errors import PriceListError
from braket_etl.costs.price_list import parse
from braket_etl.costs.rules import price_rules
from braket_etl.costs.seed import ASSUMED, SOURCE, seed_rows
from braket_etl.costs.units import Unit, unit_of, usd_per_billion
from braket_etl.tables.device_keys import device_key
from tests.cost_cases import COLUMNS, instance_and_volume, offer, price, qpu

GOOD = qpu("Garnet", "0.30", "0.00145", "eu-north-1")


def test_csv_and_json_of_one_publication_are_the_same_prices() -> None:
    from_csv = parse(offers.as_csv().encode())
    from_json = parse(json.dumps(offers.as_json()).encode())
    assert set(from_csv.prices) == set(from_json.prices)
    assert from_csv.published_at == from_json.published_at == datetime(2026, 9, 11, tzinfo=UTC)
    assert {found.product_family for found in from_csv.prices} == price_rules().keys()


def test_both_spellings_of_the_device_column_are_read() -> None:
    rows = [*GOOD, *qpu("Garnet", "0.31", "0.002", "eu-north-1", in_job=True)]
    assert {found.device_name for found in parse(offer(rows)).prices} == {"Garnet"}


def test_a_device_that_both_columns_name_differently_is_refused() -> None:
    with pytest.raises(PriceListError, match="two devices"):
        parse(offer([GOOD[0] | {"Device Name": "Emerald"}, GOOD[1]]))


def test_prices_of_failed_simulator_tasks_are_kept_and_not_used() -> None:
    rows = [
        price("Simulator Task", "0.275", "minutes", device="TN1"),
        price("Simulator Task", "0.275", "minutes", device="TN1", operation="FailedTask"),
    ]
    assert [found.is_used for found in parse(offer(rows)).prices] == [True, False]


def test_an_instance_type_is_found_in_the_usage_type_too() -> None:
    row = price("Braket Managed Jobs Instance", "0.1", "hours", usageType="USE1-Jobs-Instance:ml.c5.xlarge")
    assert parse(offer([row])).prices[0].instance_type == "ml.c5.xlarge"


def test_families_that_are_not_known_are_kept_named_and_not_used() -> None:
    publication = parse(offer([*GOOD, price("Quantum Coffee", "3", "cups")]))
    assert publication.unknown_families == ("Quantum Coffee",)
    assert [found.is_used for found in publication.prices] == [True, True, False]


def test_a_byte_order_mark_and_crlf_are_no_harm() -> None:
    plain = offer(GOOD)
    assert parse(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")).prices == parse(plain).prices


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
        (offer([price("Braket Managed Jobs Instance", "0.1", "hours")]), "instance type"),
        (offer([GOOD[0], GOOD[0] | {"PricePerUnit": "0.31"}]), "two different prices"),
        (offer([GOOD[0], GOOD[0] | {"Unit": "tasks"}]), "two different prices"),
    ],
)
def test_what_is_no_sound_price_list_is_refused_in_words(content: bytes, says: str) -> None:
    with pytest.raises(PriceListError, match=says):
        parse(content)


def test_the_same_row_twice_is_one_price() -> None:
    assert len(parse(offer([*GOOD, *GOOD])).prices) == 2


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


def test_every_seed_price_has_a_source_and_holds_from_the_date_that_it_attests() -> None:
    rows = seed_rows().to_pylist()
    assert all(row["description"] and row["source"] in (SOURCE, ASSUMED) and row["is_seed"] for row in rows)
    assert all(row["effective_from"] <= row["published_at"] and row["is_used"] for row in rows)
    assert len({(row["product_family"], row["device_key"], row["effective_from"]) for row in rows}) == len(
        rows
    )
    assumed = {row["product_family"] for row in rows if row["source"] == ASSUMED}
    assert assumed
    assert all(family.startswith("Braket Managed Jobs") for family in assumed)


def test_the_price_file_holds_instances_and_volumes() -> None:
    assert {found.product_family for found in parse(offer(instance_and_volume())).prices} == {
        "Braket Managed Jobs Instance",
        "Braket Managed Jobs Volume",
    }
