"""A disk that is full, lies, or may not be written: a clear error, nothing overwritten, and a way back."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from braket_etl.warehouse.connection import Warehouse
from tests.conftest import Program
from tests.faults.kills import Place
from tests.faults.program import NOT_COMPARED, Forked, different_tables

#: A verb that writes and publishes, without Braket and Dagster.
WRITES = ("rejects", "purge", "--yes")


@pytest.fixture
def program(prepared: Place, tmp_path: Path) -> Forked:
    """A home in an older state, published."""
    return prepared.program(tmp_path)


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


def same_as_undisturbed(program: Program, at: Place) -> bool:
    """Whether every table holds what it would had nothing happened."""
    return different_tables(program.contents(*NOT_COMPARED), at.contents) == []


# A damaged file


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


def flip_at(path: Path, place: int) -> None:
    """Flip the bits of one byte."""
    flip(path, place / path.stat().st_size)


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "magic number": partial(flip_at, place=9),
    "first header": partial(flip_at, place=4096 + 20),
    "second header": partial(flip_at, place=8192 + 20),
    "middle": partial(flip, first=0.2, last=0.8),
    "tail": partial(flip, first=0.8, last=0.999),
    "cut in half": partial(cut, share=0.5),
    "last block cut": partial(cut, share=0.98),
    "emptied": partial(cut, share=0.0),
    "replaced": lambda path: path.write_bytes(b"the disk lied" * 1000) and None,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_never_published_and_the_copy_comes_back(
    program: Forked, damage: Callable[[Path], None]
) -> None:
    published, rows = program.published.read_bytes(), program.contents()
    damage(program.writer)
    damaged = program.writer.read_bytes()
    told(program.run(*WRITES), "braket-etl restore", str(program.published))
    assert program.published.read_bytes() == published
    program.ok("restore", "--yes")
    program.ok(*WRITES)
    assert program.contents() == rows
    (kept,) = program.home.glob("writer.damaged-*")
    assert kept.stat().st_mode & 0o777 == 0o700
    assert len((kept / "warehouse.duckdb").read_bytes()) == len(damaged)


def test_after_a_restore_a_sync_brings_what_the_copy_lacked(program: Forked, prepared: Place) -> None:
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
    said = program.run("restore", "--yes")
    assert said.returncode == 0
    assert "as of the run that began 20" in said.stderr
    assert "braket-etl sync" in said.stderr
    program.ok("sync")
    assert same_as_undisturbed(program, prepared)


def test_a_missing_file_does_not_empty_the_published_copy(program: Forked) -> None:
    rows, published = program.contents(), program.published.read_bytes()
    shutil.rmtree(program.writer.parent)
    told(program.run("sync"), "braket-etl restore")
    assert program.published.read_bytes() == published
    assert not program.writer.exists()
    program.ok("restore", "--yes")
    program.ok(*WRITES)
    assert program.contents() == rows


@pytest.mark.parametrize("damage", [partial(cut, share=0.5), partial(flip, first=0.1, last=0.9), Path.unlink])
def test_a_damaged_copy_is_replaced_by_the_next_run(program: Forked, damage: Callable[[Path], None]) -> None:
    rows = program.contents()
    damage(program.published)
    program.ok(*WRITES)
    assert program.contents() == rows


# A damaged log


@pytest.fixture(scope="module")
def logged(prepared: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose last transactions are committed and only in the log, as after a power cut."""
    program = prepared.program(tmp_path_factory.mktemp("logged"))
    assert program.begin(do=partial(_write_to_the_log, program.home)).ended().returncode == 0
    assert log_of(program).stat().st_size > 10_000
    return program.home


def _write_to_the_log(home: Path) -> None:
    with Warehouse(home / "writer", home / "warehouse.duckdb").writing("merging") as connection:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        for number in range(5):
            connection.execute(
                f"INSERT INTO quantum_tasks SELECT * REPLACE (quantum_task_arn || '+{number}' AS quantum_task_arn) "
                "FROM quantum_tasks WHERE quantum_task_arn NOT LIKE '%+%'"
            )


