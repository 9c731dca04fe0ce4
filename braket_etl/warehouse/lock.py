"""The writer lock in a folder, and who holds it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock

from braket_etl import holdups, stopping
from braket_etl.private_files import private_folder
from braket_etl.warehouse.errors import LockHeldError, WarehouseError


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes: what for, the process and its machine, and since when (UTC, where it is known)."""

    purpose: str
    pid: int
    host: str
    since: datetime

    def __str__(self) -> str:
        since = self.since.isoformat(timespec="seconds")
        return f"{self.purpose} (process {self.pid} on {self.host}, since {since})"

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == socket.gethostname()


@contextmanager
def folder_locked(folder: Path, lock_timeout: float, purpose: str | None) -> Iterator[None]:
    """The writer lock, in the folder that is made if need be; raises LockHeldError, WarehouseError.

    Others are told the purpose; without one, what the last holder left behind stays too.
    """
    try:
        private_folder(folder)
    except OSError as error:
        raise WarehouseError(
            f"cannot make {folder}: {error.strerror}. Set BRAKET_ETL_HOME to a folder that can be written."
        ) from None
    lock = filelock.FileLock(folder / "warehouse.lock", mode=0o600)
    patience = stopping.patience(lock_timeout)
    try:
        with holdups.held_up(holdups.By.LOCK, lambda: f"waiting for {_described(folder)} to finish writing"):
            lock.acquire(timeout=patience)
    except filelock.Timeout:
        raise LockHeldError(f"{waited(patience)} for {_described(folder)} to finish writing") from None
    except OSError as error:
        raise WarehouseError(
            f"cannot write to {folder}: {error.strerror}. Check the folder's owner and mode, "
            "or set BRAKET_ETL_HOME to another place."
        ) from None
    try:
        if purpose:
            _tell_holder(folder, purpose)
        yield
    finally:
        if purpose:
            with suppress(OSError):
                _note(folder).unlink(missing_ok=True)
        lock.release()


def holder_of(folder: Path) -> Holder | None:
    """Who holds the lock, or held it when it was killed; None where nobody does. Raises WarehouseError."""
    try:
        held = json.loads(_note(folder).read_text())
        return Holder(
            str(held["purpose"]), int(held["pid"]), str(held["host"]), datetime.fromisoformat(held["since"])
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise WarehouseError(f"{_note(folder)} cannot be read") from None


def waited(seconds: float) -> str:
    """That somebody waited so long, in words."""
    return f"waited {seconds:.0f} s" if seconds >= 1 else "did not wait"


def _described(folder: Path) -> str:
    with suppress(WarehouseError):
        return str(holder_of(folder) or "another process")
    return "another process"


def _tell_holder(folder: Path, purpose: str) -> None:
    """Write down who holds the lock; on a full disk nobody is told."""
    held = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "purpose": purpose,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):
        _note(folder).write_text(json.dumps(held))


def _note(folder: Path) -> Path:
    return folder / "warehouse.holder"
