"""Making the writer's file from the last published copy, or a backup, where it is damaged; and telling whether it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from braket_etl.tables import ALL, MAIN
from braket_etl.tables.bookkeeping import MIGRATIONS
from braket_etl.tables.declaration import Table, quoted
from braket_etl.warehouse.connection import (
    Warehouse,
    configured,
    described_loss,
    first_line,
    is_warehouse,
    kept_tables,
    row_counts,
)
from braket_etl.warehouse.door import HeldBack, unfit
from braket_etl.warehouse.errors import DamagedError, LockHeldError, NotPublishedError, WarehouseError
from braket_etl.warehouse.lake import KEEP_DAYS, Lake
from braket_etl.warehouse.publish import publish
from braket_etl.warehouse.statements import Connection, affected, transaction
from braket_etl.warehouse.storage import explained, read_through, synced


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore: rows by table of schema main, the state it is of (UTC), where the old file is kept."""

    rows: dict[str, int]
    as_of: datetime | None
    """When the newest run in the copy began; None where it holds no run."""
    kept: Path | None
    """The folder that now holds what lay in the writer's place; None where nothing did."""
    unfit: HeldBack | None = None
    """Why what was restored cannot be published as it is."""


def damage_of(warehouse: Warehouse) -> str | None:
    """What is wrong with the writer's file, in words; None where it is sound, or nothing was pulled yet.

    Reads all of it, under the writer lock, and changes nothing. Raises LockHeldError, and WarehouseError where it may
    not be read. Of a lake what readers see.
    """
    if isinstance(warehouse, Lake):
        return "it is empty" if warehouse.is_missing else warehouse.damage()
    if not warehouse.folder.exists():
        return _damage(warehouse)
    with warehouse.locked(None):
        return _damage(warehouse)


def restore(warehouse: Warehouse, source: Path, *, force: bool = False) -> Restored:
    """Lay a copy of `source` as the writer's file; what lay there is kept in a folder beside.

    Under the writer lock. Killed at any moment it leaves a state that the next run refuses to write to, or the restored
    one. A lake is filled, where it is empty. Raises WarehouseError where the file is sound and not `force`, where the lake
    holds records, and where `source` is no whole warehouse: then nothing was changed.
    """
    if isinstance(warehouse, Lake):
        return _filled(warehouse, source)
    with warehouse.locked("restoring"):
        if not force and not _damage(warehouse):
            raise WarehouseError(f"{_standing(warehouse)} Nothing was changed.")
        draft = warehouse.folder / ".restored.duckdb"
        try:
            rows, as_of, doubled = _laid(source, draft)
            kept = _moved_aside(warehouse)
            draft.replace(warehouse.file)
            warehouse.note_rows({table.name: rows[table.name] for table in kept_tables()})
            warehouse.forget_held_back()
            synced(warehouse.folder)
        except OSError as error:
            raise explained(error, warehouse.file, source) or error from None
        finally:
            draft.unlink(missing_ok=True)
    return Restored(rows, as_of, kept, doubled)


def unfit_of(warehouse: Warehouse) -> HeldBack | None:
    """Why the writer's file, which is not damaged, may not be published as it is; None where it may, or there is none.

    Under the writer lock; changes nothing. Raises LockHeldError, and WarehouseError where it may not be read.
    """
    if isinstance(warehouse, Lake) or not warehouse.folder.exists():
        return None
    with warehouse.locked(None):
        return _unfit(warehouse)


def _unfit(warehouse: Warehouse) -> HeldBack | None:
    if warehouse.is_missing:
        return None
    with duckdb.connect(str(warehouse.file), read_only=True) as connection:
        return unfit(configured(connection))


def _standing(warehouse: Warehouse) -> str:
    """How a file stands that is not damaged, and what can be done, in words."""
    if found := _unfit(warehouse):
        return (
            f"{warehouse.file} is not damaged, but not sound either: {found.summary}, and keeps what came since the last "
            "copy. `--force` puts the copy in its place all the same."
        )
    return f"{warehouse.file} is sound: `--force` puts the copy in its place all the same."


