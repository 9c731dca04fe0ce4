"""The warehouse as a DuckDB file: the writer's own under its lock, and a published copy that analysts open.

At every moment the published file is a complete database: it is replaced as a whole, and whoever has the old one open
keeps it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import duckdb

from braket_etl.private_files import private_folder
from braket_etl.tables import MAIN
from braket_etl.warehouse.checks import differences_of_copy
from braket_etl.warehouse.compact import compacted
from braket_etl.warehouse.connection import (
    BLOAT,
    LEAST_BYTES,
    STORAGE_VERSION,
    Warehouse,
    configured,
    described_loss,
    first_line,
    is_warehouse,
    kept_tables,
    replaced_atomically,
    row_counts,
)
from braket_etl.warehouse.copying import HEADERS, Soundness, copied
from braket_etl.warehouse.door import unfit
from braket_etl.warehouse.errors import (
    DamagedError,
    LockHeldError,
    NoSpaceError,
    NotPublishedError,
    WarehouseError,
)
from braket_etl.warehouse.lock import Holder, folder_locked, holder_of
from braket_etl.warehouse.migrate import migrate
from braket_etl.warehouse.outcomes import Compaction, HeldBack, Restored
from braket_etl.warehouse.restore import laid, name_of
from braket_etl.warehouse.settled import settle, unsettle
from braket_etl.warehouse.statements import Connection, stoppable
from braket_etl.warehouse.storage import damaged, explained, file_counted, file_read_through, synced

#: Below so many bytes, some ten thousand tasks, a second thread costs more of the processor than it saves of the clock.
_SMALL = 8 << 20


@dataclass(frozen=True)
class FileWarehouse(Warehouse):
    """A DuckDB file in `folder`, and its copy at `published`."""

    stored_in: ClassVar[str] = "writer's file"
    remedy: ClassVar[str] = (
        "`braket-etl restore` brings back the last published copy, `braket-etl sync` what came after it"
    )

    @property
    def file(self) -> Path:
        """The writer's own file; nobody else opens it."""
        return self.folder / "warehouse.duckdb"

    @property
    def place(self) -> str:
        """The published copy."""
        return str(self.published)

    @property
    def writes_to(self) -> str:
        """The writer's file."""
        return str(self.file)

    @property
    def is_published(self) -> bool:
        """Whether there is a copy."""
        return self.published.exists()

    @property
    def size(self) -> int:
        """Bytes of the copy; raises OSError."""
        return self.published.stat().st_size

    @property
    def published_at(self) -> datetime | None:
        """When the copy was written; raises OSError."""
        return datetime.fromtimestamp(self.published.stat().st_mtime, UTC)

    @property
    def copied_bytes(self) -> int | None:
        """All of the writer's file."""
        return self.file.stat().st_size if self.file.exists() else 0

    def files(self) -> tuple[int, int]:
        """The copy alone; raises OSError."""
        return 1, self.size

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
            self._about_to_open()
            self.soundness.put_away()
            if _log_of(self.file).exists():  # of a writer that was killed
                self.soundness.forget()
            try:
                connection = self._open()
                try:
                    with stoppable(connection):
                        self._check_counts(connection)
                        migrate(connection, self.note_fewer)
                        unsettle(connection)
                        yield connection
                        self.note_rows(row_counts(connection, kept_tables()))
                finally:
                    with suppress(duckdb.Error):  # a connection that a fatal error invalidated
                        connection.close()
            except (OSError, duckdb.Error) as error:
                if told := explained(error, self.file, self.published):
                    raise told from None
                raise
            self.soundness.lay_back()
            self._closed()

    @property
    def soundness(self) -> Soundness:
        """Whether every value of the writer's file is known to be readable."""
        return Soundness(self.folder)

    def _about_to_open(self) -> None:
        """Called under the lock before the file is opened to write; nothing else has it open then."""

    def _closed(self) -> None:
        """The same after it was closed, where nothing went wrong."""

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

    @contextmanager
    def locked(self, purpose: str | None) -> Iterator[None]:
        """The writer lock, in the folder that is made if need be; raises LockHeldError, WarehouseError."""
        with folder_locked(self.folder, self.lock_timeout, purpose):
            yield

    def holder(self) -> Holder | None:
        """Who holds the lock, or held it when it was killed; raises WarehouseError."""
        return holder_of(self.folder)

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
                "the copy; to start over, move the copy away."
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
        if (self.copied_bytes or 0) < _SMALL:
            connection.execute("SET threads = 1")
        return configured(connection)

    def show(self, connection: Connection, group: str | None) -> dict[str, int]:
        """Copy the writer's file to the published place; the rows in each table of the copy.

        Each time the copy is held against the file byte by byte, and every block against its checksum. Every value is read
        too before it is shown, where `soundness` does not know of it, or where a checksum does not hold. Raises
        NoSpaceError, and DamagedError where the copy does not hold what the writer does; the old copy stays then.
        """
        self.check()
        settle(connection)
        connection.execute("CHECKPOINT")
        target = self.published
        private_folder(target.parent)
        draft = target.with_name(f".{target.name}.draft")
        draft.unlink(missing_ok=True)  # of a run that was killed; only one publishes at a time
        _check_space(self.file, target.parent)
        try:
            # Closing any handle of the file in this process drops DuckDB's own lock on it. Ours still holds, and
            # after the checkpoint the file is whole.
            try:
                are_sound = copied(self.file, draft)
            except ValueError as error:
                raise DamagedError(
                    f"the copy to be published is not what was copied: {error}; the old one stays"
                ) from None
            unsettle(connection)
            connection.execute("CHECKPOINT")
            is_known = are_sound and self.soundness.is_known
            counts = row_counts(connection)
            self._check_copy(draft, counts, values=not is_known)
            if not is_known:
                self.soundness.note()
            # An analyst who opened the copy read-write and was killed left a log, which DuckDB would replay onto
            # the new file: wrong numbers without an error.
            _log_of(target).unlink(missing_ok=True)
            if group:
                shutil.chown(draft, group=group)
                if target.parent == self.folder.parent:
                    _let_in(group, target.parent)
            draft.chmod(0o440)
            draft.replace(target)
            synced(target.parent)
            self.keep_held_back_note(connection, None)
        finally:
            draft.unlink(missing_ok=True)
        return counts

    def _check_copy(self, copy: Path, expected: dict[str, int], *, values: bool) -> None:
        """Raise DamagedError where DuckDB does not find so many rows in each table, or cannot read one of the values."""
        try:
            found = file_read_through(copy) if values else file_counted(copy)
        except duckdb.Error as error:
            raise damaged(
                self.file, f"its copy cannot be read, {first_line(error)}", self.published
            ) from None
        counts = {table.name: found.get(name_of(table), 0) for table in MAIN}
        if counts != expected:
            raise DamagedError(f"the copy to be published holds {counts}, not {expected}; the old one stays")

    def differences(self, connection: Connection) -> Mapping[str, tuple[int, int]]:
        """Rows in the writer's file and in the copy, opened where analysts open it, by table where they differ."""
        with self.reading() as copy:
            found = differences_of_copy(connection, copy)
        if found:
            self.soundness.forget()
        return found

    def compact(self, *, bloat: float = BLOAT, least_bytes: int = LEAST_BYTES) -> Compaction:
        """Write the file anew where at least that share of it, and that many bytes, are free.

        Holds the writer lock meanwhile, about a second for 100 MB. Raises WarehouseError; the old file stays then.
        """
        with self.writing("compacting") as connection:
            return compacted(connection, self.file, bloat=bloat, least_bytes=least_bytes)

    def damage(self) -> str | None:
        """What is wrong with the writer's file, in words; under the writer lock."""
        if not self.folder.exists():
            return self._damage()
        with self.locked(None):
            return self._damage()

    def unfit(self) -> HeldBack | None:
        """Why the writer's file, which is not damaged, may not be published as it is; under the writer lock."""
        if not self.folder.exists():
            return None
        with self.locked(None):
            return self._unfit()

    def restore(self, source: Path, *, force: bool = False) -> Restored:
        """Lay a copy of `source` as the writer's file; what lay there is kept in a folder beside.

        Under the writer lock. Killed at any moment it leaves a state that the next run refuses to write to, or the restored
        one. Raises WarehouseError where the file is sound and not `force`, and where `source` is no whole warehouse: then
        nothing was changed.
        """
        with self.locked("restoring"):
            if not force and not self._damage():
                raise WarehouseError(f"{self._standing()} Nothing was changed.")
            draft = self.folder / ".restored.duckdb"
            try:
                rows, as_of, doubled = laid(source, draft)
                kept = _moved_aside(self)
                draft.replace(self.file)
                self.note_rows({table.name: rows[table.name] for table in kept_tables()})
                self._held_back_file.unlink(missing_ok=True)
                self.soundness.forget()
                synced(self.folder)
            except OSError as error:
                raise explained(error, self.file, source) or error from None
            finally:
                draft.unlink(missing_ok=True)
        return Restored(rows, as_of, kept, doubled)

    def _unfit(self) -> HeldBack | None:
        if self.is_missing:
            return None
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return unfit(configured(connection))

    def _standing(self) -> str:
        """How a file stands that is not damaged, and what can be done, in words."""
        if found := self._unfit():
            return (
                f"{self.file} is not damaged, but not sound either: {found.summary}, and keeps what came since the last "
                "copy. `--force` puts the copy in its place all the same."
            )
        return f"{self.file} is sound: `--force` puts the copy in its place all the same."

    def _damage(self) -> str | None:
        if self.is_missing:
            was_there = is_warehouse(self.published) or self.lost_rows({})
            return "it is missing" if was_there else None
        try:
            found = file_read_through(self.file)
        except duckdb.Error as error:
            self.soundness.forget()
            if "Could not set lock" in str(error):
                raise LockHeldError(f"{self.file} is open in another program: close it there") from None
            told = explained(error, self.file, self.published)
            if told and not isinstance(told, DamagedError):
                raise told from None
            return first_line(error)
        lost = self.lost_rows({table.name: found.get(name_of(table), 0) for table in kept_tables()})
        return f"it holds fewer rows than were committed ({described_loss(lost)})" if lost else None

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
            self._held_back_file.unlink(missing_ok=True)
        else:
            replaced_atomically(self._held_back_file, note)

    @property
    def _held_back_file(self) -> Path:
        return self.folder / "held_back.json"

    # DuckDB opens a file whose log was cut short without a word, with fewer rows. So what was committed is
    # kept outside the file too, and a file that holds less is not written to.

    @property
    def counts_file(self) -> Path:
        """Where the committed row counts are kept."""
        return self.folder / "row_counts.json"

    def mark(self) -> str | None:
        """The first blocks of the writer's file and of the copy, in which DuckDB counts their checkpoints, and their times.

        None where one cannot be read, or has a log beside it.
        """
        digest = hashlib.sha256()
        for file in (self.file, self.published):
            if _log_of(file).exists():
                return None
            try:
                with file.open("rb") as opened:
                    found = os.fstat(opened.fileno())
                    digest.update(f"{found.st_size} {found.st_mtime_ns} ".encode() + opened.read(HEADERS))
            except OSError:
                return None
        return digest.hexdigest()

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


def _log_of(file: Path) -> Path:
    """Where DuckDB writes what is not in the file yet."""
    return file.with_name(file.name + ".wal")


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


def _moved_aside(warehouse: FileWarehouse) -> Path | None:
    """Move the file, its log and what was noted of it into a folder named by the instant; the lock stays.

    The counts are copied, and replaced at the very end: while they are there, a file that is missing is not begun anew.
    """
    present = [
        path for path in (warehouse.file, _log_of(warehouse.file), warehouse.counts_file) if path.exists()
    ]
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
