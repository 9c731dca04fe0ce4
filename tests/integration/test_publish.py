"""The published copy: whole at every moment, and exactly what the writer holds."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pytest
import time_machine

from braket_etl.warehouse.copying import BLOCK, HEADERS, copied
from braket_etl.warehouse.errors import DamagedError, NoSpaceError, NotPublishedError, WarehouseError
from braket_etl.warehouse.file import FileWarehouse
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
def warehouse(tmp_path: Path) -> FileWarehouse:
    return empty_warehouse(tmp_path, tmp_path / "copy" / "warehouse.duckdb")


def fill_and_publish(warehouse: FileWarehouse, first: int, last: int) -> None:
    with warehouse.writing("testing") as connection:
        load(connection, *many(range(first, last)))
        publish(warehouse, connection)


def count(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()
    return int(found[0][0])


def test_the_copy_holds_what_the_writer_holds_and_cannot_be_written(warehouse: FileWarehouse) -> None:
    fill_and_publish(warehouse, 0, 20)
    assert count(warehouse.published) == 20
    assert stat.S_IMODE(warehouse.published.stat().st_mode) == 0o440
    assert stat.S_IMODE(warehouse.file.stat().st_mode) == 0o600
    assert [path.name for path in warehouse.published.parent.iterdir()] == ["warehouse.duckdb"]


def test_what_an_analyst_changed_in_the_copy_before_being_killed_is_gone_at_the_next_publish(
    warehouse: FileWarehouse,
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


def test_whoever_has_the_old_copy_open_keeps_it(warehouse: FileWarehouse) -> None:
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


def _half(copy: Path) -> None:
    os.truncate(copy, copy.stat().st_size // 2)


def _flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "lie",
    [
        _half,
        partial(_flip, place=100),
        partial(_flip, place=HEADERS),
        partial(_flip, place=HEADERS + BLOCK + 70_000),
        partial(_flip, place=-1),
        lambda copy: copy.write_bytes(copy.read_bytes() + b"more"),
    ],
)
def test_a_copy_that_is_not_what_the_writer_holds_is_not_shown(
    warehouse: FileWarehouse, monkeypatch: pytest.MonkeyPatch, lie: Callable[[Path], object]
) -> None:
    fill_and_publish(warehouse, 0, 10)

    def copied_by_a_disk_that_lies(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())
        lie(target)

    monkeypatch.setattr(shutil, "copyfile", copied_by_a_disk_that_lies)
    monkeypatch.setattr(fcntl, "ioctl", not_supported)  # a clone is no copy
    with pytest.raises(DamagedError, match=r"not what was copied.*old one stays"):
        fill_and_publish(warehouse, 10, 20)
    assert count(warehouse.published) == 10
    assert [path.name for path in warehouse.published.parent.iterdir()] == ["warehouse.duckdb"]


def not_supported(*_: object) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def blocks_of(file: Path, table: str) -> list[int]:
    """Where the blocks of a table begin."""
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(
            "SELECT DISTINCT block_id FROM pragma_storage_info(?) WHERE persistent AND block_id >= 0 ORDER BY 1",
            [table],
        ).fetchall()
    return [HEADERS + block * BLOCK for (block,) in found]


@pytest.fixture
def with_more(warehouse: FileWarehouse) -> FileWarehouse:
    """A published warehouse with a table that nothing reads but reading through."""
    with warehouse.writing("testing") as connection:
        load(connection, *many(range(10)))
        connection.execute("CREATE TABLE more AS SELECT md5(i::VARCHAR) AS text FROM range(50_000) AS r(i)")
        publish(warehouse, connection)
    return warehouse


def test_a_block_that_the_disk_has_changed_is_never_published(with_more: FileWarehouse) -> None:
    published = with_more.published.read_bytes()
    _flip(with_more.file, blocks_of(with_more.file, "more")[-1] + 5000)
    with (
        pytest.raises(DamagedError, match="its copy cannot be read"),
        with_more.writing("testing") as connection,
    ):
        publish(with_more, connection)
    assert with_more.published.read_bytes() == published


def test_what_lies_in_no_table_holds_nothing_back(with_more: FileWarehouse) -> None:
    with with_more.file.open("ab") as file:
        file.write(b"begun by a writer that was killed")
    fill_and_publish(with_more, 10, 20)
    assert count(with_more.published) == 20


def test_every_block_begins_with_the_checksum_that_is_looked_at(
    with_more: FileWarehouse, tmp_path: Path
) -> None:
    assert copied(with_more.file, tmp_path / "another")
    for n, place in enumerate(blocks_of(with_more.file, "more")):
        damaged = Path(shutil.copyfile(with_more.file, tmp_path / f"damaged {n}"))
        _flip(damaged, place + 8 + n)
        assert not copied(damaged, tmp_path / f"copy of {n}")


def forge(file: Path, table: str) -> None:
    """Put nonsense into the last block of a table, with its right checksum, as a mistake of DuckDB's might."""
    content = bytearray(file.read_bytes())
    words = np.frombuffer(content, np.uint64, BLOCK // 8, blocks_of(file, table)[-1])
    words[1:] = 2**64 - 1
    words[0] = np.bitwise_xor.reduce(words[1:] * np.uint64(0xBF58476D1CE4E5B9)) ^ np.uint64(5381)
    file.write_bytes(content)


_KILLED = """
import os, signal, sys
from pathlib import Path
from braket_etl.warehouse.file import FileWarehouse
with FileWarehouse(Path(sys.argv[1]), Path(sys.argv[2])).writing("testing") as connection:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(warehouse: FileWarehouse) -> None:
    command = [sys.executable, "-c", _KILLED, str(warehouse.folder), str(warehouse.published)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


def failed(warehouse: FileWarehouse) -> None:
    with pytest.raises(duckdb.Error), warehouse.writing("testing") as connection:
        connection.execute("FROM nowhere")


def upgraded(warehouse: FileWarehouse) -> None:
    note = warehouse.folder / "read_through"
    note.write_text(note.read_text().replace(duckdb.__version__, "1.4.0"))


def unequal(warehouse: FileWarehouse) -> None:
    with warehouse.writing("testing") as connection:
        load(connection, *many(range(10, 20)))
        assert warehouse.differences(connection)


def found_damaged(warehouse: FileWarehouse) -> None:
    assert warehouse.damage()


def tomorrow(_: FileWarehouse) -> None:
    """Nothing but another day."""


@pytest.mark.parametrize("trouble", [killed, failed, upgraded, unequal, found_damaged, tomorrow])
def test_every_value_is_read_once_a_day_and_after_trouble(
    with_more: FileWarehouse, trouble: Callable[[FileWarehouse], None]
) -> None:
    with time_machine.travel(datetime.now(UTC)) as clock:
        with with_more.writing("testing") as connection:
            publish(with_more, connection)
        forge(with_more.file, "more")
        with with_more.writing("testing") as connection:
            publish(with_more, connection)  # its blocks are sound, and every value was read today
        trouble(with_more)
        if trouble is tomorrow:
            clock.shift(timedelta(days=1))
        with (
            pytest.raises(DamagedError, match="its copy cannot be read"),
            with_more.writing("testing") as connection,
        ):
            publish(with_more, connection)


def test_a_disk_without_room_is_told_before_anything_is_copied(
    warehouse: FileWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_and_publish(warehouse, 0, 10)
    usage = shutil.disk_usage(warehouse.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(NoSpaceError, match="MB free"):
        fill_and_publish(warehouse, 10, 20)
    assert count(warehouse.published) == 10


def test_a_database_of_someone_else_is_never_overwritten(warehouse: FileWarehouse) -> None:
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


def test_reading_before_the_first_publish_says_what_to_do(warehouse: FileWarehouse) -> None:
    with pytest.raises(NotPublishedError, match="braket-etl sync"), warehouse.reading():
        pass
