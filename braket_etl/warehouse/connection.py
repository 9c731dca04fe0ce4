"""The warehouse as all that use it see it, whether it is a DuckDB file (`file`) or a DuckLake (`lake`).

The lock is held for one merge or one publish, never for a fetch. How rows are merged is said in other modules.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, TypeVar

import duckdb

from braket_etl.tables import MAIN
from braket_etl.tables.declaration import Table, quoted
from braket_etl.warehouse.errors import ConflictError
from braket_etl.warehouse.lock import Holder
from braket_etl.warehouse.outcomes import Compaction, HeldBack, Restored
from braket_etl.warehouse.statements import Connection, transaction

#: Written by every DuckDB from 1.2 on; without it zstd is ignored by 1.5 and refused by 2.0.
STORAGE_VERSION = "v1.2.0"
#: Compaction is worth it from this free share of a file on; in normal use a fifth is free.
BLOAT = 0.4
#: And from so many free bytes on.
LEAST_BYTES = 32 * 2**20
#: How often work on a lake is tried while others change the same files.
_TRIES = 3
T = TypeVar("T")


@dataclass(frozen=True)
class Warehouse(ABC):
    """Where the warehouse lies: the folder of what the writer keeps, and the copy that analysts open, if there is one."""

    folder: Path
    published: Path
    lock_timeout: float = 600.0
    """Seconds to wait for another writer; the longest merge takes a few."""

    stored_in: ClassVar[str]
    """What holds the records, in words."""
    remedy: ClassVar[str]
    """What to do where that is damaged."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where readers find it, as it is told to them."""

    @property
    @abstractmethod
    def writes_to(self) -> str:
        """What is written to, as it is told to users."""

    @property
    @abstractmethod
    def is_published(self) -> bool:
        """Whether there may be something to read; `reading` tells for certain."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes of what readers open; raises OSError or WarehouseError."""

    @property
    @abstractmethod
    def is_missing(self) -> bool:
        """Whether nothing was ever stored, or all of it is gone; raises WarehouseError."""

    @property
    @abstractmethod
    def published_at(self) -> datetime | None:
        """When what readers see was put there (UTC), where that is known; raises OSError."""

    @property
    def reads_outside(self) -> tuple[str, ...]:
        """Folders that a reader needs besides what it has opened."""
        return ()

    @property
    @abstractmethod
    def copied_bytes(self) -> int | None:
        """Bytes that publishing copies; None where it copies nothing."""

    @abstractmethod
    def files(self) -> tuple[int, int]:
        """How many files readers read, and their bytes; raises OSError or WarehouseError."""

    @abstractmethod
    def writing(self, purpose: str) -> AbstractContextManager[Connection]:
        """A connection to write with, under the lock; raises LockHeldError and other WarehouseErrors.

        Also for what the disk does to the block's own statements.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """A read-only connection to what was published last; raises NotPublishedError and other WarehouseErrors."""

    @abstractmethod
    def locked(self, purpose: str | None) -> AbstractContextManager[None]:
        """Our turn to write; raises LockHeldError, WarehouseError. Others are told the purpose, if there is one."""

    @abstractmethod
    def holder(self) -> Holder | None:
        """Who writes now, or was killed while it did; None where nobody does. Raises WarehouseError."""

    @abstractmethod
    def check(self) -> None:
        """Raise WarehouseError where what was fetched could not be stored or shown there."""

    @abstractmethod
    def show(self, connection: Connection, group: str | None) -> dict[str, int]:
        """Let readers see what this connection of `writing` sees, a group too; the rows in each table of schema main.

        Only `publish` calls it, which asks the checks that block first. Raises WarehouseError; readers go on with what they
        saw before, then.
        """

    @abstractmethod
    def differences(self, connection: Connection) -> Mapping[str, tuple[int, int]]:
        """Rows as this connection of `writing` sees them and as readers do, by table where they differ."""

    @abstractmethod
    def compact(self, *, bloat: float = BLOAT, least_bytes: int = LEAST_BYTES) -> Compaction:
        """Give back the room of what was replaced, where at least that share and that many bytes are free.

        Raises WarehouseError; everything stays as it was, then.
        """

    @abstractmethod
    def damage(self) -> str | None:
        """What is wrong with what is stored, in words; None where it is sound, or nothing was stored yet.

        Reads all of it and changes nothing. Raises LockHeldError, and WarehouseError where it may not be read.
        """

    @abstractmethod
    def unfit(self) -> HeldBack | None:
        """Why what is stored, and not damaged, may not be published as it is; None where it may, or there is none.

        Changes nothing. Raises LockHeldError and WarehouseError.
        """

    @abstractmethod
    def restore(self, source: Path, *, force: bool = False) -> Restored:
        """Bring back what a copy of a warehouse holds, the last published one or a backup.

        Raises WarehouseError where there is no need and not `force`, and where `source` is no whole warehouse: then nothing
        was changed.
        """

    @abstractmethod
    def held_back_note(self, connection: Connection | None = None) -> str | None:
        """What `keep_held_back_note` kept, if anything; whoever has a connection of `writing` gives it.

        Raises WarehouseError.
        """

    @abstractmethod
    def keep_held_back_note(self, connection: Connection, note: str | None) -> None:
        """Keep for readers what holds publishing back; with None that nothing does. Under the writer lock."""

    @abstractmethod
    def note_fewer(self, connection: Connection) -> None:
        """Note the rows that there are, before a transaction that removed some of them is committed."""

    def mark(self) -> str | None:
        """What changes whenever anything is stored or shown, by whomever; None where that cannot be told.

        Under the writer lock, with nothing written since the last checkpoint.
        """
        return None

    def in_turn(self, purpose: str, work: Callable[[Connection], T]) -> T:
        """What `work` gives, done in one transaction; done anew where somebody else changed the same files meanwhile.

        That happens to a lake alone. Raises WarehouseError.
        """
        for _ in range(_TRIES - 1):
            with suppress(ConflictError), self.writing(purpose) as connection, transaction(connection):
                return work(connection)
        with self.writing(purpose) as connection, transaction(connection):
            return work(connection)


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


def configured(connection: Connection) -> Connection:
    """The connection with the settings that every one of ours has: UTC, and nothing fetched from outside."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET autoinstall_known_extensions = false")
    return connection


def confined(connection: Connection, memory: str, folders: Sequence[str] = ()) -> Connection:
    """The connection of a reader with no way out: no file but in these folders, no network, no extension, no other setting.

    It holds for the whole database, for as long as it is open. `memory` is the most that is used; nothing is laid on disk.
    """
    settings = {
        "memory_limit": quoted(memory),
        "temp_directory": "''",
        "allow_community_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",  # no table of the same name as a variable of ours
        "allowed_directories": f"[{', '.join(map(quoted, folders))}]",
        "enable_external_access": "false",
        "lock_configuration": "true",
    }
    for name, value in settings.items():
        connection.execute(f"SET {name} = {value}")
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


def first_line(error: Exception) -> str:
    """The first line of an error's text."""
    return str(error).strip().split("\n", 1)[0]
