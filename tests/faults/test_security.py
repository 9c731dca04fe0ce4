"""No secret is left behind, nobody else may read what is written, and nobody outside can reach what listens."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import sqlite3
import stat
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from braket_emulator import Emulator
from tests.conftest import Program
from tests.faults.canary import ALL, SECRETS, SETTINGS, TAG, Tagged, nothing_left_behind, tagged
from tests.faults.leaks import leaks
from tests.processes import serving, wait_for
from tests.receivers import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tagged]:
    with tagged(tmp_path_factory.mktemp("tagged")) as served:
        yield served


@pytest.fixture
def account(at: Tagged) -> Emulator:
    """Without faults."""
    at.emulator.set_faults([])
    return at.emulator


def test_a_secret_is_found_however_it_is_written(tmp_path: Path) -> None:
    """That the search below finds nothing must mean something."""
    plain = {
        "plain": TAG,
        "address": f"user:{SECRETS['AWS_SECRET_ACCESS_KEY']}@".replace("/", "%2F").replace("+", "%2B"),
    }
    for name, content in plain.items():
        (tmp_path / name).write_text(content)
    for before in range(3):
        (tmp_path / f"base64-{before}").write_bytes(base64.b64encode(b"x" * before + TAG.encode() + b"tail"))
    with duckdb.connect(str(tmp_path / "warehouse")) as connection:
        connection.execute("CREATE TABLE t AS SELECT MAP {'k': ?} AS tags FROM range(5000)", [TAG])
    with sqlite3.connect(tmp_path / "runs.db") as history:
        history.execute("CREATE TABLE t (body BLOB)")
        history.execute("INSERT INTO t VALUES (?)", [zlib.compress(f"some {TAG} body".encode())])
    (tmp_path / "clean").write_text("canary")
    found = {Path(leak.split(": ")[0]).name for leak in leaks(ALL, [tmp_path])}
    assert found >= {"plain", "base64-0", "base64-1", "base64-2", "warehouse", "runs.db"}
    assert "clean" not in found


def test_no_secret_is_left_behind(at: Tagged, tmp_path: Path) -> None:
    outcome = nothing_left_behind(at, tmp_path / "at")
    assert outcome.searched > 50
    assert outcome.lost == 0


def test_a_tag_that_is_listed_again_stays_struck_out(program: Program, at: Tagged, account: Emulator) -> None:
    """A search tells the tags of records that are not fetched again; those pass the same patterns."""
    program.env = {**account.env(), **SETTINGS}
    program.ok("sync", env={"BRAKET_ETL_REDACT": "off"})
    query = f"SELECT DISTINCT tags['db_password'] FROM quantum_tasks WHERE quantum_task_arn IN {at.arns}"
    assert program.one(query) == TAG
    program.ok("sync")
    assert program.one(query) == "[redacted]"
    program.ok("sync")
    assert program.one(query) == "[redacted]"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_nobody_else_may_read_what_is_written(
    program: Program, account: Emulator, tmp_path: Path, umask: int
) -> None:
    program.env = {**account.env(), **SETTINGS}
    before = os.umask(umask)
    try:
        program.ok("sync")
        program.ok("rejects", "purge", "--yes")
        program.ok("report", "--output", str(tmp_path / "report.html"))
        program.ok("export", "csv", "--output", str(tmp_path / "csv"))
    finally:
        os.umask(before)
    assert mode(program.published) == 0o440
    assert mode(program.home) == 0o700
    assert (mode(tmp_path / "report.html"), mode(tmp_path / "csv") & 0o027) == (0o600, 0)
    for path in program.home.rglob("*"):
        assert path == program.published or not mode(path) & 0o077, f"{mode(path):o} {path}"


def test_the_group_reads_the_published_copy_and_nothing_else(program: Program, account: Emulator) -> None:
    grp = pytest.importorskip("grp")
    group = grp.getgrgid(os.getgroups()[-1] if os.getgroups() else os.getgid()).gr_name
    program.env = {**account.env(), **SETTINGS, "BRAKET_ETL_GROUP": group}
    program.ok("sync")
    assert (mode(program.published), program.published.group()) == (0o440, group)
    assert (mode(program.home), program.home.group()) == (0o750, group)
    for path in program.home.rglob("*"):
        assert not mode(path) & 0o007, path
    assert (
        mode(program.home / "writer")
        == mode(program.home / "dagster")
        == mode(program.home / "budget")
        == 0o700
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are read from /proc")
@pytest.mark.parametrize("server", ["ui", "dashboard", "emulator"])
def test_servers_listen_on_this_machine_only(program: Program, server: str) -> None:
    port = free_port()
    with serving(program, server, "--port", str(port)) as process:
        wait_for(
            lambda: process.poll() is not None or port in ports(listening(process.pid)), f"{server} listens"
        )
        addresses = listening(process.pid)
        assert port in ports(addresses)
        assert {address for address, _ in addresses} <= {"127.0.0.1", "::1"}


def ports(addresses: set[tuple[str, int]]) -> set[int]:
    return {port for _, port in addresses}


def listening(session: int) -> set[tuple[str, int]]:
    """Address and port of each TCP socket on which a process of the session listens."""
    inodes = {inode for pid in processes(session) for inode in sockets(pid)}
    found = set()
    for table, width in (("tcp", 4), ("tcp6", 16)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            (
                _,
                local,
                _,
                state,
                *_,
            ) = line.split()[:10]
            if state == "0A" and line.split()[9] in inodes:
                address, port = local.split(":")
                found.add((readable(bytes.fromhex(address), width), int(port, 16)))
    return found


def readable(address: bytes, width: int) -> str:
    """An address as /proc writes it, each four bytes turned around."""
    turned = b"".join(address[n : n + 4][::-1] for n in range(0, width, 4))
    return str(ipaddress.ip_address(turned))


def processes(session: int) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            yield int(folder.name)


def sockets(pid: int) -> Iterator[str]:
    try:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            if match := re.fullmatch(r"socket:\[(\d+)\]", str(handle.readlink())):
                yield match[1]
    except OSError:
        return


def test_each_rule_of_security_that_is_left_out_is_argued() -> None:
    """ruff's S rules are bandit's; docs/security.md names the file and the rule of each exception, and no other."""
    text = (ROOT / "docs" / "security.md").read_text()
    said = set(re.findall(r"^\| `([^`]+)` \| (S\d*) \|", text, re.MULTILINE))
    found = {
        (str(path.relative_to(ROOT)), rule)
        for package in ("braket_etl", "braket_emulator")
        for path in (ROOT / package).rglob("*.py")
        for noted in re.findall(r"# noqa: (.*)", path.read_text())
        for rule in re.findall(r"\bS\d{3}\b", noted)
    }
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    left_out = {"pyproject.toml": lint["ignore"], **lint["per-file-ignores"]}
    found |= {
        (place, rule) for place, rules in left_out.items() for rule in rules if re.fullmatch(r"S\d*", rule)
    }
    assert said == found
