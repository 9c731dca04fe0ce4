"""Opening the warehouse: the writer's file under its lock, and the published copy for reading.

The lock is held for one merge or one publish, never for a fetch. How rows are merged or published is said in
other modules.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import duckdb
import filelock

from braket_etl import stopping, waits
from braket_etl.private import private_folder
from braket_etl.tables import MAIN
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.errors import (
    ConflictError,
    DamagedError,
    LockHeldError,
    NotPublishedError,
    WarehouseError,
)
from braket_etl.warehouse.migrate import migrate
from braket_etl.warehouse.statements import Connection, stoppable, transaction
from braket_etl.warehouse.storage import damaged, explained

#: Written by every DuckDB from 1.2 on; without it zstd is ignored by 1.5 and refused by 2.0.
STORAGE_VERSION = "v1.2.0"
#: How often work on a lake is tried while others change the same files.
_TRIES = 3
T = TypeVar("T")


@dataclass(frozen=True)
class Warehouse:
    """Where the warehouse lies: the folder of the writer's file, and the copy that analysts open."""

    folder: Path
    published: Path
    lock_timeout: float = 600.0
    """Seconds to wait for another writer; the longest merge takes a few."""

    @property
    def file(self) -> Path:
        """The writer's own file; nobody else opens it."""
        return self.folder / "warehouse.duckdb"

    @property
    def place(self) -> str:
        """Where readers find it, as it is told to them."""
        return str(self.published)

    @property
    def writes_to(self) -> str:
        """What is written to, as it is told to users."""
        return str(self.file)

    @property
    def is_published(self) -> bool:
        """Whether there may be something to read; `reading` tells for certain."""
        return self.published.exists()

    @property
    def size(self) -> int:
        """Bytes of what readers open; raises OSError."""
        return self.published.stat().st_size

    @property
    def is_missing(self) -> bool:
        """Whether there is no writer's file, or an empty one, which DuckDB takes for a new database."""
        return not self.file.exists() or not self.file.stat().st_size

    @contextmanager
    def writing(self, purpose: str) -> Iterator[Connection]:
        """A connection to the writer's file, under the lock; the file is checkpointed and closed at the end.

        Raises LockHeldError, DamagedError, NewerWarehouseError, NoSpaceError, and WarehouseError where writing is
        not allowed; also for what the disk does to the block's own statements.
        """
        with self.locked(purpose):
            try:
                connection = self._open()
                try:
                    with stoppable(connection):
                        self._check_counts(connection)
                        migrate(connection, self.note_fewer)
                        yield connection
                        self.note_rows(row_counts(connection, kept_tables()))
                finally:
                    with suppress(duckdb.Error):  # a connection that a fatal error invalidated
                        connection.close()
            except (OSError, duckdb.Error) as error:
                if told := explained(error, self.file, self.published):
                    raise told from None
                raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only connection to the published copy; raises NotPublishedError and DamagedError."""
        if not self.published.exists():
            raise NotPublishedError(
                f"there is no warehouse at {self.published} yet: run `braket-etl sync` (or `braket-etl demo`)"
            )
        try:
            connection = duckdb.connect(str(self.published), read_only=True)
        except duckdb.Error as error:
            raise DamagedError(f"{self.published} cannot be opened: {first_line(error)}") from None
        try:
            with stoppable(connection):
                yield configured(connection)
        finally:
            connection.close()

    def in_turn(self, purpose: str, work: Callable[[Connection], T]) -> T:
        """What `work` gives, done in one transaction; done anew where somebody else changed the same files meanwhile.

        That happens to a lake alone. Raises WarehouseError.
        """
        for _ in range(_TRIES - 1):
            with suppress(ConflictError), self.writing(purpose) as connection, transaction(connection):
                return work(connection)
        with self.writing(purpose) as connection, transaction(connection):
            return work(connection)

    def check(self) -> None:
        """Raise WarehouseError where the place of the published copy holds something that is not ours."""
        if self.published.exists() and not is_warehouse(self.published):
            raise WarehouseError(
                f"{self.published} exists and is no warehouse of braket_etl; it is not overwritten. Move it away, or name "
                "another BRAKET_ETL_WAREHOUSE."
            )

    def _open(self) -> Connection:
        if self.is_missing and is_warehouse(self.published):
            raise DamagedError(
                f"there is a published copy, {self.published}, but not the file it was made from, {self.file}: a run "
                "would replace the copy with what Braket still remembers. `braket-etl restore` makes the file from "
                "the copy; to begin anew, move the copy away."
            )
        try:
            connection = duckdb.connect(
                str(self.file), config={"storage_compatibility_version": STORAGE_VERSION}
            )
        except duckdb.Error as error:
            if "Could not set lock" in str(error):
                raise LockHeldError(
                    f"{self.file} is open in another program ({first_line(error)}): close it there; "
                    f"for queries use the published copy, {self.published}"
                ) from None
            told = explained(error, self.file, self.published)
            if told and not isinstance(told, DamagedError):
                raise told from None
            raise damaged(self.file, f"it cannot be opened: {first_line(error)}", self.published) from None
        self.file.chmod(0o600)
        return configured(connection)

    @contextmanager
    def locked(self, purpose: str | None) -> Iterator[None]:
        """The writer lock, in the folder that is made if need be; raises LockHeldError, WarehouseError.

        Others are told the purpose; without one, what the last holder left behind stays too.
        """
        try:
            private_folder(self.folder)
        except OSError as error:
            raise WarehouseError(
                f"cannot make {self.folder}: {error.strerror}. Set BRAKET_ETL_HOME to a folder that can be written."
            ) from None
        lock = filelock.FileLock(self.folder / "warehouse.lock", mode=0o600)
        holder = self.folder / "warehouse.holder"
        patience = stopping.patience(self.lock_timeout)
        try:
            with waits.waiting(
                waits.For.LOCK, lambda: f"waiting for {described_holder(holder)} to finish writing"
            ):
                lock.acquire(timeout=patience)
        except filelock.Timeout:
            raise LockHeldError(
                f"{waited(patience)} for {described_holder(holder)} to finish writing"
            ) from None
        except OSError as error:
            raise WarehouseError(
                f"cannot write to {self.folder}: {error.strerror}. Check the folder's owner and mode, "
                "or set BRAKET_ETL_HOME to another place."
            ) from None
        try:
            if purpose:
                _tell_holder(holder, purpose)
            yield
        finally:
            if purpose:
                with suppress(OSError):
                    holder.unlink(missing_ok=True)
            lock.release()

    # What holds publishing back is noted beside the writer's file: the published copy stays as it was, so it cannot tell.

    def held_back_note(self, connection: Connection | None = None) -> str | None:
        """What `keep_held_back_note` kept, if anything; whoever has a connection of `writing` gives it.

        Raises WarehouseError.
        """
        try:
            return self._held_back_file.read_text("utf-8")
        except OSError:
            return None

    def keep_held_back_note(self, connection: Connection, note: str | None) -> None:
        """Keep for readers what holds publishing back; with None that nothing does. Under the writer lock."""
        if note is None:
            self.forget_held_back()
        else:
            replaced_atomically(self._held_back_file, note)

    def forget_held_back(self) -> None:
        """Forget what held the writer's file back, which another takes the place of."""
        self._held_back_file.unlink(missing_ok=True)

    @property
    def _held_back_file(self) -> Path:
        return self.folder / "held_back.json"

    # DuckDB opens a file whose log was cut short without a word, with fewer rows. So what was committed is
    # kept outside the file too, and a file that holds less is not written to.

    @property
    def counts_file(self) -> Path:
        """Where the committed row counts are kept."""
        return self.folder / "row_counts.json"

    def _check_counts(self, connection: Connection) -> None:
        if lost := self.lost_rows(_present_rows(connection)):
            # Closing must leave file and log as they were found.
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
            what = f"it holds fewer rows than were committed ({described_loss(lost)})"
            raise damaged(self.file, what, self.published)

    def lost_rows(self, present: Mapping[str, int]) -> dict[str, int]:
        """How many rows less than were committed there are, by table whose rows are never removed."""
        try:
            committed = json.loads(self.counts_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return {name: n - present.get(name, 0) for name, n in committed.items() if present.get(name, 0) < n}

    def note_fewer(self, connection: Connection) -> None:
        """Note the rows that there are, before a transaction that removed some of them is committed.

        Noted too early does no harm, too late the file would be taken for damaged.
        """
        self.note_rows(_present_rows(connection))

    def note_rows(self, present: Mapping[str, int]) -> None:
        """Keep how many rows there are in each table whose rows are never removed."""
        replaced_atomically(self.counts_file, json.dumps(present))


def _present_rows(connection: Connection) -> dict[str, int]:
    """Rows in those tables of `kept_tables` that are there; an older version may have had fewer."""
    there = {
        name
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND database_name = current_database()"
        ).fetchall()
    }
    present = [table for table in kept_tables() if table.name in there]
    return row_counts(connection, present) if present else {}


