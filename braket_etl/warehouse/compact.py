"""Giving back the room that deleted and replaced rows once took: the writer's file written anew, when it is worth it.

DuckDB uses freed blocks again but never makes a file smaller. The new file lies beside the old one until it is
proven to hold the same; then it takes its place in one step, so that a power cut at any moment loses nothing.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from braket_etl.tables.declaration import identifier, quoted
from braket_etl.warehouse.connection import STORAGE_VERSION, Connection, Warehouse
from braket_etl.warehouse.errors import DamagedError, NoSpaceError
from braket_etl.warehouse.lake import Lake
from braket_etl.warehouse.storage import synced

#: Compaction is worth it from this free share of the file on; in normal use a fifth is free.
BLOAT = 0.4
#: And from so many free bytes on.
LEAST_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a look at the writer's file found, and what came of it; sizes in bytes."""

    before: int
    free: int
    after: int
    files: tuple[int, int] | None = None
    """Of a lake: in how many files its tables were, and are."""

    @property
    def was_done(self) -> bool:
        """Whether files were written anew."""
        return self.after != self.before or (self.files is not None and self.files[0] != self.files[1])


def compact(warehouse: Warehouse, *, bloat: float = BLOAT, least_bytes: int = LEAST_BYTES) -> Compaction:
    """Write the writer's file anew where at least that share of it, and that many bytes, are free.

    Holds the writer lock meanwhile, about a second for 100 MB. Raises WarehouseError; the old file stays then. A lake's
    small files are always joined.
    """
    if isinstance(warehouse, Lake):
        (many, before), (few, after) = warehouse.tidy()
        return Compaction(before, 0, after, (many, few))
    draft = warehouse.folder / ".compacted.duckdb"
    with warehouse.writing("compacting") as connection:
        _remove(draft)  # what a compaction that was killed left
        connection.execute("CHECKPOINT")
        before = warehouse.file.stat().st_size
        free = int(_free_bytes(connection))
        if free < max(least_bytes, bloat * before):
            return Compaction(before, free, before)
        _check_space(warehouse, before - free)
        try:
            _copy(connection, draft)
            # The connection keeps the old file, which from now on has no name; it only counts its rows once more.
            draft.replace(warehouse.file)
            synced(warehouse.folder)
        finally:
            _remove(draft)
    return Compaction(before, free, warehouse.file.stat().st_size)


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


def _check_space(warehouse: Warehouse, needed: int) -> None:
    free = shutil.disk_usage(warehouse.folder).free
    if free < needed * 1.2:
        raise NoSpaceError(
            f"{warehouse.folder} has {free / 1e6:,.0f} MB free, compacting needs {needed * 1.2 / 1e6:,.0f} MB: "
            "make room. Nothing was changed."
        )


def _remove(draft: Path) -> None:
    for path in (draft, draft.with_name(draft.name + ".wal")):
        path.unlink(missing_ok=True)
