"""Maintenance: a bloated warehouse is written anew and nothing is lost on the way; old runs go with their files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import duckdb
import pytest

from braket_etl.orchestration.build import build_defs
from braket_etl.orchestration.instance import ready_instance
from braket_etl.orchestration.maintenance import forget_old_runs, remove_leftovers
from braket_etl.runtime import Runtime
from braket_etl.settings import load_settings
from braket_etl.warehouse.connection import Warehouse
from tests.conftest import Program
from tests.warehouses import empty_warehouse

#: The texts are unlike each other, so that compression does not leave a file too small to compact.
_TEXT = "array_to_string(list_transform(range(40), lambda j: md5((i * 40 + j)::VARCHAR)), '')"
_ROWS = f"SELECT 'run ' || i, 'sync', now(), 'success', {_TEXT} FROM range({{}}) AS t(i)"


@pytest.fixture
def bloated(tmp_path: Path) -> Warehouse:
    """A warehouse most of whose file is free."""
    warehouse = empty_warehouse(tmp_path)
    with warehouse.writing("filling") as connection:
        into = "INSERT INTO etl.runs (run_id, kind, started_at, outcome, summary)"
        connection.execute(f"{into} {_ROWS.format(20_000)}")
    with warehouse.writing("emptying") as connection:
        connection.execute("DELETE FROM etl.runs WHERE substring(run_id, 5)::INTEGER >= 500")
        connection.execute("CHECKPOINT")
        connection.execute("ANALYZE")
    return warehouse


def contents(warehouse: Warehouse) -> list[object]:
    with warehouse.writing("looking") as connection:
        return [
            connection.execute("SELECT count(*), min(summary), max(summary) FROM etl.runs").fetchall(),
            connection.execute("SELECT table_name, sql, comment FROM duckdb_tables() ORDER BY 1").fetchall(),
            connection.execute(
                "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
            ).fetchall(),
            connection.execute(
                "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
            ).fetchall(),
            connection.execute("SELECT * FROM etl.migrations").fetchall(),
        ]


def shrunk(warehouse: Warehouse) -> bool:
    return warehouse.compact(bloat=0.3, least_bytes=2**20).was_done


@pytest.mark.warehouse
def test_a_bloated_file_shrinks_and_holds_the_same(bloated: Warehouse) -> None:
    before = contents(bloated)
    done = bloated.compact(bloat=0.3, least_bytes=2**20)
    assert done.was_done
    assert done.after < done.before / 2
    assert bloated.file.stat().st_size == done.after
    assert bloated.file.stat().st_mode & 0o777 == 0o600
    assert contents(bloated) == before
    assert [path.name for path in bloated.folder.glob("*compacted*")] == []
    again = bloated.compact(bloat=0.3, least_bytes=2**20)
    assert not again.was_done


@pytest.mark.warehouse
def test_a_file_that_is_in_use_as_it_should_be_is_left_alone(bloated: Warehouse) -> None:
    before = bloated.file.stat()
    assert not bloated.compact().was_done  # so few bytes are not worth it
    assert bloated.file.stat().st_ino == before.st_ino


_KILLED = """
import os, signal, sys, threading
from pathlib import Path
from braket_etl.warehouse.file import FileWarehouse

def die(*_): os.kill(os.getpid(), signal.SIGKILL)
replace = Path.replace
def replaced_then_die(self, target):
    if "compacted" not in self.name: return replace(self, target)
    replace(self, target); die()
def die_instead(self, target):
    die() if "compacted" in self.name else replace(self, target)
moment = sys.argv[2]
if moment == "copied": os.fsync = die
if moment == "synced": Path.replace = die_instead
if moment == "replaced": Path.replace = replaced_then_die
home = Path(sys.argv[1])
def die_when_begun():
    while not any(path.stat().st_size for path in (home / "writer").glob("*compacted*")): pass
    die()