@pytest.mark.parametrize(
    "damage",
    [
        *(pytest.param(partial(cut, share=share), id=f"cut at {share:.0%}") for share in (0, 0.1, 0.5, 0.9)),
        *(
            pytest.param(partial(flip, first=share), id=f"flipped at {share:.0%}")
            for share in (0.001, 0.5, 0.99)
        ),
        pytest.param(Path.unlink, id="deleted"),
    ],
)
def test_a_damaged_log_is_noticed_and_nothing_is_changed(
    logged: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(logged, tmp_path / "home")
    program = Forked(tmp_path / "home")
    rows = program.contents()
    damage(log_of(program))
    found = as_it_lies(program)
    told(program.run(*WRITES), "braket-etl restore")
    assert as_it_lies(program) == found
    program.ok("restore", "--yes")
    program.ok(*WRITES)
    assert program.contents() == rows


def test_a_whole_log_is_replayed(logged: Path, tmp_path: Path) -> None:
    shutil.copytree(logged, tmp_path / "home")
    program = Forked(tmp_path / "home")
    before = program.one("SELECT count(*) FROM quantum_tasks")
    program.ok(*WRITES)
    assert program.one("SELECT count(*) FROM quantum_tasks") > before


# What restore refuses


def test_restore_refuses_a_sound_file_and_asks_first(program: Forked) -> None:
    found = as_it_lies(program)
    told(program.run("restore", "--yes"), "is sound", "--force")
    assert as_it_lies(program) == found
    program.ok("restore", "--yes", "--force")
    flip(program.writer, 0.2, 0.8)
    damaged = as_it_lies(program)
    unasked = program.run("restore")
    assert unasked.returncode == 2
    assert "--yes" in unasked.stderr
    assert as_it_lies(program) == damaged


def test_restore_takes_a_backup_and_nothing_that_is_not_whole(program: Forked, tmp_path: Path) -> None:
    rows = program.contents()
    backup = Path(shutil.copyfile(program.published, tmp_path / "backup.duckdb"))
    for path in (program.writer, program.published):
        flip(path, 0.2, 0.8)
    found = as_it_lies(program)
    told(program.run("restore", "--yes"), "is no whole warehouse", "--from")
    with duckdb.connect(str(tmp_path / "theirs.duckdb")) as theirs:
        theirs.execute("CREATE TABLE precious AS SELECT 1 AS one")
    told(program.run("restore", "--yes", "--from", str(tmp_path / "theirs.duckdb")), "is no whole warehouse")
    told(program.run("restore", "--yes", "--from", str(tmp_path / "none")), "there is no")
    assert as_it_lies(program) == found
    program.ok("restore", "--yes", "--from", str(backup))
    program.ok(*WRITES)
    assert program.contents() == rows


# A disk without room


def _with_files_below(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    from braket_etl.cli import main

    main()


def test_a_disk_that_fills_up_while_publishing_leaves_the_copy(program: Forked) -> None:
    published, size = program.published.read_bytes(), program.writer.stat().st_size
    told(
        program.begin(*WRITES, do=partial(_with_files_below, size - 1)).ended(),
        "there is no room to write",
        "stays as it was",
    )
    assert program.published.read_bytes() == published
    program.ok(*WRITES)


def test_a_disk_that_fills_up_in_a_merge_loses_nothing(program: Forked, prepared: Place) -> None:
    published, size = program.published.read_bytes(), program.writer.stat().st_size
    told(program.begin("sync", do=partial(_with_files_below, size)).ended(), "there is no room to write")
    assert program.published.read_bytes() == published
    program.ok("sync")
    assert same_as_undisturbed(program, prepared)


@contextmanager
def small_disk(folder: Path, megabytes: float) -> Iterator[None]:
    """A file system of that size at the folder; skips the test where none may be mounted."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "tmpfs", str(folder)]
    try:
        subprocess.run(["mount", *options], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_home_on_a_full_disk_is_told_and_goes_on_when_there_is_room(
    prepared: Place, tmp_path: Path
) -> None:
    room = tmp_path / "room"
    with small_disk(room, 64):
        program = prepared.program(room)
        ballast = room / "ballast"
        ballast.write_bytes(b"x" * (shutil.disk_usage(room).free - 300_000))
        published = program.published.read_bytes()
        told(program.run("sync"))
        assert program.published.read_bytes() == published
        ballast.unlink()
        program.ok("sync")
        assert same_as_undisturbed(program, prepared)


# A folder that may not be written


def bound_by_modes() -> list[str]:
    """What to start a program with so that modes of files hold for it: nothing does for root."""
    if os.geteuid() != 0:
        return []
    capabilities = "-dac_override,-dac_read_search"
    prefix = ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("root may write everywhere, and setpriv cannot take that away here")
    return prefix


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody may write into the folder, nor into those below."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for each in folders:
        each.chmod(0o555)
    try:
        yield
    finally:
        for each in folders:
            each.chmod(0o700)


@pytest.mark.parametrize(
    ("folder", "verb"), [("writer", WRITES), ("shown", WRITES), (".", WRITES), (".", ("sync",))]
)
def test_a_folder_that_may_not_be_written_is_told(
    program: Forked, folder: str, verb: tuple[str, ...]
) -> None:
    (program.home / "shown").mkdir()
    shown = Path(shutil.move(program.published, program.home / "shown" / "copy.duckdb"))
    program.env["BRAKET_ETL_WAREHOUSE"] = str(shown)
    found = shown.read_bytes()
    with read_only(program.home / folder):
        done = subprocess.run(
            [*bound_by_modes(), sys.executable, "-m", "braket_etl", *verb],
            env=program.environment(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert str(program.home) in done.stderr
    assert shown.read_bytes() == found
    program.ok(*WRITES)


# A warehouse of a newer version


def test_a_warehouse_of_a_newer_version_is_left_alone(program: Forked) -> None:
    newer: list[Any] = [999, "from_the_future", "2027-01-01", "9.0"]
    for path in (program.writer, program.published):
        path.chmod(0o600)
        with duckdb.connect(str(path)) as connection:
            connection.execute("INSERT INTO etl.migrations VALUES (?, ?, ?, ?)", newer)
    found = as_it_lies(program)
    for verb in (("sync",), WRITES):
        told(program.run(*verb), "migration 999", "upgrade braket_etl", "Nothing was changed")
    assert as_it_lies(program) == found
    looked = program.run("doctor")
    assert looked.returncode == 1
    assert "upgrade braket_etl" in looked.stdout
