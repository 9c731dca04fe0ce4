"""The published copy: whole at every moment, and exactly what the writer holds."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.errors import DamagedError, NoSpaceError, NotPublishedError, WarehouseError
from braket_etl.warehouse.publish import publish
from tests.integration.test_upsert import load, many
from tests.warehouses import empty_warehouse

pytestmark = pytest.mark.warehouse

_ANALYST = """
import duckdb, os, signal, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("DELETE FROM quantum_tasks WHERE quantum_task_arn LIKE '%00_'")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return empty_warehouse(tmp_path, tmp_path / "copy" / "warehouse.duckdb")


def fill_and_publish(warehouse: Warehouse, first: int, last: int) -> None:
    with warehouse.writing("testing") as connection:
        load(connection, *many(range(first, last)))
        publish(warehouse, connection)


def count(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()
    return int(found[0][0])


def test_the_copy_holds_what_the_writer_holds_and_cannot_be_written(warehouse: Warehouse) -> None:
    fill_and_publish(warehouse, 0, 20)
    assert count(warehouse.published) == 20
    assert stat.S_IMODE(warehouse.published.stat().st_mode) == 0o440
    assert stat.S_IMODE(warehouse.file.stat().st_mode) == 0o600
    assert [path.name for path in warehouse.published.parent.iterdir()] == ["warehouse.duckdb"]


def test_what_an_analyst_changed_in_the_copy_before_being_killed_is_gone_at_the_next_publish(
    warehouse: Warehouse,
) -> None:
    fill_and_publish(warehouse, 0, 100)
    warehouse.published.chmod(0o600)  # root, as in many containers, is not stopped by the mode
    killed = subprocess.run([sys.executable, "-c", _ANALYST, str(warehouse.published)], check=False)
    assert killed.returncode == -signal.SIGKILL
    log = warehouse.published.with_name("warehouse.duckdb.wal")
    assert log.exists(), "the analyst left a log, or this test shows nothing"
    assert count(warehouse.published) < 100
    fill_and_publish(warehouse, 100, 110)
    assert not log.exists()
    assert count(warehouse.published) == 110


def test_whoever_has_the_old_copy_open_keeps_it(warehouse: Warehouse) -> None:
    fill_and_publish(warehouse, 0, 10)
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys\n"
            "c = duckdb.connect(sys.argv[1], read_only=True)\n"
            "print('open', flush=True); sys.stdin.readline()\n"
            "print(c.execute('SELECT count(*) FROM quantum_tasks').fetchall()[0][0])",
            str(warehouse.published),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "open\n"
    fill_and_publish(warehouse, 10, 20)
    said, _ = reader.communicate("\n", timeout=600)
    assert said == "10\n"
    assert count(warehouse.published) == 20


def test_a_copy_that_is_not_what_the_writer_holds_is_not_shown(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_and_publish(warehouse, 0, 10)

    def half_a_copy(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])

    monkeypatch.setattr(shutil, "copyfile", half_a_copy)
    with pytest.raises(DamagedError, match="old one stays"):
        fill_and_publish(warehouse, 10, 20)
    assert count(warehouse.published) == 10
    assert [path.name for path in warehouse.published.parent.iterdir()] == ["warehouse.duckdb"]


def test_a_disk_without_room_is_told_before_anything_is_copied(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_and_publish(warehouse, 0, 10)
    usage = shutil.disk_usage(warehouse.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(NoSpaceError, match="MB free"):
        fill_and_publish(warehouse, 10, 20)
    assert count(warehouse.published) == 10


def test_a_database_of_someone_else_is_never_overwritten(warehouse: Warehouse) -> None:
    warehouse.published.parent.mkdir()
    with duckdb.connect(str(warehouse.published)) as theirs:
        theirs.execute("CREATE TABLE precious AS SELECT 1 AS one")
    with pytest.raises(WarehouseError, match="not overwritten"):
        fill_and_publish(warehouse, 0, 10)
    warehouse.published.unlink()
    warehouse.published.write_text("a letter")
    with pytest.raises(WarehouseError, match="not overwritten"):
        fill_and_publish(warehouse, 0, 10)
    assert warehouse.published.read_text() == "a letter"


def test_reading_before_the_first_publish_says_what_to_do(warehouse: Warehouse) -> None:
    with pytest.raises(NotPublishedError, match="braket-etl sync"), warehouse.reading():
        pass
