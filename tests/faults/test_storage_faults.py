"""A disk that is full, lies, or may not be written: a clear error, nothing overwritten, and a way back."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.faults import cases
from tests.faults.kills import Place
from tests.faults.program import Forked
from tests.faults.storage import DAMAGE, STORAGE, WRITES, Scenario, as_it_lies, flip, told

_STORAGE = ("no room in a merge", "writer not to be written, rejects", "a newer version")
_DAMAGE = (
    "file, middle",
    "file, and an older copy",
    "file gone",
    "copy, cut",
    "log, cut at 50%",
    "log, deleted",
    "log, whole",
)


@pytest.mark.parametrize("scenario", cases(STORAGE, _STORAGE))
def test_a_disk_that_cannot_be_written_loses_nothing(
    prepared: Place, tmp_path: Path, scenario: Scenario
) -> None:
    assert scenario(prepared, tmp_path / "at").lost == 0


@pytest.mark.parametrize("scenario", cases(DAMAGE, _DAMAGE))
def test_damage_is_noticed_and_there_is_a_way_back(
    prepared: Place, tmp_path: Path, scenario: Scenario
) -> None:
    assert scenario(prepared, tmp_path / "at").lost == 0


@pytest.fixture
def program(prepared: Place, tmp_path: Path) -> Forked:
    """A home in an older state, published."""
    return prepared.program(tmp_path)


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
