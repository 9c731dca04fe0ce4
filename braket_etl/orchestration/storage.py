"""Where Dagster keeps runs, events and ticks: its own SQLite files, which a process keeps open while it works on them.

Dagster opens and closes a file for each statement. A sync notes some 380 events with 1,300 connections; each is set up,
has its statements compiled anew, and writes the file's log into the file when it closes as the last one. Kept open, the
same statements cost a quarter of a sync's CPU less (bench/dagster_cost.py). Layout, tables and statements stay Dagster's,
so that any other process of Dagster reads and writes the same files beside this one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import dagster
import sqlalchemy
from dagster import Field, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._core.storage.sqlite_storage import (
    DagsterSqliteStorage,
    _event_logs_directory,
    _runs_directory,
    _schedule_directory,
)
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine

#: Most files that a process keeps open at a time; a webserver looks into the files of many runs.
_MOST_OPEN = 16
#: Events that are also stored for all runs together.
_SHARED = ASSET_EVENTS | ASSET_CHECK_EVENTS
#: Events that come together are stored in one transaction: those that are planned when a run begins.
_BATCH = "500"


class _Kept(NamedTuple):
    """The engine of a file, and which file it opened; None for one that was not there."""

    engine: Engine
    file: tuple[int, int] | None


class OpenFiles:
    """SQLite files that are kept open, the least recently used closed first; for any number of threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._process = os.getpid()

    def engine(self, address: str) -> Engine:
        """The engine of SQLAlchemy's address of a file; a new one where the file was replaced or the process forked."""
        with self._lock:
            if self._process != os.getpid():  # a connection of SQLite's must not be used by a child
                for kept in self._kept.values():
                    kept.engine.dispose(close=False)
                self._kept.clear()
                self._process = os.getpid()
            file = _identity(address)
            # what is not there yet is made by the first statement, and opened again for the next
            if address in self._kept and self._kept[address].file != file:
                self._kept.pop(address).engine.dispose()
            if address not in self._kept:
                self._kept[address] = _Kept(_engine(address), file)
            self._kept.move_to_end(address)
            while len(self._kept) > _MOST_OPEN:
                self._kept.popitem(last=False)[1].engine.dispose()
            return self._kept[address].engine

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            for kept in self._kept.values():
                kept.engine.dispose()
            self._kept.clear()


def _identity(address: str) -> tuple[int, int] | None:
    with suppress(OSError):
        found = Path(address.removeprefix("sqlite:///")).stat()
        return found.st_dev, found.st_ino
    return None


