"""PostgreSQL and Redis for tests: started in a folder and on a port of their own, gone at the end.

A test that needs one is skipped where its program is not installed, and fails there with BRAKET_ETL_REQUIRE_SERVERS=1.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

#: Read when the tests are loaded: the variables of ours are taken away from each test.
_REQUIRED = os.environ.get("BRAKET_ETL_REQUIRE_SERVERS") == "1"
_INITDB = ("-A", "scram-sha-256", "--no-sync", "--no-locale", "-E", "UTF8")
_PATIENCE = 60.0  # seconds until a server must answer


@dataclass(frozen=True)
class Postgres:
    """A server with one user, who may do everything."""

    port: int
    user: str = "braket"
    password: str = field(default="sesame", repr=False)
    host: str = "127.0.0.1"

    def conninfo(self, database: str) -> str:
        """What libpq takes."""
        return (
            f"dbname={database} host={self.host} port={self.port} user={self.user} password={self.password}"
        )

    def url(self, database: str) -> str:
        """The same as an address, which SQLAlchemy takes."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def new_database(self) -> str:
        """The name of a new, empty database."""
        import psycopg

        name = f"t{uuid4().hex[:12]}"
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as server:
            server.execute(f'CREATE DATABASE "{name}"')
        return name


@dataclass(frozen=True)
class RedisServer:
    """A server that keeps everything in memory, behind a password."""

    port: int
    password: str = field(default="sesame", repr=False)

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL; skips or fails the test where there is none."""
    initdb = _program("initdb", *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        server = Postgres(_free_port())
        secret = folder / "password"
        secret.write_text(server.password)
        for path in (folder, secret):
            _give_to_postgres(path)
        data = folder / "data"
        subprocess.run(
            [*_as_postgres(), initdb, "-D", data, "-U", server.user, f"--pwfile={secret}", *_INITDB],
            check=True,
            capture_output=True,
        )
        options = {
            "port": server.port,
            "listen_addresses": server.host,
            "unix_socket_directories": folder,
            "fsync": "off",
            "max_connections": 200,
        }
        command = [*_as_postgres(), initdb.with_name("postgres"), "-D", data]
        for option, value in options.items():
            command += ["-c", f"{option}={value}"]
        with _started(command, server.port):
            _wait_until_it_serves(server)
            yield server


def _wait_until_it_serves(server: Postgres) -> None:
    """It takes connections before it has started up, and refuses them."""
    import psycopg

    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            psycopg.connect(server.conninfo("postgres")).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextmanager
def redis() -> Iterator[RedisServer]:
    """A Redis; skips or fails the test where there is none."""
    program = _program("redis-server")
    server = RedisServer(_free_port())
    command = [program, "--port", server.port, "--bind", "127.0.0.1", "--requirepass", server.password]
    with (
        tempfile.TemporaryDirectory(prefix="redis-") as folder,
        _started([*command, "--save", "", "--dir", folder], server.port),
    ):
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for all tests of this process; a test takes a new database in it."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for all tests of this process."""
    with redis() as server:
        yield server


def _program(name: str, *folders: Path) -> Path:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))
    if found:
        return Path(found)
    if _REQUIRED:
        pytest.fail(f"{name} is not installed, and BRAKET_ETL_REQUIRE_SERVERS is set")
    pytest.skip(f"{name} is not installed")


@contextmanager
def _started(command: list[object], port: int) -> Iterator[None]:
    """The server as a process that answers on the port, and is stopped at the end."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + _PATIENCE
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"{command[0]} did not start: {log.read().decode()}")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _give_to_postgres(path: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)
