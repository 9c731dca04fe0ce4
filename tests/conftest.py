"""What the tests share: a home of their own, the emulator, and the program run as a user would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import filelock
import pytest
from hypothesis import HealthCheck, settings

from braket_emulator import Emulator, running
from tests.forks import begun

if TYPE_CHECKING:
    from tests.receivers import Hook

# The machine may be busy; how long an example takes says nothing about the product.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

#: By marker, the fixtures that ask for what it names.
_ASKED_FOR = {
    "slow": {"program", "pulled", "pulled_home", "demo_home", "demo", "in_file", "in_lake"},
    "browser": {"browser"},
    "cluster": {"postgres_server", "redis_server"},
}


#: The files that take longest (`pytest --durations=0`), the longest first, so that no worker is left alone with one.
_LONGEST = (
    "test_concurrency test_process_faults test_api_faults test_stopping test_lake test_sync test_accounts test_wanted "
    "test_backfill test_histories test_storage_faults test_concurrency_faults test_dagster_ui test_security "
    "test_last_word test_wheel test_report"
)

#: Where files lie in memory, and how much must be free there for those of all tests.
_MEMORY, _ENOUGH = Path("/dev/shm"), 10 << 30


def pytest_configure() -> None:
    """Lay what tests write into memory where there is room: thousands of small databases then wait for no disk."""
    if "TMPDIR" not in os.environ and _has_room(_MEMORY):
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores, since most tests wait for a process or a browser now and then."""
    return (os.cpu_count() or 1) + 1


def _has_room(folder: Path) -> bool:
    """Whether it is a place in memory, with room in both, from which programs may be started."""
    try:
        about = os.statvfs(folder)
        told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = min(about.f_bavail * about.f_frsize, int(told["MemAvailable"].split()[0]) << 10)
    except (OSError, KeyError, ValueError):  # no Linux
        return False
    return free >= _ENOUGH and not about.f_flag & os.ST_NOEXEC


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the fixtures that it asks for, and the injected faults as slow; put the longest files first."""
    place = {name: number for number, name in enumerate(_LONGEST.split())}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for marker, asked_for in _ASKED_FOR.items():
            if fixtures & asked_for:
                item.add_marker(marker)
        if item.path.parent.name == "faults":
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting and no credential of whoever runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith(("BRAKET_ETL_", "AWS_", "DAGSTER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@dataclass
class Program:
    """braket-etl in a home of its own, run in a process of its own."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def published(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def writer(self) -> Path:
        return self.home / "writer" / "warehouse.duckdb"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {
            **os.environ,
            "BRAKET_ETL_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
            "NO_COLOR": "1",
            "BRAKET_ETL_PRICE_LIST": "off",
            **self.env,
            **(more or {}),
        }

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> Any:
        """How a command ended and what it said; `prefix` is a program that runs it."""
        if not prefix:
            return begun(arguments, self.environment(env), cwd=cwd).ended()
        return subprocess.run(
            [*prefix, sys.executable, "-m", "braket_etl", *arguments],
            env=self.environment(env),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )

    def start(
        self, *arguments: str, stdout: int = subprocess.DEVNULL, stderr: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "braket_etl", *arguments],
            env=self.environment(),
            stdout=stdout,
            stderr=stderr,
        )

    def ok(self, *arguments: str, **options: Any) -> str:
        done = self.run(*arguments, **options)
        assert done.returncode == 0, done.stderr + done.stdout
        return str(done.stdout)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.published), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(query).fetchall()

    def one(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def contents(self, *but: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table of schema main, in order, without some columns."""
        dropped = ", ".join(("fetched_at", "first_seen_at", *but))
        found = {}
        with duckdb.connect(str(self.published), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            tables = connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'"
            ).fetchall()
            for (table,) in tables:
                have = {c for (c, *_) in connection.execute(f'DESCRIBE "{table}"').fetchall()}
                exclude = ", ".join(sorted(have & set(dropped.split(", "))))
                columns = f"* EXCLUDE ({exclude})" if exclude else "*"
                found[table] = connection.execute(f'SELECT {columns} FROM "{table}" ORDER BY ALL').fetchall()
        return found


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "home")


def once_for_all_workers(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], str]
) -> tuple[Path, str]:
    """A folder that the first worker who asks makes; and what `make` said. It is only read: copy it to change it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / name, shared / f"{name}.done"
    with filelock.FileLock(shared / f"{name}.lock"):
        if not done.exists():
            done.write_text(make(folder), "utf-8")
    return folder, done.read_text("utf-8")


#: A small account whose clock stands still, without quotas; and from when on it is pulled.
SMALL = {
    "tasks": 300,
    "jobs": 12,
    "days": 12,
    "seed": 11,
    "now": NOW,
    "frozen": True,
    "quotas": False,
}
SMALL_SINCE = {"BRAKET_ETL_START_DATE": "2026-11-08"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """The small account."""
    with running(**SMALL) as started:
        yield started


@pytest.fixture(scope="session")
def pulled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which everything of the small account was pulled once, made once for all workers."""

    def make(folder: Path) -> str:
        with running(**SMALL) as started:
            return Program(folder, {**started.env(), **SMALL_SINCE}).ok("sync")

    return once_for_all_workers(tmp_path_factory, "pulled", make)[0]


@pytest.fixture
def pulled(program: Program, pulled_home: Path, emulator: Emulator) -> Program:
    """A home into which everything was pulled once, and the emulator as it was."""
    emulator.set_faults([])
    emulator.set_clock(now=NOW, rate=0)
    emulator.reset_stats()
    program.env = {**emulator.env(), **SMALL_SINCE}
    shutil.copytree(pulled_home, program.home)
    return program


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A web hook that keeps what it is told."""
    from tests.receivers import open_hook

    with open_hook() as opened:
        yield opened


def name_creators(connection: duckdb.DuckDBPyConnection, *people: str) -> None:
    """Say that these people created the tasks and jobs by turns, and of as many that nobody is named for them."""
    turns = [*people, None]
    connection.execute(
        """
        UPDATE jobs SET created_by = $turns[1 + turn % len($turns)] FROM (
            SELECT job_arn AS arn, row_number() OVER (ORDER BY is_terminal, created_at, job_arn) AS turn FROM jobs
        ) WHERE job_arn = arn
        """,
        {"turns": turns},
    )
    connection.execute(
        """
        UPDATE quantum_tasks SET created_by = $turns[1 + turn % len($turns)] FROM (
            SELECT
                quantum_task_arn AS arn,
                row_number() OVER (ORDER BY is_terminal, device_type, created_at, quantum_task_arn) AS turn
            FROM quantum_tasks WHERE job_arn IS NULL
        ) WHERE quantum_task_arn = arn
        """,
        {"turns": turns},
    )
    connection.execute(
        "UPDATE quantum_tasks AS t SET created_by = j.created_by FROM jobs AS j WHERE j.job_arn = t.job_arn"
    )


def as_json(text: str) -> Any:
    return json.loads(text)
