"""Giving back the room that deleted and replaced rows once took: a file written anew, when it is worth it.

DuckDB uses freed blocks again but never makes a file smaller. The new file lies beside the old one until it is
proven to hold the same; then it takes its place in one step, so that a power cut at any moment loses nothing.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import duckdb

from braket_etl.tables.declaration import identifier, quoted
from braket_etl.warehouse.connection import STORAGE_VERSION, Connection
from braket_etl.warehouse.errors import DamagedError, NoSpaceError
from braket_etl.warehouse.outcomes import Compaction
from braket_etl.warehouse.storage import synced


def compacted(connection: Connection, file: Path, *, bloat: float, least_bytes: int) -> Compaction:
    """Write the file of this connection anew where at least that share of it, and that many bytes, are free.

    Under the writer lock. Raises WarehouseError; the old file stays then.
    """
    draft = file.with_name(".compacted.duckdb")
    _remove(draft)  # what a compaction that was killed left
    connection.execute("CHECKPOINT")
    before = file.stat().st_size
    free = int(_free_bytes(connection))
    if free < max(least_bytes, bloat * before):
        return Compaction(before, free, before)
    _check_space(file.parent, before - free)
    try:
        _copy(connection, draft)
        # The connection keeps the old file, which from now on has no name; it only counts its rows once more.
        draft.replace(file)
        synced(file.parent)
    finally:
        _remove(draft)
    return Compaction(before, free, file.stat().st_size)


def _copy(connection: Connection, draft: Path) -> None:
    """Everything in the connection's database as a new file, on the disk and counted; raises DamagedError."""
    source = connection.execute("SELECT current_database()").fetchall()[0][0]
    connection.execute(f"ATTACH {quoted(str(draft))} AS compacted (STORAGE_VERSION '{STORAGE_VERSION}')")
    try:
        connection.execute(f"COPY FROM DATABASE {identifier(source)} TO compacted")
        connection.execute("CHECKPOINT compacted")
        held, copied = _contents(connection, source), _contents(connection, "compacted")
    finally:
        with suppress(duckdb.Error):  # a full disk invalidates the attached database
            connection.execute("DETACH compacted")
    if held != copied:
        raise DamagedError("the compacted file does not hold what the warehouse does; the old one stays")
    draft.chmod(0o600)
    synced(draft)


def _contents(connection: Connection, database: str) -> dict[str, object]:
    """The columns of each table and view in a database, and of each table its rows and a sum of their hashes.

    Views are compared by their columns: DuckDB writes the list of an EXCLUDE in any order.
    """
    columns = connection.execute(
        "SELECT schema_name, table_name, column_name, data_type, is_nullable, column_default, comment "
        "FROM duckdb_columns() WHERE database_name = ? AND NOT internal ORDER BY ALL",
        [database],
    ).fetchall()
    found: dict[str, object] = {"columns": columns}
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ?", [database]
    ).fetchall()
    for schema, table in tables:
        name = ".".join(map(identifier, (database, schema, table)))
        found[f"{schema}.{table}"] = connection.execute(
            f"SELECT count(*), sum(hash(t)) FROM {name} AS t"
        ).fetchall()
    return found


def _free_bytes(connection: Connection) -> float:
    """Bytes of the file that hold nothing: free blocks, and of each table's blocks the share of its dead rows.

    A deleted row keeps its room until DuckDB happens to merge its row group with another.
    """
    sizes = connection.execute("PRAGMA database_size")
    names = [column[0] for column in sizes.description or ()]
    of_file = dict(zip(names, sizes.fetchall()[0], strict=True))
    blocks = float(of_file["free_blocks"])
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
    ).fetchall()
    for schema, table in tables:
        name = f"{identifier(schema)}.{identifier(table)}"
        stored, live, used = connection.execute(
            f"""WITH segments AS (FROM pragma_storage_info({quoted(name)})),
            blocks AS (SELECT block_id AS id FROM segments UNION ALL SELECT unnest(additional_block_ids) FROM segments)
            SELECT (SELECT coalesce(sum(count), 0) FROM segments WHERE column_id = 0 AND segment_type <> 'VALIDITY'),
                   (SELECT count(*) FROM {name}), (SELECT count(DISTINCT id) FROM blocks WHERE id >= 0)"""
        ).fetchall()[0]
        blocks += used * max(0, stored - live) / max(1, stored)
    return blocks * float(of_file["block_size"])


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed * 1.2:
        raise NoSpaceError(
            f"{folder} has {free / 1e6:,.0f} MB free, compacting needs {needed * 1.2 / 1e6:,.0f} MB: "
            "make room. Nothing was changed."
        )


def _remove(draft: Path) -> None:
    for path in (draft, draft.with_name(draft.name + ".wal")):
        path.unlink(missing_ok=True)