if moment == "copying": threading.Thread(target=die_when_begun, daemon=True).start()
FileWarehouse(home / "writer", home / "warehouse.duckdb").compact(bloat=0.3, least_bytes=2**20)
"""


@pytest.mark.warehouse
@pytest.mark.parametrize("moment", ["copying", "copied", "synced", "replaced"])
def test_killed_at_any_moment_nothing_is_lost(bloated: Warehouse, moment: str) -> None:
    before = contents(bloated)
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(bloated.folder.parent), moment],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert contents(bloated) == before
    assert shrunk(bloated) is (moment != "replaced")
    assert contents(bloated) == before
    assert [path.name for path in bloated.folder.glob("*compacted*")] == []


@pytest.mark.warehouse
def test_a_disk_without_room_changes_nothing(bloated: Warehouse) -> None:
    from braket_etl.warehouse import compact as compacting
    from braket_etl.warehouse.errors import NoSpaceError

    inode = bloated.file.stat().st_ino
    usage = compacting.shutil.disk_usage(bloated.folder)
    with (
        patch.object(compacting.shutil, "disk_usage", lambda _: usage._replace(free=1000)),
        pytest.raises(NoSpaceError, match="MB free"),
    ):
        shrunk(bloated)
    assert bloated.file.stat().st_ino == inode


@dg.job
def a_job() -> None:
    """A run with nothing in it."""


def test_old_runs_go_with_their_files_but_not_what_makes_a_day_green(pulled: Program) -> None:
    settings = load_settings(home=pulled.home)
    with patch.dict(os.environ, {"DAGSTER_HOME": f"{pulled.home}/dagster"}):
        instance = ready_instance(settings)
    [sync] = instance.get_run_ids()
    empty = [a_job.execute_in_process(instance=instance).run_id for _ in range(3)]
    green = instance.get_materialized_partitions(dg.AssetKey("quantum_tasks"))
    storage, logs = pulled.home / "dagster" / "storage", pulled.home / "dagster" / "history" / "runs"
    assert (storage / empty[0]).is_dir()
    assert forget_old_runs(instance) == 0  # none is old
    assert forget_old_runs(instance, keep_days=0, keep_runs=1) == 2
    assert set(instance.get_run_ids()) == {sync, empty[2]}
    assert instance.get_materialized_partitions(dg.AssetKey("quantum_tasks")) == green != set()
    assert not (storage / empty[0]).exists()
    assert {path.stem for path in logs.glob("*.db")} == {sync, empty[2], "index"}
    leftover = storage / "00000000-0000-4000-8000-000000000000"
    leftover.mkdir()
    assert remove_leftovers(instance) == 0  # it may belong to a run that begins right now
    yesterday = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(leftover, (yesterday, yesterday))
    assert remove_leftovers(instance) == 1
    assert not leftover.exists()


def test_the_verb_and_the_nightly_job_do_it(pulled: Program) -> None:
    with duckdb.connect(str(pulled.writer)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        into = "INSERT INTO etl.runs (run_id, kind, started_at, outcome, summary)"
        connection.execute(f"{into} {_ROWS.format(60_000)}")
        connection.execute("CHECKPOINT")
        connection.execute("DELETE FROM etl.runs WHERE run_id LIKE 'run %'")
    before, size = pulled.contents(), pulled.writer.stat().st_size
    assert "MB, after" in pulled.run("maintain").stderr
    assert pulled.writer.stat().st_size < size / 2
    assert pulled.published.stat().st_size == pulled.writer.stat().st_size
    assert pulled.contents() == before
    with patch.dict(os.environ, {"DAGSTER_HOME": f"{pulled.home}/dagster"}):
        runtime = Runtime(flags={"home": pulled.home})
        job = build_defs(runtime=runtime).resolve_job_def("maintain")
        assert job.execute_in_process(instance=ready_instance(runtime.settings)).success
    assert pulled.contents() == before


def test_before_the_first_pull_there_is_nothing_to_do(program: Program) -> None:
    done = program.run("maintain")
    assert done.returncode == 0, done.stderr
    assert "no warehouse yet" in done.stderr
    assert not program.writer.exists()
