"""Putting a finished copy of the warehouse where analysts open it.

At every moment the published file is a complete database: it is replaced as a whole, and whoever has the old
one open keeps it.
"""

from __future__ import annotations

import grp
import shutil
from pathlib import Path

import duckdb

from braket_etl.private import private_folder
from braket_etl.tables import MAIN
from braket_etl.warehouse.checks import differences_of_copy
from braket_etl.warehouse.connection import (
    Connection,
    Warehouse,
    configured,
    first_line,
    row_counts,
)
from braket_etl.warehouse.door import let_through
from braket_etl.warehouse.errors import DamagedError, NoSpaceError, WarehouseError
from braket_etl.warehouse.lake import Lake
from braket_etl.warehouse.results import Results
from braket_etl.warehouse.statements import is_lake
from braket_etl.warehouse.storage import damaged, read_through, synced


def publish(
    warehouse: Warehouse,
    connection: Connection,
    *,
    group: str | None = None,
    results: Results | None = None,
) -> dict[str, int]:
    """Copy the writer's file to the published place; the rows in each table of the copy.

    Runs under the writer lock, on its connection. Every value of the copy is read before it is shown. Raises
    HeldBackError where a check that blocks finds something, NoSpaceError, and DamagedError where the copy does not hold
    what the writer does; the old copy stays then. A lake is read where it is written: nothing is copied, and its state is
    noted as the one to be read. `results` are those that the door was asked with before, on this connection.
    """
    let_through(warehouse, connection, results)
    if isinstance(warehouse, Lake):
        warehouse.show(connection, group)
        return row_counts(connection)
    warehouse.check()
    connection.execute("CHECKPOINT")
    target = warehouse.published
    private_folder(target.parent)
    draft = target.with_name(f".{target.name}.draft")
    draft.unlink(missing_ok=True)  # of a run that was killed; only one publishes at a time
    _check_space(warehouse.file, target.parent)
    try:
        # Closing any handle of the file in this process drops DuckDB's own lock on it. Ours still holds, and
        # after the checkpoint the file is whole.
        shutil.copyfile(warehouse.file, draft)
        synced(draft)
        if draft.stat().st_size != warehouse.file.stat().st_size:
            raise DamagedError("the copy to be published was cut short; the old one stays")
        counts = _counted(draft, row_counts(connection), warehouse)
        # An analyst who opened the copy read-write and was killed left a log, which DuckDB would replay onto
        # the new file: wrong numbers without an error.
        target.with_name(target.name + ".wal").unlink(missing_ok=True)
        if group:
            shutil.chown(draft, group=group)
            if target.parent == warehouse.folder.parent:
                _let_in(group, target.parent)
        draft.chmod(0o440)
        draft.replace(target)
        synced(target.parent)
        warehouse.keep_held_back_note(connection, None)
    finally:
        draft.unlink(missing_ok=True)
    return counts


def differences(warehouse: Warehouse, connection: Connection) -> dict[str, tuple[int, int]]:
    """Rows in the writer's file and in the copy, opened where analysts open it, by table where they differ."""
    if is_lake(connection):
        return {}
    with warehouse.reading() as copy:
        return differences_of_copy(connection, copy)


def check_group(group: str | None) -> None:
    """Raise WarehouseError where this machine has no such group to give the published copy to."""
    if group is not None:
        try:
            grp.getgrnam(group)
        except KeyError:
            raise WarehouseError(f"BRAKET_ETL_GROUP: this machine has no group {group!r}") from None


def _counted(copy: Path, expected: dict[str, int], warehouse: Warehouse) -> dict[str, int]:
    try:
        with duckdb.connect(str(copy), read_only=True) as connection:
            found = read_through(configured(connection))
    except duckdb.Error as error:
        raise damaged(
            warehouse.file, f"its copy cannot be read, {first_line(error)}", warehouse.published
        ) from None
    counts = {table.name: found.get(f"{table.schema}.{table.name}", 0) for table in MAIN}
    if counts != expected:
        raise DamagedError(f"the copy to be published holds {counts}, not {expected}; the old one stays")
    return counts


def _check_space(file: Path, folder: Path) -> None:
    needed, free = file.stat().st_size, shutil.disk_usage(folder).free
    if free < needed * 1.1:
        raise NoSpaceError(
            f"{folder} has {free / 1e6:,.0f} MB free, publishing needs {needed * 1.1 / 1e6:,.0f} MB: make room, "
            "or move BRAKET_ETL_WAREHOUSE. What was fetched is stored; the old copy stays."
        )


def _let_in(group: str, home: Path) -> None:
    """Let the group pass through our home to the published copy; a folder that a user chose is the user's to open."""
    shutil.chown(home, group=group)
    home.chmod(home.stat().st_mode & 0o777 | 0o050)
