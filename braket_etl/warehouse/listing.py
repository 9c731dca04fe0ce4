"""What a search listed, held against what is stored: what to fetch, what contradicts, what is covered.

A listing is an Arrow table with a row a summary; what a summary did not say is NULL. Runs under the writer lock; the
writes run inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa

from braket_etl.facts import REMEMBERED
from braket_etl.tables.bookkeeping import UNSETTLED_RECORDS
from braket_etl.tables.declaration import STRING_MAP, TIMESTAMP, Table
from braket_etl.warehouse.statements import Connection, affected
from braket_etl.warehouse.unsettled import MOST_ATTEMPTS, forget_open, put_off_missing

#: A day less than Braket keeps a task's metadata, since clocks and days differ.
FORGOTTEN = REMEMBERED - timedelta(days=1)

LISTING = pa.schema(
    [
        ("arn", pa.string()),
        ("created_at", TIMESTAMP),
        ("status", pa.string()),
        ("started_at", TIMESTAMP),
        ("ended_at", TIMESTAMP),
        ("shots", pa.int64()),
        ("tags", STRING_MAP),
        ("is_complete", pa.bool_()),
    ]
)

_SECOND = 1_000_000
#: Rejects that came so often are asked for again at every run; from then on an hour later, two, four, at most a day.
_EAGER_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Covered:
    """One UTC day of a listing: how many records it lists, and how many of them are stored or rejected."""

    day: date
    listed: int
    stored: int
    rejected: int


@contextmanager
def compared(
    connection: Connection, table: Table, listing: pa.Table, window: tuple[datetime, datetime]
) -> Iterator[None]:
    """A block in which temp table `compared` has what is stored of each listed record, and what contradicts.

    `window` is what was searched, from its first instant up to its last. Columns: `arn`, `listed_as` and `stored_as`
    (times of creation), `is_stored`, `is_final` (a final answer of the API is stored), `contradiction` (a digest, NULL
    where none), and of `etl.unsettled_records` `listed`, `attempts`, `retry_at`.
    """
    connection.register("arrow_listing", listing)
    key = table.key[0]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE listing AS SELECT * FROM arrow_listing "
        "QUALIFY row_number() OVER (PARTITION BY arn ORDER BY is_complete DESC) = 1"
    )
    connection.unregister("arrow_listing")
    contradictions = ", ".join(
        f"CASE WHEN {differs} THEN '{what} ' || {told} END" for what, differs, told in _differences(table)
    )
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE compared AS
        WITH stored AS (
            SELECT * FROM {table.qualified_name} AS t SEMI JOIN listing AS l ON l.arn = t.{key}
            WHERE t.{table.immutable} BETWEEN ? AND ?
            QUALIFY row_number() OVER (PARTITION BY t.{key} ORDER BY origin = 'api' DESC, fetched_at DESC) = 1
        ),
        unsettled AS (
            SELECT * FROM {UNSETTLED_RECORDS.qualified_name} WHERE table_name = '{table.name}'
        )
        SELECT l.arn, l.created_at AS listed_as,
            coalesce(s.{table.immutable}, CASE WHEN u.state <> 'not_stored' THEN u.created_at END) AS stored_as,
            stored_as IS NOT NULL AS is_stored,
            coalesce(s.is_terminal AND s.origin = 'api', false) AS is_final,
            CASE WHEN is_final THEN nullif(concat_ws(chr(31), {contradictions}), '') END AS contradiction,
            u.listed, coalesce(u.attempts, 0) AS attempts, u.retry_at
        FROM listing AS l
        LEFT JOIN stored AS s ON s.{key} = l.arn
        LEFT JOIN unsettled AS u ON u.arn = l.arn""",
        [window[0] - timedelta(seconds=1), window[1] + timedelta(seconds=1)],
    )
    yield
    connection.execute("DROP TABLE IF EXISTS compared")


