"""Opening the warehouse: the writer's file under its lock, and the published copy for reading.

The lock is held for one merge or one publish, never for a fetch. How rows are merged or published is said in
other modules.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import filelock

from braket_etl.tables import MAIN
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.errors import (
    DamagedError,
    LockHeldError,
    NotPublishedError,
    WarehouseError,
)
from braket_etl.warehouse.migrate import migrate

Connection = duckdb.DuckDBPyConnection

#: Written by every DuckDB from 1.2 on; without it zstd is ignored by 1.5 and refused by 2.0.
STORAGE_VERSION = "v1.2.0"


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

    @contextmanager
    def writing(self, purpose: str) -> Iterator[Connection]:
        """A connection to the writer's file, under the lock; the file is checkpointed and closed at the end.

        Raises LockHeldError, DamagedError, NewerWarehouseError.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise WarehouseError(
                f"cannot make {self.folder}: {error.strerror}. Set BRAKET_ETL_HOME to a folder that can be written."
            ) from None
        with self._lock(purpose):
            connection = self._open()
            try:
                migrate(connection)
                self._check_counts(connection)
                yield connection
                self._note_counts(connection)
            finally:
                with suppress(duckdb.Error):  # a connection that a fatal error invalidated
                    connection.close()

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
            yield configured(connection)
        finally:
            connection.close()

    def _open(self) -> Connection:
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
            raise DamagedError(
                f"{self.file} cannot be opened: {first_line(error)}. Nothing was changed. "
                f"The last published copy is {self.published}; docs/operations.md says how to bring it back."
            ) from None
        self.file.chmod(0o600)
        return configured(connection)

    @contextmanager
    def _lock(self, purpose: str) -> Iterator[None]:
        lock = filelock.FileLock(self.folder / "warehouse.lock", mode=0o600)
        holder = self.folder / "warehouse.holder"
        try:
            lock.acquire(timeout=self.lock_timeout)
        except filelock.Timeout:
            raise LockHeldError(
                f"waited {self.lock_timeout:.0f} s for {described_holder(holder)} to finish writing"
            ) from None
        except OSError as error:
            raise WarehouseError(
                f"cannot write to {self.folder}: {error.strerror}. Check the folder's owner and mode, "
                "or set BRAKET_ETL_HOME to another place."
            ) from None
        try:
            holder.write_text(
                json.dumps(
                    {
                        "pid": os.getpid(),
                        "host": socket.gethostname(),
                        "purpose": purpose,
                        "since": datetime.now(UTC).isoformat(timespec="seconds"),
                    }
                )
            )
            yield
        finally:
            with suppress(OSError):
                holder.unlink(missing_ok=True)
            lock.release()

    # DuckDB opens a file whose log was cut short without a word, with fewer rows. So what was committed is
    # kept outside the file too, and a file that holds less is not written to.

    @property
    def _counts_file(self) -> Path:
        return self.folder / "row_counts.json"

    def _check_counts(self, connection: Connection) -> None:
        try:
            committed = json.loads(self._counts_file.read_text())
        except (FileNotFoundError, ValueError):
            return
        present = row_counts(connection, kept_tables())
        lost = {name: n - present.get(name, 0) for name, n in committed.items() if present.get(name, 0) < n}
        if lost:
            raise DamagedError(
                f"{self.file} holds fewer rows than were committed ({lost}): its log was damaged. Nothing was "
                f"changed. docs/operations.md says how to bring back the last published copy, {self.published}."
            )

    def _note_counts(self, connection: Connection) -> None:
        replaced_atomically(self._counts_file, json.dumps(row_counts(connection, kept_tables())))


def configured(connection: Connection) -> Connection:
    """The connection with the settings that every one of ours has: UTC, and nothing fetched from outside."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET autoinstall_known_extensions = false")
    return connection


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All or nothing: commits at the end, rolls back when anything is raised."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # a failed statement may have ended the transaction
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


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
    draft.write_text(content)
    draft.chmod(mode)
    draft.replace(path)


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
