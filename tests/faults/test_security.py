"""No secret is left behind, nobody else may read what is written, and nobody outside can reach what listens."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest

from braket_etl.emulator import Emulator, running
from tests.conftest import NOW, Program
from tests.faults.leaks import leaks
from tests.integration.daemons import wait_for
from tests.receivers import free_port

ROOT = Path(__file__).parents[2]
#: Made up, and put together here so that no scanner takes this file for a leak.
ACCESS_KEY = "AKIA" + "CANARYCANARY2345"
SECRETS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": "canary-secret/key+of/40=characters-exactly",
    "AWS_SESSION_TOKEN": "canary-session-token//+" * 8,
}
EXTERNAL_ID = "canary-external-id-of-finance"
NOTIFY = "canary-notify-password"
LIST_PASSWORD = "canary-price-list-password"
TAG = "canary-password-in-a-tag"
ALL = (*SECRETS.values(), EXTERNAL_ID, NOTIFY, LIST_PASSWORD, TAG)


@pytest.fixture(scope="module")
def account() -> Iterator[Emulator]:
    with running(
        tasks=40, jobs=4, days=2, seed=3, regions=["us-east-1"], now=NOW, frozen=True, quotas=False
    ) as served:
        yield served


@pytest.fixture(scope="module")
def tagged(account: Emulator) -> list[str]:
    """ARNs of two tasks with a password among their tags."""
    env = account.env()
    client = boto3.client(
        "braket",
        region_name="us-east-1",
        endpoint_url=env["AWS_ENDPOINT_URL_BRAKET"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key="dummy",
    )
    request = {
        "deviceArn": "arn:aws:braket:::device/quantum-simulator/amazon/sv1",
        "shots": 10,
        "outputS3Bucket": "amazon-braket-ours",
        "outputS3KeyPrefix": "mine",
        "action": '{"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}, '
        '"source": "OPENQASM 3.0;\\nqubit[1] q;\\nh q[0];\\n"}',
        "tags": {"db_password": TAG, "team": "chemistry"},
    }
    return [client.create_quantum_task(**request)["quantumTaskArn"] for _ in range(2)]


def with_secrets(program: Program, account: Emulator) -> None:
    program.env = {
        **account.env(),
        **SECRETS,
        "BRAKET_ETL_REGIONS": "us-east-1",
        "BRAKET_ETL_START_DATE": "2026-11-18",
        "BRAKET_ETL_NOTIFY": f"json://user:{NOTIFY}@127.0.0.1:{free_port()}/path",
        "BRAKET_ETL_PRICE_LIST": f"http://user:{LIST_PASSWORD}@127.0.0.1:{free_port()}/list.json",
    }


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


def test_no_secret_is_left_behind(
    program: Program, account: Emulator, tagged: list[str], tmp_path: Path
) -> None:
    with_secrets(program, account)
    said = tmp_path / "said"
    said.mkdir()

    def run(*arguments: str, env: dict[str, str] | None = None) -> Any:
        done = program.run(*arguments, env=env)
        (said / f"{len(list(said.iterdir()))} {arguments[0]}").write_text(done.stdout + done.stderr)
        assert "Traceback" not in done.stderr
        return done

    account.set_faults([{"kind": "wrong_type", "arns": [tagged[1]]}])
    assert run("sync").returncode == 0
    assert program.one("SELECT count(*) FROM etl.rejected_records") == 1
    assert program.rows(f"SELECT tags FROM quantum_tasks WHERE quantum_task_arn = '{tagged[0]}'") == [
        ({"db_password": "[redacted]", "team": "chemistry"},)
    ]
    account.set_faults([{"kind": "expired_token"}])
    assert run("sync").returncode == 1
    account.set_faults([])
    roles = [
        {"name": "finance", "role_arn": "arn:aws:iam::111122223333:role/reader", "external_id": EXTERNAL_ID}
    ]
    elsewhere = {
        "BRAKET_ETL_ACCOUNTS": json.dumps(roles),
        "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{free_port()}",
    }
    assert run("sync", env=elsewhere).returncode != 0
    run("doctor")
    run("doctor", "--json", env=elsewhere)
    for arguments in (
        ("status", "--json"),
        ("report", "--output", str(tmp_path / "report.html")),
        ("export", "parquet", "--output", str(tmp_path / "parquet")),
        ("export", "csv", "--output", str(tmp_path / "csv")),
        ("sql", "FROM quantum_tasks", "--format", "json"),
        ("rejects", "show", tagged[1]),
    ):
        assert run(*arguments).returncode == 0, arguments
    assert run("prices", "refresh").returncode == 1
    assert leaks(ALL, [tmp_path]) == []


def test_a_tag_that_is_listed_again_stays_struck_out(
    program: Program, account: Emulator, tagged: list[str]
) -> None:
    """A search tells the tags of records that are not fetched again; those pass the same patterns."""
    account.set_faults([])
    program.env = {**account.env(), "BRAKET_ETL_REGIONS": "us-east-1", "BRAKET_ETL_START_DATE": "2026-11-18"}
    program.ok("sync", env={"BRAKET_ETL_REDACT": "off"})
    query = (
        f"SELECT DISTINCT tags['db_password'] FROM quantum_tasks WHERE quantum_task_arn IN {tuple(tagged)}"
    )
    assert program.one(query) == TAG
    program.ok("sync")
    assert program.one(query) == "[redacted]"
    program.ok("sync")
    assert program.one(query) == "[redacted]"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_nobody_else_may_read_what_is_written(
    program: Program, account: Emulator, tmp_path: Path, umask: int
) -> None:
    account.set_faults([])
    program.env = {**account.env(), "BRAKET_ETL_REGIONS": "us-east-1", "BRAKET_ETL_START_DATE": "2026-11-18"}
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
    program.env = {
        **account.env(),
        "BRAKET_ETL_REGIONS": "us-east-1",
        "BRAKET_ETL_START_DATE": "2026-11-18",
        "BRAKET_ETL_GROUP": group,
    }
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
@pytest.mark.parametrize("server", ["ui", "emulator"])
def test_servers_listen_on_this_machine_only(program: Program, server: str) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "braket_etl", server, "--port", str(port)],
        env=program.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(
            lambda: process.poll() is not None or port in ports(listening(process.pid)), f"{server} listens"
        )
        addresses = listening(process.pid)
        assert port in ports(addresses)
        assert {address for address, _ in addresses} <= {"127.0.0.1", "::1"}
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


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
        for path in (ROOT / "braket_etl").rglob("*.py")
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