def _differences(table: Table) -> list[tuple[str, str, str]]:
    """(member, whether listing `l` and row `s` differ in it, what the listing says) in SQL.

    Instants of a search and of a get may differ in their last digits. A member that a summary leaves out says nothing,
    but for tags: a complete summary without tags is of a record without tags.
    """

    def moved(name: str) -> str:
        apart = f"abs(epoch_us(l.{name}) - epoch_us(s.{name})) > {_SECOND}"
        return f"l.{name} IS NOT NULL AND (s.{name} IS NULL OR {apart})"

    tags = "coalesce(to_json(list_sort(map_entries({}.tags)))::VARCHAR, '[]')"
    found = [
        ("status", "l.status <> s.status", "l.status"),
        ("created_at", moved("created_at"), "epoch(l.created_at)::BIGINT"),
        ("ended_at", moved("ended_at"), "epoch(l.ended_at)::BIGINT"),
        (
            "tags",
            f"(l.is_complete OR l.tags IS NOT NULL) AND {tags.format('l')} <> {tags.format('s')}",
            f"md5({tags.format('l')})",
        ),
    ]
    if table.has("shots"):
        found.append(("shots", "l.shots IS NOT NULL AND l.shots <> s.shots", "l.shots"))
    if table.has("started_at"):
        found.append(("started_at", moved("started_at"), "epoch(l.started_at)::BIGINT"))
    return found


def to_fetch(connection: Connection, now: datetime) -> list[tuple[str, datetime]]:
    """(ARN, time of creation as far as it is known) of what to fetch of `compared`, oldest first.

    That is what is not stored in a final state, and what the listing contradicts, unless that was asked for already and
    stayed so.
    """
    return connection.execute(
        f"""SELECT arn, coalesce(stored_as, listed_as) FROM compared
        WHERE NOT is_final OR ({_IS_ASKED_FOR})
        ORDER BY listed_as, arn""",
        [now],
    ).fetchall()


def all_listed(connection: Connection) -> list[tuple[str, datetime]]:
    """(ARN, time of creation as far as it is known) of everything in `compared`, oldest first."""
    return connection.execute(
        "SELECT arn, coalesce(stored_as, listed_as) FROM compared ORDER BY listed_as, arn"
    ).fetchall()


#: Of `compared`: whether a contradiction is a reason to ask, at the instant that is bound.
_IS_ASKED_FOR = (
    "contradiction IS NOT NULL AND (listed IS DISTINCT FROM contradiction OR coalesce(retry_at <= ?, false))"
)


def look_up(connection: Connection, table: Table, whole_days: Sequence[date]) -> int:
    """Look the unknown ARNs of these days up in the whole table; how many are stored under another time.

    On a day that was seen whole an unknown ARN is one that moved there, or was never listed before: rare, so that the
    whole table may be read for it.
    """
    unknown = connection.execute(
        "SELECT count(*) FROM compared WHERE NOT is_stored AND list_contains(?::DATE[], "
        "(listed_as AT TIME ZONE 'UTC')::DATE)",
        [list(whole_days)],
    ).fetchall()[0][0]
    return _found_elsewhere(connection, table, whole_days) if unknown else 0


def _found_elsewhere(connection: Connection, table: Table, days: Sequence[date]) -> int:
    key = table.key[0]
    return affected(
        connection,
        f"""UPDATE compared SET stored_as = t.{table.immutable}, is_stored = true
        FROM (SELECT {key}, any_value({table.immutable}) AS {table.immutable} FROM {table.qualified_name}
              WHERE {key} IN (SELECT arn FROM compared WHERE NOT is_stored) GROUP BY {key}) AS t
        WHERE t.{key} = compared.arn AND NOT is_stored
            AND list_contains(?::DATE[], (listed_as AT TIME ZONE 'UTC')::DATE)""",
        [list(days)],
    )


