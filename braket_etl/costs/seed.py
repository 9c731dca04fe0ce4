"""The seed: prices that ship with the program, each with its source, for where no price list was loaded.

They hold from the earliest date that their source attests (a source dated by its year: from the first of January),
and until a loaded price covers the instant. Whatever is priced by them says so.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import duckdb
import pyarrow as pa

from braket_etl.costs.price_list import Price
from braket_etl.costs.rules import family_in_job
from braket_etl.tables import PRICES
from braket_etl.values import decimal, instant
from braket_etl.warehouse.connection import configured
from braket_etl.warehouse.migrate import migrate

#: The day to which the seed was put together.
SEED_DATE = datetime(2026, 9, 11, tzinfo=UTC)
SOURCE = f"seed {SEED_DATE:%Y-%m-%d}"
#: Of tasks inside hybrid jobs: their own rates are not publicly quoted.
ASSUMED = "seed (assumed equal)"


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
    """The seed as rows of `prices`: those of the file, and the same rates for tasks inside jobs."""

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


def _prices() -> Iterator[tuple[Price, str]]:
    text = files("braket_etl.costs").joinpath("seed_prices.csv").read_text("utf-8")
    for line in csv.DictReader(text.splitlines()):
        family = line["product_family"]
        yield _price(line, family, f"{line['source']} ({line['certainty']})"), SOURCE
        if in_job := family_in_job(family):
            described = f"assumed equal to {family}, whose source is: {line['source']} ({line['certainty']})"
            yield _price(line, in_job, described), ASSUMED


def _price(line: dict[str, str], family: str, description: str) -> Price:
    sku = f"seed:{family}:{line['device_name']}"
    return Price(
        sku=sku,
        rate_code=f"{sku}:{line['unit']}",
        effective_from=instant(line["effective_from"]),
        product_family=family,
        region=None,
        device_name=line["device_name"],
        instance_type=None,
        operation=None,
        usage_type=None,
        unit=line["unit"],
        price_usd=decimal(line["price_usd"]),
        begin_range=None,
        description=description,
    )
