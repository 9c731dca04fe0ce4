"""What a search listed, held against what is stored: what to fetch, what changed, what is covered.

A listing is an Arrow table with `arn`, `created_at`, `status`, `tags` (NULL where the API gave none) and
`listed_at`. Runs under the writer lock; the writes run inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import pyarrow as pa

from braket_etl.tables.declaration import STRING_MAP, TIMESTAMP, Table
from braket_etl.warehouse.statements import Connection, affected
from braket_etl.warehouse.upsert import hash_expression

#: Braket deletes a task's metadata after 90 days; a day less, since clocks and days differ.
FORGOTTEN = timedelta(days=89)

LISTING = pa.schema(
    [
        ("arn", pa.string()),
        ("created_at", TIMESTAMP),
        ("status", pa.string()),
        ("tags", STRING_MAP),
        ("listed_at", TIMESTAMP),
    ]
)


def to_fetch(connection: Connection, table: Table, listing: pa.Table) -> list[tuple[str, datetime]]:
    """(ARN, created_at) of each listed record that is not stored in a final state, oldest first."""
    connection.register("listing", listing)
    rows = connection.execute(
        f"""SELECT DISTINCT arn, created_at FROM listing AS l
        ANTI JOIN (SELECT {table.key[0]} AS arn FROM {table.qualified_name} AS t
                   WHERE is_terminal AND origin = 'api' AND {_near(connection, table)}) USING (arn)
        ORDER BY created_at, arn"""
    ).fetchall()
    connection.unregister("listing")
    return rows


def update_tags(connection: Connection, table: Table, listing: pa.Table) -> int:
    """Take over tags that changed after a record ended; the number of rows that changed.

    A summary without tags says nothing: only one that has them is compared.
    """
    connection.register("listing", listing)
    key = table.key[0]
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE retagged AS
        SELECT t.{key} AS arn, l.tags, l.listed_at FROM {table.qualified_name} AS t JOIN listing AS l ON t.{key} = l.arn
        WHERE {_near(connection, table)} AND t.is_terminal AND l.tags IS NOT NULL AND l.listed_at >= t.fetched_at
          AND list_sort(map_entries(l.tags)) IS DISTINCT FROM
              coalesce(list_sort(map_entries(t.tags)), list_sort(map_entries(MAP {{}}::MAP(VARCHAR, VARCHAR))))
        QUALIFY row_number() OVER (PARTITION BY arn ORDER BY l.listed_at DESC) = 1"""
    )
    count: int = connection.execute("SELECT count(*) FROM retagged").fetchall()[0][0]
    if count:
        connection.execute(
            f"UPDATE {table.qualified_name} AS t SET tags = r.tags, fetched_at = r.listed_at "
            f"FROM retagged AS r WHERE t.{key} = r.arn"
        )
        connection.execute(
            f"UPDATE {table.qualified_name} SET row_hash = {hash_expression(table)} "
            f"WHERE {key} IN (SELECT arn FROM retagged)"
        )
    connection.unregister("listing")
    return count


def covered(
    connection: Connection, table: Table, operation: str, listing: pa.Table
) -> list[tuple[date, int, int, int]]:
    """(UTC day, listed, stored, rejected) for each day of the listing."""
    connection.register("listing", listing)
    rows = connection.execute(
        f"""WITH listed AS (SELECT DISTINCT arn, (created_at AT TIME ZONE 'UTC')::DATE AS day FROM listing),
        stored AS (SELECT {table.key[0]} AS arn FROM {table.qualified_name} AS t WHERE {_near(connection, table)}),
        rejected AS (SELECT arn FROM etl.rejected_records WHERE operation = ?)
        SELECT day, count(*), count(s.arn), count(r.arn) FILTER (s.arn IS NULL)
        FROM listed AS l LEFT JOIN stored AS s USING (arn) LEFT JOIN rejected AS r USING (arn)
        GROUP BY day""",
        [operation],
    ).fetchall()
    connection.unregister("listing")
    return rows


def open_records(connection: Connection, table: Table) -> list[tuple[str, str, str, datetime]]:
    """(account id, Region, ARN, created_at) of every stored record that can still change, oldest first.

    Records that Braket no longer knows are left out.
    """
    return connection.execute(
        f"SELECT account_id, region, {table.key[0]}, created_at FROM {table.qualified_name} "
        "WHERE NOT is_terminal AND expired_at IS NULL AND origin = 'api' ORDER BY created_at, 3"
    ).fetchall()


def mark_expired(connection: Connection, table: Table, missing: Iterable[tuple[str, datetime]]) -> int:
    """Note that Braket no longer knows these stored records; the number newly noted.

    Braket forgets after 90 days. A younger record that is not found may be there again at the next poll, so it stays
    open.
    """
    return sum(
        affected(
            connection,
            f"UPDATE {table.qualified_name} SET expired_at = ? "
            f"WHERE {table.key[0]} = ? AND expired_at IS NULL AND created_at < ?",
            [at, arn, at - FORGOTTEN],
        )
        for arn, at in missing
    )


def _near(connection: Connection, table: Table) -> str:
    """A condition on `t` that keeps its scan to the row groups of the listing's days."""
    low, high = connection.execute("SELECT min(created_at), max(created_at) FROM listing").fetchall()[0]
    if low is None:
        return "false"
    return (
        f"t.{table.immutable} BETWEEN TIMESTAMPTZ '{low.isoformat()}' - INTERVAL 1 SECOND "
        f"AND TIMESTAMPTZ '{high.isoformat()}' + INTERVAL 1 SECOND"
    )