def note_contradictions(connection: Connection, table: Table, now: datetime) -> None:
    """Note what the listing still contradicts after it was asked for, and forget what it contradicts no longer.

    Asked for again after an hour, two and so on, a few times, until the listing says something else.
    """
    name, unsettled = table.name, UNSETTLED_RECORDS.qualified_name
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE contradicted AS
        SELECT arn, stored_as, contradiction, CASE WHEN listed = contradiction THEN attempts + 1 ELSE 1 END AS attempts
        FROM compared WHERE {_IS_ASKED_FOR}""",
        [now],
    )
    connection.execute(
        f"""UPDATE {unsettled} AS u SET listed = NULL, attempts = 0, retry_at = NULL
        FROM compared AS c WHERE u.table_name = '{name}' AND u.arn = c.arn AND u.listed IS NOT NULL
            AND c.contradiction IS NULL AND c.is_stored"""
    )
    connection.execute(
        f"DELETE FROM {unsettled} WHERE table_name = '{name}' AND state = 'ended' AND due_at IS NULL AND listed IS NULL"
    )
    retry_at = (
        f"CASE WHEN c.attempts < {MOST_ATTEMPTS} THEN to_timestamp(epoch(?::TIMESTAMPTZ) + "
        "3600 * (1 << (c.attempts - 1)::INTEGER)) END"
    )
    connection.execute(
        f"""UPDATE {unsettled} AS u SET listed = c.contradiction, attempts = c.attempts, retry_at = {retry_at}
        FROM contradicted AS c WHERE u.table_name = '{name}' AND u.arn = c.arn""",
        [now],
    )
    connection.execute(
        f"""INSERT INTO {unsettled} BY NAME
        SELECT '{name}' AS table_name, t.{table.key[0]} AS arn, t.account_id, t.region, t.created_at, 'ended' AS state,
            c.contradiction AS listed, c.attempts, {retry_at} AS retry_at
        FROM contradicted AS c
        JOIN {table.qualified_name} AS t ON t.{table.key[0]} = c.arn AND t.{table.immutable} = c.stored_as
        WHERE c.arn NOT IN (SELECT arn FROM {unsettled} WHERE table_name = '{name}')""",
        [now],
    )


def covered(connection: Connection, operation: str) -> list[Covered]:
    """Each day of `compared`."""
    rows = connection.execute(
        """SELECT (listed_as AT TIME ZONE 'UTC')::DATE AS day, count(*), count(*) FILTER (is_stored),
            count(r.arn) FILTER (NOT is_stored)
        FROM compared AS c
        LEFT JOIN (SELECT arn FROM etl.rejected_records WHERE operation = ?) AS r ON r.arn = c.arn
        GROUP BY day ORDER BY day""",
        [operation],
    ).fetchall()
    return [Covered(*row) for row in rows]


def not_stored(connection: Connection, operation: str) -> list[tuple[str, datetime]]:
    """(ARN, time of creation) of what is listed in `compared`, but neither stored nor rejected, oldest first."""
    return connection.execute(
        """SELECT arn, listed_as FROM compared
        WHERE NOT is_stored AND arn NOT IN (SELECT arn FROM etl.rejected_records WHERE operation = ?)
        ORDER BY listed_as, arn""",
        [operation],
    ).fetchall()


def rejects_not_due(connection: Connection, operation: str, now: datetime) -> set[str]:
    """ARNs of rejects that are not asked for again yet: those that came damaged again and again."""
    return {
        arn
        for (arn,) in connection.execute(
            f"SELECT arn FROM etl.rejected_records WHERE operation = ? AND NOT ({REJECT_IS_DUE})",
            [operation, now],
        ).fetchall()
    }


#: Of `etl.rejected_records`, in SQL: whether a reject is asked for again at the instant that is bound.
REJECT_IS_DUE = (
    f"attempts <= {_EAGER_ATTEMPTS} OR epoch(last_seen_at) + 3600 * least(24, "
    f"1 << least(greatest(attempts - {_EAGER_ATTEMPTS + 1}, 0), 10)::INTEGER) <= epoch(?::TIMESTAMPTZ)"
)


def mark_expired(connection: Connection, table: Table, missing: Iterable[tuple[str, datetime]]) -> int:
    """Note that Braket no longer knows these stored records; the number newly noted.

    Braket forgets. A younger record that is not found may be there again at the next poll, so it stays
    open.
    """
    missing = list(missing)
    if not missing:
        return 0
    forgotten = [
        arn
        for arn, at in missing
        if affected(
            connection,
            f"UPDATE {table.qualified_name} SET expired_at = ? "
            f"WHERE {table.key[0]} = ? AND expired_at IS NULL AND created_at < ?",
            [at, arn, at - FORGOTTEN],
        )
    ]
    forget_open(connection, table, forgotten)
    put_off_missing(connection, table, missing, FORGOTTEN)
    return len(forgotten)
