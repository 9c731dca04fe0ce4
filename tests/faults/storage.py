"""Disks that are full, lie, or may not be written: a clear error, nothing overwritten, and a way back.

A scenario asserts on the way what the program promises, and tells what was there in the end.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from braket_etl.warehouse.file import FileWarehouse
from tests.conftest import Program
from tests.faults.kills import Place
from tests.faults.outcome import Outcome
from tests.faults.program import (
    NOT_COMPARED,
    RECORDS,
    Contents,
    Forked,
    different_tables,
    records_of,
    same_records,
)
from tests.processes import bound_by_modes

#: A verb that writes and publishes, without Braket and Dagster.
WRITES = ("rejects", "purge", "--yes")
RESTORE = ("restore", "--yes")
SYNC = ("sync",)

Damage = Callable[[Path], object]
Scenario = Callable[[Place, Path], Outcome]


def log_of(program: Program) -> Path:
    return program.writer.with_name(program.writer.name + ".wal")


def as_it_lies(program: Program) -> dict[str, bytes | None]:
    """The published copy, the writer's file and its log, byte by byte; DuckDB removes an empty log."""
    files = (program.published, program.writer, log_of(program))
    return {path.name: (path.read_bytes() if path.exists() else b"") or None for path in files}


def told(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert that a run ended with 1 and said so in plain words."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def _recovered(
    fault: str, program: Forked, expected: Contents, *verbs: tuple[str, ...], runs: int = 1
) -> Outcome:
    """What is there after these verbs, each of which must succeed; `runs` came before them."""
    began = time.monotonic()
    for verb in verbs:
        program.ok(*verb)
    seconds = round(time.monotonic() - began, 1)
    contents = program.contents(*NOT_COMPARED)
    assert different_tables(contents, expected) == []
    return Outcome(
        fault,
        1,
        runs + len(verbs),
        records_of(expected),
        same_records(contents, expected),
        (seconds,) if verbs else (),
    )


# What damages a file


def cut(path: Path, share: float) -> None:
    """Leave the first part of a file."""
    os.truncate(path, int(path.stat().st_size * share))


def flip(path: Path, first: float, last: float | None = None, *, every: int = 1 << 16) -> None:
    """Flip the bits of a byte at a share of the file, and of one every so many bytes from there to another share."""
    content = bytearray(path.read_bytes())
    size = len(content)
    for place in range(int(size * first), int(size * (last or first)) + 1, every):
        content[min(place, size - 1)] ^= 0xFF
    path.chmod(0o600)
    path.write_bytes(content)


def _flip_at(path: Path, place: int) -> None:
    """Flip the bits of one byte."""
    flip(path, place / path.stat().st_size)


