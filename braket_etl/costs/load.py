"""Storing publications of the price list: all are kept, none is ever overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from braket_etl.costs.errors import PriceListError
from braket_etl.costs.price_list import Publication, parse
from braket_etl.costs.seed import ensure_seed
from braket_etl.costs.source import OpenS3, offer_url, read_price_file, shown
from braket_etl.tables import PRICES
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.statements import affected, transaction


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading a publication did: prices that are new, those known already, families that are not used."""

    published_at: datetime
    loaded_from: str
    new: int
    known: int
    unknown_families: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line for the user."""
        found = (
            f"price list of {self.published_at:%Y-%m-%d}: {self.new} new prices, {self.known} known already"
        )
        return found + (f"; not used: {', '.join(self.unknown_families)}" if self.unknown_families else "")


def refresh_prices(
    warehouse: Warehouse, source: str | None = None, *, open_s3: OpenS3 | None = None
) -> Loaded:
    """Load the price list from an address, a path or AWS's own address.

    Reading and checking come first: the writer lock is held for the storing alone. Raises PriceListError, and
    WarehouseError; then nothing was changed.
    """
    source = source or offer_url()
    publication = parse(read_price_file(source, open_s3=open_s3))
    with warehouse.writing("prices") as connection, transaction(connection):
        return store_publication(connection, publication, source)


def store_publication(connection: Connection, publication: Publication, source: str) -> Loaded:
    """Add the prices of a publication that are not stored yet; inside a transaction of the caller.

    Raises PriceListError where the same publication is stored with another price.
    """
    ensure_seed(connection)
    rows = publication_rows(publication, source)
    connection.register("publication_rows", rows)
    try:
        same = (
            "p.sku = n.sku AND p.rate_code = n.rate_code AND p.effective_from = n.effective_from "
            "AND p.published_at = n.published_at"
        )
        changed = connection.execute(
            f"""SELECT n.sku, p.price_usd, p.unit, n.price_usd, n.unit FROM publication_rows AS n JOIN prices AS p
            ON {same} WHERE p.price_usd <> n.price_usd OR p.unit <> n.unit OR p.product_family <> n.product_family
            OR p.region IS DISTINCT FROM n.region OR p.device_key IS DISTINCT FROM n.device_key
            OR p.instance_type IS DISTINCT FROM n.instance_type LIMIT 1"""
        ).fetchall()
        if changed:
            sku, old, old_unit, new, new_unit = changed[0]
            raise PriceListError(
                f"the price list published {publication.published_at:%Y-%m-%d %H:%M} UTC is stored already with other "
                f"content: SKU {sku} is {old.normalize():f} a {old_unit} there and {new.normalize():f} a {new_unit} "
                "here. A publication does not change; nothing was loaded."
            )
        inserted = affected(
            connection,
            f"INSERT INTO prices BY NAME SELECT n.* FROM publication_rows AS n ANTI JOIN prices AS p ON {same}",
        )
    finally:
        connection.unregister("publication_rows")
    return Loaded(
        publication.published_at,
        shown(source),
        inserted,
        rows.num_rows - inserted,
        publication.unknown_families,
    )


def publication_rows(publication: Publication, source: str) -> pa.Table:
    """The publication as rows of `prices`; raises PriceListError where a text cannot be stored."""
    common: dict[str, Any] = {
        "published_at": publication.published_at,
        "is_seed": False,
        "source": publication.source,
        "loaded_from": shown(source),
        "loaded_at": datetime.now(UTC),
    }
    try:
        return pa.Table.from_pylist(
            [price.row() | common for price in publication.prices], schema=PRICES.arrow_schema
        )
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise PriceListError(f"the price list holds a value that cannot be stored: {error}") from None


def is_fresh(warehouse: Warehouse, *, hours: float = 20) -> bool:
    """Whether a publication was loaded within so many hours."""
    with warehouse.writing("prices") as connection:
        newest = connection.execute("SELECT max(loaded_at) FROM prices WHERE NOT is_seed").fetchall()[0][0]
    return newest is not None and datetime.now(UTC) - newest < timedelta(hours=hours)


def install_seed(warehouse: Warehouse) -> bool:
    """Store the seed of this version where it is not stored yet; whether anything changed."""
    with warehouse.writing("seed prices") as connection, transaction(connection):
        return ensure_seed(connection)
