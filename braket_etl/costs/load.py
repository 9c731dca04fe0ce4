"""Storing publications of the price list: all are kept, none is ever overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from braket_etl.costs.errors import PriceListError
from braket_etl.costs.price_list import Publication, links_of, parse
from braket_etl.costs.seed import ensure_seed
from braket_etl.costs.source import OpenS3, linked_source, offer_url, read_price_file, shown
from braket_etl.tables import PRICES
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.statements import affected, transaction

#: An index of versions leads to price lists, AWS's index of services to an index.
_MOST_STEPS = 3
#: How far ahead of this machine's clock a publication may be dated; sql/models/price_periods.sql says the same.
_CLOCKS_DIFFER = timedelta(days=1)
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading did: publications, prices that are new, those known already, families that are not used.

    `published_at` is that of the newest publication. `told` is what the user should know of the rows, `failed` the
    price lists of an index that could not be read.
    """

    published_at: datetime
    loaded_from: str
    new: int
    known: int
    unknown_families: tuple[str, ...] = ()
    publications: int = 1
    told: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line for the user."""
        several = f" and {self.publications - 1} older" if self.publications > 1 else ""
        found = f"price list of {self.published_at:%Y-%m-%d}{several}: {self.new} new prices, {self.known} known already"
        return found + (f"; not used: {', '.join(self.unknown_families)}" if self.unknown_families else "")

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of the rows, the first few and how many more there are."""
        more = len(self.told) - _MOST_TOLD
        rest = (
            (f"… and {more} more; `braket-etl sql @prices_not_used` lists what is kept",) if more > 0 else ()
        )
        return (*self.told[:_MOST_TOLD], *rest)


def refresh_prices(
    warehouse: Warehouse, source: str | None = None, *, open_s3: OpenS3 | None = None
) -> Loaded:
    """Load the price list from an address, a path or AWS's own address; of an index, all lists that it names.

    Reading and checking come first: the writer lock is held for the storing alone. Raises PriceListError, and
    WarehouseError; then nothing was changed. Of the lists of an index, those that cannot be read are told.
    """
    source = source or offer_url()
    failed: list[str] = []
    read = list(_read(source, open_s3, failed))
    if not read:
        raise PriceListError("; ".join(failed))
    with warehouse.writing("prices") as connection, transaction(connection):
        done = [store_publication(connection, publication, place) for place, publication in read]
    return Loaded(
        max(each.published_at for each in done),
        shown(source),
        sum(each.new for each in done),
        sum(each.known for each in done),
        tuple(sorted({family for each in done for family in each.unknown_families})),
        len({each.published_at for each in done}),
        tuple(dict.fromkeys(line for each in done for line in each.told)),
        tuple(failed),
    )


def _read(
    source: str, open_s3: OpenS3 | None, failed: list[str], steps: int = _MOST_STEPS
) -> Iterator[tuple[str, Publication]]:
    """The publications at a source, each with its own; of an index, those that it names."""
    content = read_price_file(source, open_s3=open_s3)
    if not (links := links_of(content)):
        yield from ((source, publication) for publication in parse(content))
        return
    if steps == 1:
        raise PriceListError(f"{shown(source)} is an index in an index in an index")
    for link in links:
        try:
            yield from list(_read(linked_source(source, link), open_s3, failed, steps - 1))
        except PriceListError as error:
            failed.append(f"{link}: {error}")


def store_publication(connection: Connection, publication: Publication, source: str) -> Loaded:
    """Add the prices of a publication that are not stored yet; inside a transaction of the caller.

    A row that is stored as not used makes way for one that is used. Raises PriceListError where the same publication is
    stored with another price.
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
            ON {same} WHERE p.is_used AND n.is_used AND (p.price_usd <> n.price_usd OR p.unit <> n.unit
            OR p.product_family <> n.product_family OR p.region IS DISTINCT FROM n.region
            OR p.device_key IS DISTINCT FROM n.device_key OR p.instance_type IS DISTINCT FROM n.instance_type) LIMIT 1"""
        ).fetchall()
        if changed:
            sku, old, old_unit, new, new_unit = changed[0]
            raise PriceListError(
                f"the price list published {publication.published_at:%Y-%m-%d %H:%M} UTC is stored already with other "
                f"content: SKU {sku} is {old.normalize():f} a {old_unit} there and {new.normalize():f} a {new_unit} "
                "here. A publication does not change; nothing was loaded."
            )
        connection.execute(
            f"DELETE FROM prices AS p USING publication_rows AS n WHERE {same} AND n.is_used AND NOT p.is_used"
        )
        inserted = affected(
            connection,
            f"INSERT INTO prices BY NAME SELECT n.* FROM publication_rows AS n ANTI JOIN prices AS p ON {same}",
        )
    finally:
        connection.unregister("publication_rows")
    told = publication.told
    if publication.published_at > datetime.now(UTC) + _CLOCKS_DIFFER:
        told += (
            f"it is dated {publication.published_at:%Y-%m-%d}, which is yet to come: its prices count only where no other "
            "list has one",
        )
    return Loaded(
        publication.published_at,
        shown(source),
        inserted,
        rows.num_rows - inserted,
        publication.unknown_families,
        told=told,
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
