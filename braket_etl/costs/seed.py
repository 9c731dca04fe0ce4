"""The seed: prices that ship with the program, for where no price list was loaded.

seed_prices.csv holds what dated public sources say: a line a device and source. No change of one device's price is among
them, only of generations, so each has one price. Of a QPU, which stands in one Region, it is evidenced from the first
source to the last, and assumed before and after: a task proves that its device was there. Simulators and instances are
to be had in several Regions, whose prices no source tells apart: theirs is assumed. Reservations, at thousands of
dollars an hour, are not assumed before the year of their sources.

A price of the seed counts until a loaded one covers the instant. Whatever is priced by one says which it is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from braket_etl.costs.price_list import Price
from braket_etl.costs.rules import family_in_job, price_rules
from braket_etl.facts import LAUNCH
from braket_etl.tables import PRICES
from braket_etl.values import decimal, instant
from braket_etl.warehouse.connection import configured
from braket_etl.warehouse.migrate import migrate

#: The day to which the seed was put together.
SEED_DATE = datetime(2026, 11, 28, tzinfo=UTC)
SEED_FILE = Path(__file__).with_name("seed_prices.csv")
EVIDENCED = f"seed {SEED_DATE:%Y-%m-%d} (evidenced)"
ASSUMED = f"seed {SEED_DATE:%Y-%m-%d} (assumed)"
#: Of tasks inside hybrid jobs: their own rates are not publicly quoted.
EQUAL = "seed (assumed equal)"

_LAUNCH = datetime(LAUNCH.year, LAUNCH.month, LAUNCH.day, tzinfo=UTC)
_RESERVATIONS = datetime(2026, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
#: The columns of the file: what is paid by each kind of thing priced, and the unit of its price.
_PAID = (
    ("task_usd", "task", ("task",)),
    ("shot_usd", "shot", ("shot",)),
    ("minute_usd", "minute", ("run_time",)),
    ("hour_usd", "hour", ("reservation", "instance")),
)


@dataclass(frozen=True, slots=True)
class Point:
    """What one source says: the price in one product family, on the days from `seen_from` to `seen_to`.

    Both are None where the source has no date.
    """

    family: str
    item: str
    unit: str
    price_usd: Decimal
    seen_from: datetime | None
    seen_to: datetime | None
    source: str


def ensure_seed(connection: duckdb.DuckDBPyConnection) -> bool:
    """Store the seed of this version unless it is there already; whether anything changed.

    Runs inside a transaction of the caller, or as one of its own statements each.
    """
    wanted = seed_rows()
    compared = "sku, rate_code, effective_from, published_at, price_usd, usd_per_billion, source, description"
    connection.register("seed_rows", wanted)
    try:
        difference = connection.execute(
            f"""SELECT (SELECT count(*) FROM prices WHERE is_seed) <> (SELECT count(*) FROM seed_rows)
            OR exists(SELECT {compared} FROM seed_rows EXCEPT SELECT {compared} FROM prices WHERE is_seed)"""
        ).fetchall()[0][0]
        if difference:
            connection.execute("DELETE FROM prices WHERE is_seed")
            connection.execute("INSERT INTO prices BY NAME SELECT * FROM seed_rows")
    finally:
        connection.unregister("seed_rows")
    return bool(difference)


@contextmanager
def seed_only() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in memory that holds nothing but the seed."""
    with duckdb.connect(":memory:") as connection:
        migrate(configured(connection))
        ensure_seed(connection)
        yield connection


@cache
def seed_rows() -> pa.Table:
    """The seed as rows of `prices`: each price by its spans, and the same rates for tasks inside jobs."""
    rows: list[dict[str, Any]] = [
        {
            **price.row(),
            "published_at": SEED_DATE,
            "is_seed": True,
            "source": source,
            "loaded_from": "seed",
            "loaded_at": SEED_DATE,  # the same for everyone, so that equal warehouses are equal
        }
        for price, source in _prices()
    ]
    return pa.Table.from_pylist(rows, schema=PRICES.arrow_schema)


def seed_points() -> list[Point]:
    """What the file says, by product family and thing."""
    text = SEED_FILE.read_text("utf-8")
    points = [point for line in csv.DictReader(text.splitlines()) for point in _points(line)]
    return sorted(points, key=lambda point: (point.family, point.item))


def _points(line: dict[str, str]) -> Iterator[Point]:
    item = line["device_name"]
    for column, unit, meters in _PAID:
        if line[column]:
            yield Point(
                _family(meters, is_instance=item.startswith("ml.")),
                item,
                unit,
                decimal(line[column]),
                instant(line["seen_from"]) if line["seen_from"] else None,
                instant(line["seen_to"]) if line["seen_to"] else None,
                line["source"],
            )


def _family(meters: Sequence[str], *, is_instance: bool) -> str:
    """The product family in which something is paid outside hybrid jobs."""
    return next(
        family
        for family, rule in price_rules().items()
        if rule.meter in meters and not rule.is_in_job and (rule.item == "instance_type") is is_instance
    )


def _prices() -> Iterator[tuple[Price, str]]:
    for (family, _), found in groupby(seed_points(), key=lambda point: (point.family, point.item)):
        points = list(found)
        rule = price_rules()[family]
        begin = _RESERVATIONS if rule.kind == "reservation" else _LAUNCH
        is_in_one_place = rule.device_type == "QPU" or rule.kind == "reservation"
        (usd,) = {point.price_usd for point in points}
        evidence = _evidence(points) if is_in_one_place else f"of no Region, {_evidence(points)}"
        yield _price(family, points[0], usd, begin, f"assumed: {evidence}"), ASSUMED
        dated = [(point.seen_from, point.seen_to) for point in points if point.seen_from and point.seen_to]
        if is_in_one_place and dated:
            yield _price(family, points[0], usd, min(first for first, _ in dated), evidence), EVIDENCED
            after = max(last for _, last in dated) + _DAY
            yield _price(family, points[0], usd, after, f"assumed: {evidence}"), ASSUMED
        if in_job := family_in_job(family):
            described = f"assumed equal to {family}: {evidence}"
            yield _price(in_job, points[0], usd, begin, described), EQUAL


def _evidence(points: Sequence[Point]) -> str:
    """The first and the last dated source in words, or those that have no date."""
    dated = sorted(
        (point.seen_from, point.seen_to, point.source)
        for point in points
        if point.seen_from and point.seen_to
    )
    if not dated:
        return f"no dated source, but {', '.join(sorted({point.source for point in points}))}"
    (first, _, source), (_, last, other) = dated[0], max(dated, key=lambda point: point[1])
    span = f"{first:%Y-%m-%d}" if first == last else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return f"{_n_sources(len(dated))}, {span}: {source}" + (f" … {other}" if other != source else "")


def _n_sources(n: int) -> str:
    return "one dated source" if n == 1 else f"{n} dated sources"


def _price(family: str, point: Point, usd: Decimal, since: datetime, description: str) -> Price:
    sku, item = f"seed:{family}:{point.item}", point.item
    is_instance = price_rules()[family].item == "instance_type"
    return Price(
        sku=sku,
        rate_code=f"{sku}:{point.unit}",
        effective_from=since,
        product_family=family,
        region=None,
        device_name=None if is_instance else item,
        instance_type=item if is_instance else None,
        operation=None,
        usage_type=None,
        unit=point.unit,
        price_usd=usd,
        begin_range=None,
        description=description,
    )
