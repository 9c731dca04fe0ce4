"""Reading a copy of a warehouse, the last published one or a backup, to bring back what it holds."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import duckdb

from braket_etl.tables import ALL, MAIN
from braket_etl.tables.bookkeeping import MIGRATIONS
from braket_etl.tables.declaration import Table, quoted
from braket_etl.warehouse.connection import configured, first_line, row_counts
from braket_etl.warehouse.door import unfit
from braket_etl.warehouse.errors import DamagedError, NotEmptyError, NotPublishedError
from braket_etl.warehouse.outcomes import HeldBack
from braket_etl.warehouse.statements import Connection, affected, transaction
from braket_etl.warehouse.storage import file_read_through, synced


def laid(source: Path, draft: Path) -> tuple[dict[str, int], datetime | None, HeldBack | None]:
    """Copy the file alone, without the log of an analyst, and read all of it.

    Its rows, when its last run began, and why it could not be published as it is.
    """
    _check_exists(source)
    draft.unlink(missing_ok=True)
    shutil.copyfile(source, draft)
    draft.chmod(0o600)
    synced(draft)
    try:
        found = file_read_through(draft)
        with duckdb.connect(str(draft), read_only=True) as connection:
            configured(connection)
            as_of = connection.execute("SELECT max(started_at) FROM etl.runs").fetchall()[0][0]
            doubled = unfit(connection)
    except duckdb.Error as error:
        raise _not_whole(source, error) from None
    return {table.name: found.get(name_of(table), 0) for table in MAIN}, as_of, doubled


def filled(connection: Connection, source: Path) -> tuple[dict[str, int], datetime | None]:
    """Copy all tables of `source` into the empty warehouse of this connection.

    Its rows by table of schema main, and when its last run began. Raises NotEmptyError where the warehouse holds records,
    and NotPublishedError and DamagedError for the source: then nothing was changed.
    """
    _check_exists(source)
    tables = [table for table in ALL if table is not MIGRATIONS]  # each warehouse has its own
    if any(row_counts(connection, tables).values()):
        raise NotEmptyError("it holds records already")
    try:
        connection.execute(f"ATTACH {quoted(str(source))} AS source (READ_ONLY)")
        with transaction(connection):
            rows = {table.name: _copied(connection, table) for table in tables}
        as_of = connection.execute("SELECT max(started_at) FROM source.etl.runs").fetchall()[0][0]
        connection.execute("DETACH source")
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.IOException) as error:
        raise _not_whole(source, error) from None
    return {table.name: rows[table.name] for table in MAIN}, as_of


def _copied(connection: Connection, table: Table) -> int:
    order = f" ORDER BY {table.immutable}" if table.immutable else ""
    return affected(
        connection,
        f"INSERT INTO {table.qualified_name} BY NAME SELECT * FROM source.{table.qualified_name}{order}",
    )


def _check_exists(source: Path) -> None:
    if not source.exists():
        raise NotPublishedError(
            f"there is no {source} to restore from; `--from FILE` names a backup. Without any, move the writer's folder "
            "away and run `braket-etl sync`: it pulls again what Braket still remembers, 90 days."
        )


def _not_whole(source: Path, error: Exception) -> DamagedError:
    return DamagedError(
        f"{source} is no whole warehouse: {first_line(error)}. Nothing was changed; `--from FILE` names a backup."
    )


def name_of(table: Table) -> str:
    """The name with its schema, as `file_read_through` calls it."""
    return f"{table.schema}.{table.name}"
