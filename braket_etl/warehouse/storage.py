"""What a disk does to a warehouse: reading a database through, and its failures in words for the user."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import duckdb

from braket_etl.warehouse.errors import DamagedError, NoSpaceError, WarehouseError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
#: DuckDB has one class of error for all that a file can do, and another in each major version: only texts tell.
_DAMAGE = ("Corrupt", "checksum", "Could not read enough bytes", "not a valid DuckDB database")
#: For reading a file once from end to end: what DuckDB keeps of it would be read by nobody.
_BOUNDED: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "128MB"}


def read_through(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The rows in each table, as schema.name, of which every value was read: DuckDB checks a block when it reads it.

    Counting alone reads no block of data. About a second for a million tasks. Raises duckdb.Error at a damaged block.
    """
    return _rows(connection, "count(*), bit_xor(hash(t))")


def file_read_through(file: Path) -> dict[str, int]:
    """The same of a file that nothing has open to write, in some 150 MB of memory unless a value needs more."""
    try:
        with duckdb.connect(str(file), read_only=True, config=_BOUNDED) as connection:
            return read_through(connection)
    except duckdb.OutOfMemoryException:
        with duckdb.connect(str(file), read_only=True) as connection:
            return read_through(connection)


def file_counted(file: Path) -> dict[str, int]:
    """The rows in each table, as schema.name. Raises duckdb.Error where it is no sound database at first sight."""
    with duckdb.connect(str(file), read_only=True, config=_BOUNDED) as connection:
        return _rows(connection, "count(*)")


def _rows(connection: duckdb.DuckDBPyConnection, read: str) -> dict[str, int]:
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
    ).fetchall()
    return {
        f"{schema}.{table}": connection.execute(f'SELECT {read} FROM "{schema}"."{table}" AS t').fetchall()[
            0
        ][0]
        for schema, table in tables
    }


def synced(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def explained(error: Exception, file: Path | str, published: Path | str) -> WarehouseError | None:
    """What the disk did while `file` was written or published, and what to do; None for an error of another kind."""
    what = str(error).strip().split("\n", 1)[0]
    if _tells(error, _FULL):
        return NoSpaceError(
            f"there is no room to write: {what}. Make room and run again. What was stored before is kept, and "
            f"{published} stays as it was."
        )
    if _tells(error, _REFUSED):
        return WarehouseError(
            f"writing is not allowed: {what}. Check the owner and mode of the folder, or set BRAKET_ETL_HOME (or "
            "BRAKET_ETL_WAREHOUSE) to another place."
        )
    if isinstance(error, duckdb.Error) and any(text in str(error) for text in _DAMAGE):
        return damaged(file, what, published)
    return None


def damaged(file: Path | str, what: str, published: Path | str) -> DamagedError:
    """The error for a writer's file that is not what it was."""
    return DamagedError(
        f"{file} is damaged: {what}. Nothing was published. `braket-etl restore` brings back the last published "
        f"copy, {published}; docs/operations.md says more."
    )


def _tells(error: Exception, numbers: tuple[int, ...]) -> bool:
    if isinstance(error, OSError):
        return error.errno in numbers
    return isinstance(error, duckdb.Error) and any(os.strerror(number) in str(error) for number in numbers)
