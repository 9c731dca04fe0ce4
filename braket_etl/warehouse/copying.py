"""Copying a DuckDB file, and knowing that the copy is whole: block by block each time, value by value once a day.

Every block of DuckDB's begins with a checksum of the rest, so a block that the disk has changed is seen without DuckDB,
in a tenth of the time, whether the copy or the file that it was made from is the one that was changed. What DuckDB makes of
sound blocks only reading every value tells; `Soundness` says when that is due.
"""

from __future__ import annotations

import fcntl
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import duckdb
import numpy as np
from numpy.typing import NDArray

from braket_etl import __version__
from braket_etl.warehouse.storage import synced

#: The main header of a DuckDB file and its two database headers, of which each checkpoint writes one.
HEADERS = 3 * 4096
#: Bytes of a block, DuckDB's default, with the checksum before them.
BLOCK = 1 << 18
#: The checksum is the exclusive or of each eight bytes times that, and of this (DuckDB's src/common/checksum.cpp), the same
#: in every version that reads a file of ours.
_FACTOR, _BEGUN = np.uint64(0xBF58476D1CE4E5B9), 5381
#: FICLONE of linux/fs.h: let two files share their blocks, where the file system can (Btrfs, XFS).
_CLONE = 0x40049409


def copied(source: Path, copy: Path) -> bool:
    """Copy the file, onto the disk; whether every block's checksum holds. Raises OSError.

    The copy is read back and compared with what it was made from, from memory as far as the system has kept them there.
    Raises ValueError where it differs.
    """
    with source.open("rb") as there, copy.open("xb") as here:
        was_cloned = _cloned(there.fileno(), here.fileno())
    if not was_cloned:
        shutil.copyfile(source, copy)
    failed: list[OSError] = []
    writing = Thread(target=_sync, args=(copy, failed))
    writing.start()  # the disk writes while the blocks are looked at
    try:
        are_sound = _compared(source, copy)
    finally:
        writing.join()
    if failed:
        raise failed[0]
    return are_sound


def _cloned(source: int, copy: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(copy, _CLONE, source)
    except OSError:
        return False
    return True


def _sync(path: Path, failed: list[OSError]) -> None:
    try:
        synced(path)
    except OSError as error:
        failed.append(error)


def _compared(source: Path, copy: Path) -> bool:
    """Whether the checksum of every block holds; raises ValueError where the files differ."""
    are_sound = True
    block, other = bytearray(BLOCK), bytearray(BLOCK)
    words = np.frombuffer(block, np.uint64)
    products = np.empty(len(words) - 1, np.uint64)
    with copy.open("rb", buffering=0) as here, source.open("rb", buffering=0) as there:
        if here.read(HEADERS) != there.read(HEADERS):
            raise ValueError("its headers differ")
        while found := here.readinto(block):
            if there.readinto(other) != found or block != other:
                raise ValueError(f"it differs before byte {here.tell():,}")
            are_sound = are_sound and found == BLOCK and _is_sound(words, products)
        if there.read(1):
            raise ValueError("it was cut short")
    return are_sound


def _is_sound(words: NDArray[np.uint64], products: NDArray[np.uint64]) -> bool:
    np.multiply(words[1:], _FACTOR, out=products)
    return int(np.bitwise_xor.reduce(products)) ^ _BEGUN == int(words[0])


@dataclass(frozen=True)
class Soundness:
    """Whether every value of the writer's file was read today, by this version, and every write since then ended well.

    It is told by a file in the writer's folder, which is put away while the warehouse is open to write: a kill, a full
    disk, a check that failed leave none.
    """

    folder: Path

    @property
    def is_known(self) -> bool:
        """Whether it was, while the warehouse is open to write."""
        with suppress(OSError):
            return self._put_away.read_text("utf-8") == _now()
        return False

    def note(self) -> None:
        """Note that every value was read just now."""
        self._put_away.write_text(_now(), "utf-8")

    def put_away(self) -> None:
        """The warehouse is about to be opened."""
        self._put_away.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            self._file.replace(self._put_away)

    def lay_back(self) -> None:
        """It was closed as it should be."""
        with suppress(FileNotFoundError):
            self._put_away.replace(self._file)

    def forget(self) -> None:
        """Something is wrong."""
        self._file.unlink(missing_ok=True)
        self._put_away.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.folder / "read_through"

    @property
    def _put_away(self) -> Path:
        return self.folder / "read_through.open"


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d} braket_etl {__version__} DuckDB {duckdb.__version__}"