def _flip_the_last_block(path: Path) -> None:
    """Flip the bits of a byte of the last block that holds rows; what lies in free blocks is nobody's."""
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        blocks = {
            block
            for table in tables
            for (block,) in connection.execute(
                "SELECT block_id FROM pragma_storage_info(?) WHERE persistent AND block_id >= 0",
                [".".join(table)],
            ).fetchall()
        }
        (size,) = connection.execute("SELECT block_size FROM pragma_database_size()").fetchone() or ()
    _flip_at(path, 3 * 4096 + max(blocks) * size + size // 100)


_OF_THE_FILE: Mapping[str, Damage] = {
    "magic number": partial(_flip_at, place=9),
    "first header": partial(_flip_at, place=4096 + 20),
    "second header": partial(_flip_at, place=8192 + 20),
    "middle": partial(flip, first=0.2, last=0.8),
    "last block": _flip_the_last_block,
    "cut in half": partial(cut, share=0.5),
    "last block cut": partial(cut, share=0.98),
    "emptied": partial(cut, share=0.0),
    "replaced": lambda path: path.write_bytes(b"the disk lied" * 1000),
}
_OF_THE_LOG: Mapping[str, Damage] = {
    **{f"cut at {share:.0%}": partial(cut, share=share) for share in (0, 0.1, 0.5, 0.9)},
    **{f"flipped at {share:.1%}": partial(flip, first=share) for share in (0.001, 0.5, 0.99)},
    "deleted": Path.unlink,
}
_OF_THE_COPY: Mapping[str, Damage] = {
    "cut": partial(cut, share=0.5),
    "flipped": partial(flip, first=0.1, last=0.9),
    "deleted": Path.unlink,
}


def _damaged_file(damage: Damage, at: Place, folder: Path) -> Outcome:
    program = at.program(folder)
    published, rows = program.published.read_bytes(), program.contents(*NOT_COMPARED)
    damage(program.writer)
    damaged = program.writer.read_bytes()
    told(program.run(*WRITES), "braket-etl restore", str(program.published))
    assert program.published.read_bytes() == published, "what is damaged is never published"
    outcome = _recovered(
        "data file: bits flipped, cut short, emptied, replaced; `restore`", program, rows, RESTORE, WRITES
    )
    (kept,) = program.home.glob("writer.damaged-*")
    assert kept.stat().st_mode & 0o777 == 0o700
    assert len((kept / "warehouse.duckdb").read_bytes()) == len(damaged), "what is damaged is kept"
    return outcome


def _damaged_file_and_an_older_copy(at: Place, folder: Path) -> Outcome:
    program = at.program(folder)
    older = program.published.read_bytes()
    program.ok("sync")
    program.published.chmod(0o600)
    program.published.write_bytes(older)
    flip(program.writer, 0.2, 0.8)
    told(program.run("sync"), "braket-etl restore")
    assert program.published.read_bytes() == older
    looked = program.run("doctor")
    assert looked.returncode == 1
    assert "braket-etl restore" in looked.stdout
    said = program.run(*RESTORE)
    assert said.returncode == 0
    assert "as of the run that began 20" in said.stderr
    assert "braket-etl sync" in said.stderr
    return _recovered(
        "data file damaged, the copy three days old; `restore`, `sync`", program, at.contents, SYNC, runs=4
    )


def _missing_file(at: Place, folder: Path) -> Outcome:
    program = at.program(folder)
    rows, published = program.contents(*NOT_COMPARED), program.published.read_bytes()
    shutil.rmtree(program.writer.parent)
    told(program.run("sync"), "braket-etl restore")
    assert program.published.read_bytes() == published, "nothing is not published either"
    assert not program.writer.exists()
    return _recovered("data file gone; `restore`", program, rows, RESTORE, WRITES)


def _damaged_copy(damage: Damage, at: Place, folder: Path) -> Outcome:
    program = at.program(folder)
    rows = program.contents(*NOT_COMPARED)
    damage(program.published)
    return _recovered(
        "published copy: cut, flipped, deleted; the next run replaces it", program, rows, WRITES, runs=0
    )


def logged(at: Place, folder: Path) -> Forked:
    """A home whose last transactions are committed and only in the log, as after a power cut: what a sync brought."""
    program = at.program(folder)
    write = partial(_write_to_the_log, program.home, at.newer)
    ended = program.begin(do=write).ended()
    assert ended.returncode == 0, ended.stderr
    assert log_of(program).stat().st_size > 10_000
    return program


def _write_to_the_log(home: Path, newer: Path) -> None:
    with FileWarehouse(home / "writer", home / "warehouse.duckdb").writing("merging") as connection:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute(f"ATTACH '{newer}' AS newer (READ_ONLY)")
        for table in RECORDS:
            key = "quantum_task_arn" if table == "quantum_tasks" else "job_arn"
            connection.execute(
                f"INSERT INTO {table} BY NAME SELECT * FROM newer.{table} WHERE {key} NOT IN (SELECT {key} FROM {table})"
            )


def _damaged_log(damage: Damage, then: tuple[str, ...], at: Place, folder: Path) -> Outcome:
    program = logged(at, folder)
    rows = program.contents(*NOT_COMPARED)
    damage(log_of(program))
    found = as_it_lies(program)
    told(program.run(*WRITES), "braket-etl restore")
    assert as_it_lies(program) == found, "nothing is changed"
    expected = at.contents if then == SYNC else rows
    return _recovered("log: cut short, bits flipped, deleted; `restore`", program, expected, RESTORE, then)


def _whole_log(at: Place, folder: Path) -> Outcome:
    program = logged(at, folder)
    before = program.one("SELECT count(*) FROM quantum_tasks")
    program.ok(*WRITES)
    assert program.one("SELECT count(*) FROM quantum_tasks") > before, "what is in the log is published"
    return _recovered("whole log, never written into the file; replayed", program, at.contents, SYNC)


# A disk without room


def _with_files_below(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    from braket_etl.cli import main

    main()


def _full_while_publishing(at: Place, folder: Path) -> Outcome:
    program = at.program(folder)
    rows = program.contents(*NOT_COMPARED)
    published, size = program.published.read_bytes(), program.writer.stat().st_size
    told(
        program.begin(*WRITES, do=partial(_with_files_below, size - 1)).ended(),
        "there is no room to write",
        "stays as it was",
    )
    assert program.published.read_bytes() == published
    return _recovered("no room while publishing", program, rows, WRITES)


def _full_in_a_merge(at: Place, folder: Path) -> Outcome:
    program = at.program(folder)
    published, size = program.published.read_bytes(), program.writer.stat().st_size
    told(program.begin("sync", do=partial(_with_files_below, size)).ended(), "there is no room to write")
    assert program.published.read_bytes() == published
    return _recovered("no room in a merge", program, at.contents, SYNC)


@contextmanager
def _small_disk(folder: Path, megabytes: float) -> Iterator[None]:
    """A file system of that size at the folder; skips the scenario where none may be mounted."""
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "tmpfs", str(folder)]
    try:
        subprocess.run(["mount", *options], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _full_disk(at: Place, folder: Path) -> Outcome:
    room = folder / "room"
    with _small_disk(room, 64):
        program = at.program(room)
        ballast = room / "ballast"
        ballast.write_bytes(b"x" * (shutil.disk_usage(room).free - 300_000))
        published = program.published.read_bytes()
        told(program.run("sync"))
        assert program.published.read_bytes() == published
        ballast.unlink()
        return _recovered("no room for anything: a disk of its own, full", program, at.contents, SYNC)


# A folder that may not be written


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Nobody may write into the folder, nor into those below."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for each in folders:
        each.chmod(0o555)
    try:
        yield
    finally:
        for each in folders:
            each.chmod(0o700)


def _not_to_be_written(part: str, verb: tuple[str, ...], at: Place, folder: Path) -> Outcome:
    program = at.program(folder)
    rows = program.contents(*NOT_COMPARED)
    (program.home / "shown").mkdir()
    shown = Path(shutil.move(program.published, program.home / "shown" / "copy.duckdb"))
    program.env["BRAKET_ETL_WAREHOUSE"] = str(shown)
    found = shown.read_bytes()
    with _read_only(program.home / part):
        done = Program(program.home, program.env).run(*verb, prefix=bound_by_modes())
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert str(program.home) in done.stderr
    assert shown.read_bytes() == found
    program.published.symlink_to(shown)  # where the rows are read
    expected = at.contents if verb == SYNC else rows
    return _recovered(
        "folder that may not be written: the home, the writer's, the copy's", program, expected, verb
    )


# A warehouse of a newer version


def _newer_version(at: Place, folder: Path) -> Outcome:
    program = at.program(folder)
    rows = program.contents(*NOT_COMPARED)
    newer: list[Any] = [999, "from_the_future", "2027-01-01", "9.0"]
    for path in (program.writer, program.published):
        path.chmod(0o600)
        with duckdb.connect(str(path)) as connection:
            connection.execute("INSERT INTO etl.migrations VALUES (?, ?, ?, ?)", newer)
    found = as_it_lies(program)
    for verb in (SYNC, WRITES):
        told(program.run(*verb), "migration 999", "upgrade braket_etl", "Nothing was changed")
    assert as_it_lies(program) == found
    looked = program.run("doctor")
    assert looked.returncode == 1
    assert "upgrade braket_etl" in looked.stdout
    return _recovered("a newer version's warehouse: refused, byte for byte as it was", program, rows, runs=3)


STORAGE: Mapping[str, Scenario] = {
    "no room while publishing": _full_while_publishing,
    "no room in a merge": _full_in_a_merge,
    "a full disk": _full_disk,
    **{
        f"{part} not to be written, {verb[0]}": partial(_not_to_be_written, part, verb)
        for part, verb in (("writer", WRITES), ("shown", WRITES), (".", WRITES), (".", SYNC))
    },
    "a newer version": _newer_version,
}
DAMAGE: Mapping[str, Scenario] = {
    **{f"file, {name}": partial(_damaged_file, damage) for name, damage in _OF_THE_FILE.items()},
    "file, and an older copy": _damaged_file_and_an_older_copy,
    "file gone": _missing_file,
    **{f"copy, {name}": partial(_damaged_copy, damage) for name, damage in _OF_THE_COPY.items()},
    **{
        f"log, {name}": partial(_damaged_log, damage, SYNC if "50%" in name else WRITES)
        for name, damage in _OF_THE_LOG.items()
    },
    "log, whole": _whole_log,
}
