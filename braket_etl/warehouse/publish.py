"""Putting a finished copy of the warehouse where analysts open it.

At every moment the published file is a complete database: it is replaced as a whole, and whoever has the old
one open keeps it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb

from braket_etl.warehouse.connection import Connection, Warehouse, configured, row_counts
from braket_etl.warehouse.errors import DamagedError, NoSpaceError, WarehouseError


def publish(warehouse: Warehouse, connection: Connection, *, group: str | None = None) -> dict[str, int]:
    """Copy the writer's file to the published place; the rows in each table of the copy.

    Runs under the writer lock, on its connection. The copy is opened and counted before it is shown. Raises
    NoSpaceError, and DamagedError where the copy does not hold what the writer does; the old copy stays then.
    """
    check_target(warehouse.published)
    connection.execute("CHECKPOINT")
    target = warehouse.published
    target.parent.mkdir(parents=True, exist_ok=True)
    _check_space(warehouse.file, target.parent)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        # Closing any handle of the file in this process drops DuckDB's own lock on it. Ours still holds, and
        # after the checkpoint the file is whole.
        shutil.copyfile(warehouse.file, draft)
        with draft.open("rb+") as copy:
            os.fsync(copy.fileno())
        if draft.stat().st_size != warehouse.file.stat().st_size:
            raise DamagedError("the copy to be published was cut short; the old one stays")
        counts = _counted(draft, row_counts(connection))
        # An analyst who opened the copy read-write and was killed left a log, which DuckDB would replay onto
        # the new file: wrong numbers without an error.
        target.with_name(target.name + ".wal").unlink(missing_ok=True)
        if group:
            shutil.chown(draft, group=group)
        draft.chmod(0o440)
        draft.replace(target)
        _sync_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)
    return counts


def check_target(target: Path) -> None:
    """Raise WarehouseError where the place of the published copy holds something that is not ours."""
    if not target.exists():
        return
    foreign = WarehouseError(
        f"{target} exists and is no warehouse of braket_etl; it is not overwritten. Name another BRAKET_ETL_WAREHOUSE."
    )
    try:
        with duckdb.connect(str(target), read_only=True) as connection:
            ours = connection.execute(
                "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'etl' AND table_name = 'properties'"
            ).fetchall()[0][0]
    except duckdb.Error:  # damaged, or open read-write elsewhere: a DuckDB file at our place is ours
        with target.open("rb") as file:
            ours = file.read(12)[8:] == b"DUCK"
    if not ours:
        raise foreign


def _counted(copy: Path, expected: dict[str, int]) -> dict[str, int]:
    try:
        with duckdb.connect(str(copy), read_only=True) as connection:
            counts = row_counts(configured(connection))
    except duckdb.Error as error:
        raise DamagedError(f"the copy to be published cannot be opened: {error}; the old one stays") from None
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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