def _engine(address: str) -> Engine:
    engine = sqlalchemy.create_engine(
        address,
        poolclass=sqlalchemy.pool.QueuePool,
        pool_size=1,
        max_overflow=-1,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    sqlalchemy.event.listen(engine, "connect", _relax)
    return engine


def _relax(connection: sqlite3.Connection, _: Any) -> None:
    """With a write-ahead log nothing is damaged by a power cut; the last events before it may be missing."""
    connection.execute("PRAGMA synchronous = NORMAL")


def _is_laid_out(file: Path, *tables: str) -> bool:
    """Whether Dagster laid the file out, and noted of which version it is; to ask Dagster reads all its migrations."""
    if not file.exists():
        return False
    wanted = ("alembic_version", *tables)
    with closing(sqlite3.connect(file, timeout=SQLITE_BUSY_TIMEOUT_SECONDS)) as connection:
        there = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        return there.issuperset(wanted) and bool(
            connection.execute("SELECT * FROM alembic_version").fetchall()
        )


def _copied(file: Path, target: Path) -> None:
    """Copy a file that nobody writes to; a target that is there by then stays."""
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    with suppress(OSError):
        shutil.copyfile(file, draft)
        os.link(draft, target)
    draft.unlink(missing_ok=True)


class EventLog(SqliteEventLogStorage):
    """Dagster's events, a file a run and one of what all runs share."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._files = OpenFiles()
        self._in_use: dict[str, Connection] = {}
        """The connections of the thread that has the lock."""
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # type: ignore[assignment]

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """A connection with a transaction; inside another one to the same file that one."""
        with self._db_lock:
            if shard in self._in_use:
                yield self._in_use[shard]
                return
            if shard not in self._initialized_dbs:
                self._lay_out(shard)
                self._initialized_dbs.add(shard)
            with self._files.engine(self.conn_string_for_shard(shard)).begin() as connection:
                self._in_use[shard] = connection
                try:
                    yield connection
                finally:
                    del self._in_use[shard]

    def _lay_out(self, shard: str) -> None:
        """Make the file of a shard, unless it is there: by copying an empty one. Dagster reads its migrations for each."""
        file = Path(self.path_for_shard(shard))
        empty = file.with_name(f".empty_{dagster.__version__}")
        if not file.exists() and empty.exists():
            _copied(empty, file)
        if not _is_laid_out(file):
            engine = self._files.engine(self.conn_string_for_shard(shard))
            self._initdb(engine)
            engine.dispose()  # writes the log into the file
            if not empty.exists() and not file.with_name(f"{file.name}-wal").exists():
                _copied(file, empty)

    def has_table(self, table_name: str) -> bool:
        """Whether there is such a table; one that was there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def store_event(self, event: EventLogEntry) -> None:
        """Store it, in one transaction a file."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of a run, and touch its file, by whose time the webserver sees that there is something new."""
        for run_id, of_run in groupby(events, key=lambda event: event.run_id):
            stored = list(of_run)
            is_shared = any(
                event.dagster_event and event.dagster_event.event_type in _SHARED for event in stored
            )
            with self._connect(run_id), self._connect(INDEX_SHARD_NAME) if is_shared else nullcontext():
                for event in stored:
                    super().store_event(event)
            with suppress(OSError):
                os.utime(self.path_for_shard(run_id))

    def wipe(self) -> None:
        """Delete all events; Dagster unlinks the files of the runs."""
        self._files.close()
        super().wipe()

    def dispose(self) -> None:
        """Close the files."""
        super().dispose()
        self._files.close()


class _OneFile:
    """A storage of Dagster's that is one file, at the address that it is made with."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._files = OpenFiles()
        self._address = conn_string
        super().__init__(conn_string, inst_data)  # type: ignore[call-arg]

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection with a transaction that is committed at the end."""
        with self._files.engine(self._address).begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the file."""
        super().dispose()  # type: ignore[misc]
        self._files.close()


class Runs(_OneFile, SqliteRunStorage):
    """Dagster's runs."""

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Runs:
        """The storage in a folder, laid out where it is new."""
        if _is_laid_out(Path(base_dir, "runs.db"), "instance_info"):
            return cls(create_db_conn_string(base_dir, "runs"), inst_data)
        return super().from_local(base_dir, inst_data)


class Schedules(_OneFile, SqliteScheduleStorage):
    """Dagster's schedules, sensors and their ticks."""

    @classmethod
    def from_local(
        cls, base_dir: str, inst_data: ConfigurableClassData | None = None
    ) -> SqliteScheduleStorage:
        """The storage in a folder, laid out where it is new."""
        if _is_laid_out(Path(base_dir, "schedules.db")):
            return cls(create_db_conn_string(base_dir, "schedules"), inst_data)
        return super().from_local(base_dir, inst_data)


class Storage(DagsterSqliteStorage):
    """Named in dagster.yaml; laid out as Dagster lays out its own, so that either opens what the other wrote."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _BATCH)
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = Runs.from_local(_runs_directory(base_dir))
        self._event_log_storage = EventLog(_event_logs_directory(base_dir))
        self._schedule_storage = Schedules.from_local(_schedule_directory(base_dir))

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Its configuration: `base_dir`, else the folder that DAGSTER_HOME names."""
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> Storage:
        """Made by Dagster from dagster.yaml; ValueError where neither it nor DAGSTER_HOME says in which folder."""
        base = config_value.get("base_dir") or os.environ.get("DAGSTER_HOME")
        if not base:
            raise ValueError(
                "set DAGSTER_HOME, or base_dir of the storage in dagster.yaml: one of them names the folder"
            )
        return cls.from_local(str(Path(base).expanduser().absolute()), inst_data=inst_data)
