"""Statements that were closed: kept as they were, and read again. A day of an owner key is closed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from braket_etl.tables import CLOSED_STATEMENT_LINES, CLOSED_STATEMENTS
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.errors import WarehouseError
from braket_etl.warehouse.queries import Answer
from braket_etl.warehouse.statements import Connection, transaction

Rows = Sequence[Mapping[str, Any]]
#: What all rows of a closed statement have in common.
_WHICH = ("owner_key", "period_from", "period_to", "closed_at")


class StatementError(WarehouseError):
    """A statement cannot be closed; the message says why and what to do."""


@dataclass(frozen=True)
class Closed:
    """A closed statement: when (UTC), its owners, its lines and what it corrected, with the columns of their questions."""

    at: datetime
    owners: Answer
    lines: Answer
    corrections: Answer


def closed(connection: Connection, key: str, first: date, last: date) -> Closed | None:
    """The closed statement of exactly these UTC days, both in; None where it is not closed."""
    owners = _kept(
        connection,
        CLOSED_STATEMENTS,
        "charged_from = period_from ORDER BY owner = '(unallocated)', amount_usd DESC, owner",
        (key, first, last),
    )
    if not owners.rows:
        return None
    corrections = _kept(
        connection,
        CLOSED_STATEMENTS,
        "charged_from <> period_from ORDER BY charged_from, owner",
        (key, first, last),
    )
    lines = _kept(
        connection,
        CLOSED_STATEMENT_LINES,
        "true ORDER BY owner = '(unallocated)', owner, amount_usd DESC, account_id, kind, device, job, job_arn, rule",
        (key, first, last),
    )
    ((at,),) = connection.execute(
        "SELECT max(closed_at) FROM closed_statements WHERE owner_key = ? AND period_from = ? AND period_to = ?",
        [key, first, last],
    ).fetchall()
    return Closed(at.astimezone(UTC), owners, lines, corrections)


def close(
    connection: Connection, key: str, first: date, last: date, owners: Rows, lines: Rows, corrections: Rows
) -> datetime:
    """Keep a statement as it is; when it was closed (UTC). Raises StatementError where nothing may be closed."""
    check_may_close(connection, key, first, last)
    if not owners:
        raise StatementError(f"nothing was charged from {first} to {last}: there is nothing to close")
    at = datetime.now(UTC)
    which = {"owner_key": key, "period_from": first, "period_to": last, "closed_at": at}
    own = {"charged_from": first, "charged_to": last}
    with transaction(connection):
        _insert(connection, CLOSED_STATEMENT_LINES, [{**row, **which} for row in lines])
        _insert(
            connection,
            CLOSED_STATEMENTS,
            [*({**row, **own, **which} for row in owners), *({**row, **which} for row in corrections)],
        )
    return at


def check_may_close(connection: Connection, key: str, first: date, last: date) -> None:
    """Raise StatementError where some of the days are closed in another statement, or were not searched since."""
    other = connection.execute(
        "SELECT period_from, period_to FROM closed_statements "
        "WHERE owner_key = ? AND charged_from = period_from AND period_from <= ? AND period_to >= ? "
        "ORDER BY period_from LIMIT 1",
        [key, last, first],
    ).fetchall()
    if other:
        raise StatementError(
            f"{other[0][0]} to {other[0][1]} is closed by {key}: a day is closed once. What has changed since is a "
            "correction in the next statement"
        )
    ((searched,),) = connection.execute(
        "SELECT timezone('UTC', max(searched_at))::DATE FROM etl.coverage"
    ).fetchall()
    if searched is None or searched <= last:
        raise StatementError(
            f"{last} has not been searched since it ended: `braket-etl sync` first, on a later UTC day"
        )


def _kept(connection: Connection, table: Table, which: str, of: tuple[str, date, date]) -> Answer:
    columns = ", ".join(name for name in table.by_name if name not in _WHICH)
    found = connection.execute(
        f"SELECT {columns} FROM {table.qualified_name} "
        f"WHERE owner_key = ? AND period_from = ? AND period_to = ? AND {which}",
        list(of),
    )
    return Answer([name for name, *_ in found.description or ()], found.fetchall())


def _insert(connection: Connection, table: Table, rows: Rows) -> None:
    known = [{name: row[name] for name in table.by_name if name in row} for row in rows]
    connection.register("rows_to_close", pa.Table.from_pylist(known, schema=table.arrow_schema))
    connection.execute(f"INSERT INTO {table.qualified_name} BY NAME SELECT * FROM rows_to_close")
    connection.unregister("rows_to_close")