def _damage(warehouse: Warehouse) -> str | None:
    if warehouse.is_missing:
        was_there = is_warehouse(warehouse.published) or warehouse.lost_rows({})
        return "it is missing" if was_there else None
    try:
        with duckdb.connect(str(warehouse.file), read_only=True) as connection:
            found = read_through(connection)
    except duckdb.Error as error:
        if "Could not set lock" in str(error):
            raise LockHeldError(f"{warehouse.file} is open in another program: close it there") from None
        told = explained(error, warehouse.file, warehouse.published)
        if told and not isinstance(told, DamagedError):
            raise told from None
        return first_line(error)
    lost = warehouse.lost_rows({table.name: found.get(_name(table), 0) for table in kept_tables()})
    return f"it holds fewer rows than were committed ({described_loss(lost)})" if lost else None


def _filled(lake: Lake, source: Path) -> Restored:
    """Copy all tables of `source` into a lake that holds nothing."""
    _check_exists(source)
    tables = [table for table in ALL if table is not MIGRATIONS]  # each warehouse has its own
    with lake.writing("restoring") as connection:
        if any(row_counts(connection, tables).values()):
            raise WarehouseError(
                f"{lake.place} holds records already: nothing was changed. A lake is filled only while it is empty; it "
                f"keeps its states of the last {KEEP_DAYS} days, which docs/scale-out.md says how to go back to."
            )
        try:
            connection.execute(f"ATTACH {quoted(str(source))} AS source (READ_ONLY)")
            with transaction(connection):
                rows = {table.name: _copied(connection, table) for table in tables}
            as_of = connection.execute("SELECT max(started_at) FROM source.etl.runs").fetchall()[0][0]
            connection.execute("DETACH source")
            publish(lake, connection)
        except (duckdb.CatalogException, duckdb.BinderException, duckdb.IOException) as error:
            raise _not_whole(source, error) from None
    return Restored({table.name: rows[table.name] for table in MAIN}, as_of, None)


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
            "away and run `braket-etl sync`: it pulls anew what Braket still remembers, 90 days."
        )


def _not_whole(source: Path, error: Exception) -> DamagedError:
    return DamagedError(
        f"{source} is no whole warehouse: {first_line(error)}. Nothing was changed; `--from FILE` names a backup."
    )


def _laid(source: Path, draft: Path) -> tuple[dict[str, int], datetime | None, HeldBack | None]:
    """Copy the file alone, without the log of an analyst, and read all of it.

    Its rows, when its last run began, and why it could not be published as it is.
    """
    _check_exists(source)
    draft.unlink(missing_ok=True)
    shutil.copyfile(source, draft)
    draft.chmod(0o600)
    synced(draft)
    try:
        with duckdb.connect(str(draft), read_only=True) as connection:
            found = read_through(configured(connection))
            as_of = connection.execute("SELECT max(started_at) FROM etl.runs").fetchall()[0][0]
            doubled = unfit(connection)
    except duckdb.Error as error:
        raise _not_whole(source, error) from None
    return {table.name: found.get(_name(table), 0) for table in MAIN}, as_of, doubled


def _moved_aside(warehouse: Warehouse) -> Path | None:
    """Move the file, its log and what was noted of it into a folder named by the instant; the lock stays.

    The counts are copied, and replaced at the very end: while they are there, a file that is missing is not begun anew.
    """
    log = warehouse.file.with_name(warehouse.file.name + ".wal")
    present = [path for path in (warehouse.file, log, warehouse.counts_file) if path.exists()]
    if not present:
        return None
    instant = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = warehouse.folder.with_name(f"{warehouse.folder.name}.damaged-{instant}")
    aside.mkdir(mode=0o700)
    for path in present:
        if path == warehouse.counts_file:
            shutil.copyfile(path, aside / path.name)
        else:
            path.replace(aside / path.name)
    return aside


def _name(table: Table) -> str:
    return f"{table.schema}.{table.name}"
