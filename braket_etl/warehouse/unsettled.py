"""`etl.unsettled_records`: which records will be asked for again, kept beside the rows in the same transactions.

It is small, however many records are stored, so it also tells where the row of a record lies whose time of creation
moved: a look into the whole table costs ten times a merge. Runs under the writer lock; what writes runs inside the
caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from braket_etl.tables.arns import owner_of
from braket_etl.tables.bookkeeping import UNSETTLED_RECORDS
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.statements import Connection

#: A record that is first got in a final status so soon after its end may not be whole yet …
FRESH = timedelta(hours=24)
#: … and is got once more, this much later at the earliest.
SECOND_GET_AFTER = timedelta(hours=1)
#: So much later at most is a record asked for that was not found then.
PUT_OFF_AT_MOST = timedelta(days=1)
#: So often a record is asked for that its listing contradicts, until the listing changes.
MOST_ATTEMPTS = 5
_TABLE = UNSETTLED_RECORDS.qualified_name
_COLUMNS = ", ".join(column.name for column in UNSETTLED_RECORDS.columns)


def settle(connection: Connection, table: Table) -> None:
    """Note what becomes of the records of temp table `accepted`: open, ended a moment ago, or settled.

    `accepted` has the answers that are stored now (or were already): `arn, account_id, region, created_at, is_terminal,
    ended_at, fetched_at`, and `was_terminal`, whether a final answer of the API was stored before.
    """
    name = table.name
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE unsettled AS
        SELECT * FROM (
            SELECT '{name}' AS table_name, a.arn, a.account_id, a.region, a.created_at,
                CASE WHEN a.is_terminal THEN 'ended' ELSE 'open' END AS state,
                CASE WHEN NOT a.is_terminal THEN NULL
                    WHEN a.was_terminal THEN CASE WHEN a.fetched_at < u.due_at THEN u.due_at END
                    WHEN a.ended_at IS NULL
                        OR epoch_us(a.fetched_at) - epoch_us(a.ended_at) < {FRESH // timedelta(microseconds=1)}
                    THEN to_timestamp(epoch(a.fetched_at) + {SECOND_GET_AFTER.total_seconds()}) END AS due_at,
                u.listed, coalesce(u.attempts, 0) AS attempts, u.retry_at, NULL::VARCHAR AS problem
            FROM accepted AS a LEFT JOIN {_TABLE} AS u ON u.table_name = '{name}' AND u.arn = a.arn)
        WHERE state = 'open' OR due_at IS NOT NULL OR listed IS NOT NULL"""
    )
    _replace(connection, name, "SELECT arn FROM accepted")


def _replace(connection: Connection, name: str, arns: str) -> None:
    """Make the rows of these ARNs those of temp table `unsettled`, touching only what differs."""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE outdated AS
        SELECT {_COLUMNS} FROM {_TABLE} WHERE table_name = '{name}' AND arn IN ({arns})
        EXCEPT SELECT {_COLUMNS} FROM unsettled"""
    )
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE arising AS
        SELECT {_COLUMNS} FROM unsettled EXCEPT SELECT {_COLUMNS} FROM {_TABLE} WHERE table_name = '{name}'"""
    )
    if connection.execute("SELECT count(*) FROM outdated").fetchall() != [(0,)]:
        connection.execute(
            f"DELETE FROM {_TABLE} WHERE table_name = '{name}' AND arn IN (SELECT arn FROM outdated)"
        )
    if connection.execute("SELECT count(*) FROM arising").fetchall() != [(0,)]:
        connection.execute(f"INSERT INTO {_TABLE} BY NAME SELECT * FROM arising")


def refill(connection: Connection, table: Table) -> None:
    """Note the open records that are stored but not noted: of an older version's warehouse, or a restored one."""
    key = table.key[0]
    connection.execute(
        f"""INSERT INTO {_TABLE} BY NAME
        SELECT '{table.name}' AS table_name, {key} AS arn, account_id, region, created_at, 'open' AS state, 0 AS attempts
        FROM {table.qualified_name} AS t
        ANTI JOIN (SELECT arn FROM {_TABLE} WHERE table_name = '{table.name}') AS u ON u.arn = t.{key}
        WHERE NOT is_terminal AND expired_at IS NULL AND origin = 'api'
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY fetched_at DESC) = 1"""
    )


def open_records(connection: Connection, table: Table) -> list[tuple[str, str, str, datetime]]:
    """(account id, Region, ARN, created_at) of every stored record that can still change, oldest first.

    Records that Braket no longer knows are left out.
    """
    return _records(connection, table, "state = 'open'")


def due_records(connection: Connection, table: Table, now: datetime) -> list[tuple[str, str, str, datetime]]:
    """The same of the records that ended a moment before they were first got, and are due for their second get."""
    return _records(connection, table, "state = 'ended' AND due_at <= ?", now)


def _records(
    connection: Connection, table: Table, condition: str, *values: datetime
) -> list[tuple[str, str, str, datetime]]:
    return connection.execute(
        f"SELECT account_id, region, arn, created_at FROM {_TABLE} "
        f"WHERE table_name = ? AND {condition} ORDER BY created_at, arn",
        [table.name, *values],
    ).fetchall()


def put_off_missing(
    connection: Connection, table: Table, missing: Iterable[tuple[str, datetime]], remembered: timedelta
) -> None:
    """Ask later for these ended records, each with when Braket did not know it: it may be there again by then.

    That is after half its age, but an hour later at least and a day at most; never once it is older than Braket remembers.
    """
    for arn, at in missing:
        connection.execute(
            f"""UPDATE {_TABLE} SET due_at = CASE WHEN created_at >= $at - to_seconds($remembered) THEN
                to_timestamp(epoch($at) + greatest($shortest, least($longest, (epoch($at) - epoch(created_at)) / 2))) END
            WHERE table_name = $table AND state = 'ended' AND arn = $arn AND due_at IS NOT NULL""",
            {
                "at": at,
                "remembered": remembered.total_seconds(),
                "shortest": SECOND_GET_AFTER.total_seconds(),
                "longest": PUT_OFF_AT_MOST.total_seconds(),
                "table": table.name,
                "arn": arn,
            },
        )
    connection.execute(f"DELETE FROM {_TABLE} WHERE state = 'ended' AND due_at IS NULL AND listed IS NULL")


def forget_open(connection: Connection, table: Table, arns: Iterable[str]) -> None:
    """These open records are not asked for any longer: Braket forgot them."""
    connection.execute(
        f"DELETE FROM {_TABLE} WHERE table_name = ? AND state = 'open' AND list_contains(?, arn)",
        [table.name, list(arns)],
    )


def note_not_stored(
    connection: Connection,
    table: Table,
    owner: tuple[str | None, str],
    window: tuple[datetime, datetime],
    missing: Mapping[str, tuple[datetime, str]],
) -> None:
    """Note what a search of a window lists that is neither stored nor rejected: by ARN, when created, and the reason.

    `owner` is (account id, Region). What an earlier search of the window noted is replaced.
    """
    connection.execute(
        f"DELETE FROM {_TABLE} WHERE table_name = ? AND state = 'not_stored' AND (list_contains(?, arn) OR "
        "(account_id = ? AND region = ? AND created_at >= ? AND created_at < ?))",
        [table.name, list(missing), *owner, *window],
    )
    for arn, (created_at, problem) in missing.items():
        account_id, region = owner_of(arn)
        connection.execute(
            f"INSERT INTO {_TABLE} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, 'not_stored', NULL, NULL, 0, NULL, ?)",
            [table.name, arn, account_id, region, created_at, problem],
        )
