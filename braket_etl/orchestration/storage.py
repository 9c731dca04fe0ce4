"""Where Dagster keeps runs, events and ticks: its own SQLite files, which a process keeps open while it works on them.

Dagster opens and closes a file for each statement. A sync notes some 380 events with 1,300 connections; each is set up,
has its statements compiled anew, and writes the file's log into the file when it closes as the last one. Kept open, the
same statements cost a quarter of a sync's CPU less (bench/dagster_cost.py). Layout, tables and statements stay Dagster's,
so that any other process of Dagster reads and writes the same files beside this one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy
from dagster import Field, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
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


class EventLog(SqliteEventLogStorage):
    """Dagster's events, a file a run and one of what all runs share."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._files = OpenFiles()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._files.engine(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def store_event(self, event: EventLogEntry) -> None:
        """Store it, and touch the file of its run, by whose time the webserver sees that there is something new."""
        super().store_event(event)
        with suppress(OSError):
            os.utime(self.path_for_shard(event.run_id))

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


class Schedules(_OneFile, SqliteScheduleStorage):
    """Dagster's schedules, sensors and their ticks."""


class Storage(DagsterSqliteStorage):
    """Named in dagster.yaml; laid out as Dagster lays out its own, so that either opens what the other wrote."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
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
