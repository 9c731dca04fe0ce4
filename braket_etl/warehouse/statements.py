"""Small things of SQL that hold for a DuckDB file and for a DuckLake alike, or tell which of them it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import duckdb

from braket_etl import stopping

Connection = duckdb.DuckDBPyConnection


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All or nothing: commits at the end, rolls back when anything is raised."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        _end(connection)
        raise
    connection.execute("COMMIT")


@contextmanager
def stoppable(connection: Connection) -> Iterator[None]:
    """Work on a connection that a signal may end at any moment; it can be closed afterwards, and the signal is raised.

    DuckDB's client makes a RuntimeError of what a signal's handler raises in the middle of a query, and leaves the
    query running: until it has ended, the connection answers nothing and cannot be closed.
    """
    try:
        yield
    except BaseException as error:
        _end(connection)
        if stop := stopping.hidden_in(error):
            raise stop from None
        raise


def _end(connection: Connection) -> None:
    """End what a signal or an error left running, and the transaction, if there is one.

    ROLLBACK even where none was begun: a connection that is closed right after a statement that writes was interrupted
    keeps its database open for as long as the process lives, and opening it again never returns (DuckDB 1.4.5, 1.5.5,
    findings/duckdb_interrupted_write_stays_open.sh).
    """
    connection.interrupt()
    with stopping.undisturbed(), suppress(duckdb.Error):  # there may be none any more
        connection.execute("ROLLBACK")


def affected(connection: Connection, statement: str, values: Sequence[Any] | None = None) -> int:
    """Run an INSERT, UPDATE or DELETE: how many rows it wrote. DuckLake has no RETURNING to count them by."""
    count: int = connection.execute(statement, values).fetchall()[0][0]
    return count


def is_lake(connection: Connection) -> bool:
    """Whether the database in use is a DuckLake: it refuses compression and comments on the columns of views."""
    found = connection.execute(
        "SELECT type FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchall()
    return found == [("ducklake",)]


def asked(
    connection: Connection, statement: duckdb.Statement, parameters: Mapping[str, str] | None = None
) -> list[str]:
    """Run a statement; the names of its columns. Its rows are fetched from the connection.

    An INTERVAL comes as text, `1 month`, since Python's own type would make 30 days of it.
    """
    described = connection.execute(statement, parameters).description or []
    kinds = [str(kind) for _, kind, *_ in described]
    if statement.type == duckdb.StatementType.SELECT and any("INTERVAL" in kind for kind in kinds):
        names = [f"c{n}" for n in range(len(kinds))]
        as_text = (
            f"{name}::VARCHAR" if "INTERVAL" in kind else name
            for name, kind in zip(names, kinds, strict=True)
        )
        query = statement.query.strip().rstrip(";")
        connection.execute(
            f"SELECT {', '.join(as_text)} FROM ({query}\n) AS t({', '.join(names)})", parameters
        )
    return [name for name, *_ in described]
