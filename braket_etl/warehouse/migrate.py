"""Bringing a warehouse to today's schema: numbered migrations, then what the declarations add.

Only what is not an added table or column is a numbered file in sql/migrations; those are applied once, in
order, and never edited after a release. What SQL alone cannot say of a migration is a function that follows its file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import cache

import duckdb

from braket_etl import __version__
from braket_etl.package_files import packaged_sql
from braket_etl.tables import ALL
from braket_etl.tables.declaration import Table, column_definition
from braket_etl.warehouse.errors import NewerWarehouseError, WarehouseError
from braket_etl.warehouse.models import refresh_models
from braket_etl.warehouse.repair import merge_doubles
from braket_etl.warehouse.statements import Connection, is_lake, transaction

#: What a migration does after the statements of its file, by its number.
_STEPS: Mapping[int, Callable[[Connection], object]] = {2: merge_doubles}


def _unnoted(connection: Connection) -> None:
    """Nothing is noted."""


def migrate(connection: Connection, note: Callable[[Connection], None] = _unnoted) -> None:
    """Create or upgrade everything; does nothing, fast, where the warehouse is up to date.

    `note` is called before a migration is committed, which may have removed rows. Raises NewerWarehouseError for a
    warehouse that a newer version wrote.
    """
    known = dict(numbered_migrations())
    applied = _applied_versions(connection)
    if newer := sorted(applied - known.keys()):
        raise NewerWarehouseError(
            f"this warehouse went through migration {newer[-1]}, which braket_etl {__version__} does not know: "
            "upgrade braket_etl, or set BRAKET_ETL_HOME to another place. Nothing was changed."
        )
    pending = [(version, *known[version]) for version in sorted(known.keys() - applied)]
    if not pending and _fingerprint_of(connection) == declared_fingerprint():
        return
    if is_lake(connection):
        # each statement of its own would be a snapshot, which every reader looks up
        with transaction(connection):
            _create(connection, pending, note, in_file=False)
        return
    _create(connection, pending, note, in_file=True)
    # a log that holds DDL and data together is the one that replays badly
    connection.execute("CHECKPOINT")


def _create(
    connection: Connection,
    pending: Sequence[tuple[int, str, str]],
    note: Callable[[Connection], None],
    *,
    in_file: bool,
) -> None:
    """Apply the migrations that are pending, in a file one a transaction; then what declarations and models say."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS etl")
    for version, name, sql in pending:
        with transaction(connection) if in_file else nullcontext():
            _apply(connection, version, name, sql)
            note(connection)
    for table in ALL:
        _bring_up(connection, table, compression=in_file)
    refresh_models(connection)
    connection.execute("DELETE FROM etl.properties WHERE name = 'declarations'")
    connection.execute("INSERT INTO etl.properties VALUES ('declarations', ?)", [declared_fingerprint()])


@cache
def numbered_migrations() -> tuple[tuple[int, tuple[str, str]], ...]:
    """(version, (name, SQL)) of each file in sql/migrations; raises WarehouseError on a gap."""
    found = []
    for path in sorted(packaged_sql("migrations").glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_(\w+)", path.stem)
        if match is None:
            raise WarehouseError(f"{path.name} is no migration: it must be named 0001_what_it_does.sql")
        found.append((int(match[1]), (match[2], path.read_text(encoding="utf-8"))))
    if [version for version, _ in found] != list(range(1, len(found) + 1)):
        raise WarehouseError("the migrations in sql/migrations are not numbered 0001, 0002, … without a gap")
    return tuple(found)


@cache
def declared_fingerprint() -> str:
    """Changes whenever a declaration or a model does."""
    digest = hashlib.sha256()
    for table in ALL:
        digest.update(table.create_statement().encode())
        digest.update("".join(table.comment_statements()).encode())
    for path in sorted(packaged_sql("models").glob("*.sql")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _applied_versions(connection: Connection) -> set[int]:
    try:
        return {version for (version,) in connection.execute("SELECT version FROM etl.migrations").fetchall()}
    except duckdb.CatalogException:  # a new warehouse
        return set()


def _apply(connection: Connection, version: int, name: str, sql: str) -> None:
    connection.execute(sql)
    if step := _STEPS.get(version):
        step(connection)
    connection.execute(
        "INSERT INTO etl.migrations (version, name, applied_at, applied_by) VALUES (?, ?, ?, ?)",
        [version, name, datetime.now(UTC), __version__],
    )


def _fingerprint_of(connection: Connection) -> str | None:
    found = connection.execute("SELECT value FROM etl.properties WHERE name = 'declarations'").fetchall()
    return found[0][0] if found else None


def _bring_up(connection: Connection, table: Table, *, compression: bool) -> None:
    """Create the table, or add the columns that it lacks; then set its comments."""
    connection.execute(table.create_statement(compression=compression))
    present = {
        name
        for (name,) in connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? "
            "AND database_name = current_database()",
            [table.schema, table.name],
        ).fetchall()
    }
    for column in table.columns:
        if column.name not in present:
            # A column added later has no value in older rows, whatever it is declared to be today.
            definition = column_definition(column, compression=compression).replace(" NOT NULL", "")
            connection.execute(f"ALTER TABLE {table.qualified_name} ADD COLUMN {definition}")
    for statement in table.comment_statements():
        connection.execute(statement)