def described_loss(lost: Mapping[str, int]) -> str:
    """Lost rows by table, in words."""
    return ", ".join(f"{table}: {n:,} less" for table, n in lost.items())


def is_warehouse(path: Path) -> bool:
    """Whether the file there is a warehouse of ours: damaged, or open read-write elsewhere, a DuckDB file is."""
    if not path.exists():
        return False
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return bool(
                connection.execute(
                    "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'etl' AND table_name = 'properties'"
                ).fetchall()[0][0]
            )
    except duckdb.Error:
        with path.open("rb") as file:
            return file.read(12)[8:] == b"DUCK"


def _tell_holder(holder: Path, purpose: str) -> None:
    """Write down who holds the lock; on a full disk nobody is told."""
    held = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "purpose": purpose,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):
        holder.write_text(json.dumps(held))


def configured(connection: Connection) -> Connection:
    """The connection with the settings that every one of ours has: UTC, and nothing fetched from outside."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET autoinstall_known_extensions = false")
    return connection


def kept_tables() -> list[Table]:
    """The tables whose rows are never removed."""
    return [table for table in MAIN if table.only_grows]


def row_counts(connection: Connection, tables: Sequence[Table] = MAIN) -> dict[str, int]:
    """Rows in each table, of schema main unless others are named."""
    counted = " UNION ALL ".join(f"SELECT '{t.name}', count(*) FROM {t.qualified_name}" for t in tables)
    return dict(connection.execute(counted).fetchall())


def replaced_atomically(path: Path, content: str, *, mode: int = 0o600) -> None:
    """Write the file so that a reader sees the old content or the new, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.touch(mode)
        draft.write_text(content, "utf-8")
        draft.chmod(mode)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def waited(seconds: float) -> str:
    """That somebody waited so long, in words."""
    return f"waited {seconds:.0f} s" if seconds >= 1 else "did not wait"


def described_holder(holder: Path) -> str:
    """Who holds the lock, in words."""
    try:
        held = json.loads(holder.read_text())
        return f"{held['purpose']} (process {held['pid']} on {held['host']}, since {held['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"


def first_line(error: Exception) -> str:
    """The first line of an error's text."""
    return str(error).strip().split("\n", 1)[0]
