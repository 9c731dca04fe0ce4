"""`braket-etl doctor`: what is red, yellow and green, what it says to do, and that looking changes nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.serdes import serialize_value

from braket_emulator import Emulator, running
from braket_etl.cli.doctor import run_doctor
from tests.conftest import Program
from tests.integration.buckets import empty_moto

ONE_REGION = {"BRAKET_ETL_REGIONS": "us-east-1"}
CANARY = "CANARYSECRETKEY0123456789abcdefABCDEF"


@pytest.fixture(scope="module")
def today() -> Iterator[Emulator]:
    """An account whose clock is this machine's."""
    with running(tasks=120, jobs=6, days=5, seed=3, quotas=False) as started:
        yield started


@pytest.fixture(scope="module")
def _synced(today: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Program:
    program = Program(tmp_path_factory.mktemp("synced") / "home", {**today.env()})
    program.ok("sync")
    return program


@pytest.fixture
def synced(_synced: Program, today: Emulator) -> Program:
    today.set_faults([])
    today.reset_stats()
    return _synced


def findings(program: Program, *, exit_code: int = 0, **env: str) -> dict[str, dict[str, str]]:
    return {finding["name"]: finding for finding in report(program, exit_code=exit_code, **env)["findings"]}


def report(program: Program, *, exit_code: int = 0, **env: str) -> Any:
    """What the doctor says as JSON; in this process, since another one takes most of its time to begin."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
        for name, value in program.environment(env).items():
            patch.setenv(name, value)
        code = run_doctor([], (), as_json=True)
    assert code == exit_code, said.getvalue()
    return json.loads(said.getvalue())


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "budget"
    }


def test_all_is_green_against_a_sound_account_and_each_action_was_asked_once(
    synced: Program, today: Emulator
) -> None:
    told = report(synced)
    assert told["status"] == "ok", told["findings"]
    assert {finding["status"] for finding in told["findings"]} == {"ok"}
    names = {finding["name"] for finding in told["findings"]}
    assert {
        "account default",
        "default/eu-north-1",
        "clock",
        "disk",
        "warehouse",
        "prices",
        "Dagster",
    } <= names
    assert "results of default" in names
    regions = {action["region"] for action in told["actions"]}
    assert len(told["actions"]) == 7 * len(regions) == 7 * 5
    assert all(action["allowed"] for action in told["actions"])
    calls = today.stats()["calls"]
    assert calls.pop("HeadObject") == 1
    assert set(calls.values()) == {len(regions)}


def test_looking_changes_nothing(synced: Program, today: Emulator, tmp_path: Path) -> None:
    before = snapshot(synced.home)
    report(synced)
    assert snapshot(synced.home) == before
    fresh = Program(tmp_path / "fresh" / "home", today.env())
    told = findings(fresh)
    assert "sync" in told["warehouse"]["what"]
    assert not fresh.home.parent.exists()


def test_a_forbidden_region_is_red_and_named(synced: Program, today: Emulator) -> None:
    today.set_faults(
        [{"kind": "access_denied", "regions": ["eu-north-1"], "operations": ["SearchQuantumTasks", "GetJob"]}]
    )
    told = report(synced, exit_code=1)
    red = [finding for finding in told["findings"] if finding["status"] == "fail"]
    assert [finding["name"] for finding in red] == ["default/eu-north-1"]
    assert "braket:SearchQuantumTasks, braket:GetJob" in red[0]["what"]
    assert "braket-etl init" in red[0]["remedy"]
    refused = {(a["region"], a["action"]) for a in told["actions"] if a["allowed"] is False}
    assert refused == {("eu-north-1", "SearchQuantumTasks"), ("eu-north-1", "GetJob")}
    shown = synced.run("doctor")
    assert shown.returncode == 1
    assert "default/eu-north-1" in shown.stdout
    assert "1 broken" in shown.stderr


def test_what_is_not_needed_is_yellow(synced: Program, today: Emulator) -> None:
    today.set_faults(
        [
            {"kind": "access_denied", "operations": ["SearchSpendingLimits"], "regions": ["us-east-1"]},
            {"kind": "bucket_denied"},
        ]
    )
    told = findings(synced)
    assert told["default/us-east-1"]["status"] == "warn"
    assert "spending limits are not stored" in told["default/us-east-1"]["what"]
    assert told["results of default"]["status"] == "warn"
    assert "s3:GetObject" in told["results of default"]["remedy"]
    assert {f["status"] for f in told.values()} == {"ok", "warn"}
    today.set_faults([{"kind": "throttle", "operations": ["SearchDevices"], "regions": ["us-east-1"]}])
    told = findings(synced)
    assert told["default/us-east-1"]["status"] == "warn"
    assert "braket:SearchDevices cannot be told" in told["default/us-east-1"]["what"]


def test_of_the_demo_nothing_is_asked(program: Program) -> None:
    program.home.mkdir()
    (program.home / ".demo").touch()
    told = findings(program)
    assert "demo" in told["Braket"]["what"]
    assert not [name for name in told if name.startswith("default")]


def test_an_endpoint_out_of_reach_is_red_and_said_once(synced: Program) -> None:
    told = findings(synced, exit_code=1, AWS_ENDPOINT_URL_BRAKET="http://127.0.0.1:9")
    assert [name for name, finding in told.items() if finding["status"] == "fail"] == ["default, all Regions"]


def test_expired_credentials_are_said_once(synced: Program, today: Emulator) -> None:
    today.set_faults([{"kind": "expired_token"}])
    told = findings(synced, exit_code=1)
    assert "log in again" in told["default, all Regions"]["what"]


def test_a_clock_that_is_wrong_is_red(synced: Program, emulator: Emulator) -> None:
    emulator.set_faults([])
    told = findings(synced, exit_code=1, AWS_ENDPOINT_URL_BRAKET=emulator.url)
    assert told["clock"]["status"] == "fail"
    assert "s ahead of Braket's" in told["clock"]["what"]


def test_missing_credentials_say_where_was_looked_and_exit_with_2(synced: Program) -> None:
    told = findings(synced, exit_code=2, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    said = told["account default"]["what"]
    assert "environment variables" in said
    assert "aws configure" in said
    assert "default/us-east-1" not in told


def test_a_profile_that_does_not_exist_is_named_and_the_other_account_is_looked_at(synced: Program) -> None:
    accounts = json.dumps([{"name": "lab", "profile": "nowhere"}, {"name": "env"}])
    told = findings(synced, **ONE_REGION, exit_code=1, BRAKET_ETL_ACCOUNTS=accounts)
    assert "nowhere" in told["account lab"]["what"]
    assert told["env/us-east-1"]["status"] == "ok"


def test_sts_tells_who_one_is_and_may_be_out_of_reach(synced: Program, today: Emulator) -> None:
    role = {"name": "lab", "role_arn": "arn:aws:iam::111122223333:role/reader", "external_id": CANARY}
    env = {"BRAKET_ETL_ACCOUNTS": json.dumps([role])}
    # another spelling of this machine, which is not taken for a stand-in of Braket's
    elsewhere = {"AWS_ENDPOINT_URL_BRAKET": today.url.replace("127.0.0.1", "127.1")}
    with empty_moto() as url:
        told = findings(synced, **ONE_REGION, **env, AWS_ENDPOINT_URL_STS=url)
        assert "assumed role arn:aws:iam::111122223333:role/reader" in told["account lab"]["what"]
        told = findings(synced, **ONE_REGION, **elsewhere, AWS_ENDPOINT_URL_STS=url)
        assert "environment variables; arn:aws:sts::" in told["account default"]["what"]
    nowhere = {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"}
    told = findings(synced, **ONE_REGION, exit_code=1, **env, **nowhere)
    assert told["account lab"]["status"] == "fail"  # a role cannot be assumed without STS
    told = findings(synced, **ONE_REGION, **elsewhere, **nowhere)
    assert told["account default"]["status"] == "warn"
    assert told["default/us-east-1"]["status"] == "ok"


def test_every_setting_has_its_value_and_origin_and_no_secret_is_shown(
    synced: Program, tmp_path: Path
) -> None:
    file = tmp_path / "braket_etl.toml"
    file.write_text(
        f'quota_share = 0.25\nprice_list = "https://user:{CANARY}@prices.example/index.csv"\n'
        f'[[accounts]]\nname = "lab"\nrole_arn = "arn:aws:iam::1:role/r"\nexternal_id = "{CANARY}"\n'
    )
    env = {
        "BRAKET_ETL_CONFIG": str(file),
        "BRAKET_ETL_PRICE_LIST": "",
        "BRAKET_ETL_RESULTS": "off",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_SESSION_TOKEN": CANARY,
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
    }
    for arguments in (("doctor",), ("doctor", "--json")):
        done = synced.run("--home", str(synced.home), *arguments, "--regions", "us-east-1", env=env)
        assert CANARY not in done.stdout + done.stderr
    origins = {each["name"]: (each["value"], each["origin"]) for each in json.loads(done.stdout)["settings"]}
    assert origins["home"] == (str(synced.home), "--home")
    assert origins["regions"] == ("us-east-1", "--regions")
    assert origins["quota_share"] == ("0.25", str(file))
    assert origins["price_list"] == ("https://prices.example/index.csv", str(file))
    assert origins["results"] == ("off", "BRAKET_ETL_RESULTS")
    assert origins["start_date"] == ("none", "default")
    assert "external id set" in origins["accounts"][0]
    assert origins["AWS_ENDPOINT_URL_STS"] == ("http://127.0.0.1:9", "environment")


def test_who_holds_the_lock_is_said(synced: Program) -> None:
    holder = synced.home / "writer" / "warehouse.holder"
    held = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": "merging tasks"}
    try:
        holder.write_text(json.dumps({**held, "since": "2026-11-01T00:00:00+00:00"}))
        lock = findings(synced, **ONE_REGION)["writer lock"]
        assert lock["status"] == "warn"
        assert "merging tasks" in lock["what"]
        assert str(os.getpid()) in lock["what"]
    finally:
        holder.unlink()


def test_a_damaged_warehouse_is_red(synced: Program, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.duckdb"
    damaged.write_bytes(synced.published.read_bytes()[:5000])
    told = findings(synced, **ONE_REGION, exit_code=1, BRAKET_ETL_WAREHOUSE=str(damaged))
    assert told["warehouse"]["status"] == "fail"


@pytest.mark.parametrize("alive", [(), ("SCHEDULER",), ("SCHEDULER", "QUEUED_RUN_COORDINATOR")])
def test_a_daemon_of_which_a_part_died_is_yellow(synced: Program, alive: Sequence[str]) -> None:
    dagster_home = synced.home / "dagster"
    database = next(dagster_home.rglob("runs.db"))
    with sqlite3.connect(database) as connection:
        for kind in ("SCHEDULER", "QUEUED_RUN_COORDINATOR", "BACKFILL"):
            at = datetime.now(UTC) if kind in alive else datetime(2026, 11, 1, tzinfo=UTC)
            beat = DaemonHeartbeat(at.timestamp(), kind, "x")
            connection.execute(
                "INSERT INTO daemon_heartbeats (daemon_type, daemon_id, timestamp, body) VALUES (?, 'x', ?, ?)",
                (kind, f"{at:%Y-%m-%d %H:%M:%S}", serialize_value(beat)),
            )
    try:
        told = findings(synced, **ONE_REGION)["Dagster"]
        assert told["status"] == "warn"
        assert "ui" in told["remedy"]
    finally:
        with sqlite3.connect(database) as connection:
            connection.execute("DELETE FROM daemon_heartbeats")


def test_an_address_that_nobody_can_be_told_at_is_yellow_and_not_shown(synced: Program) -> None:
    told = findings(synced, **ONE_REGION, BRAKET_ETL_NOTIFY=f"json://h/hook,slack://{CANARY}")["messages"]
    assert told["status"] == "warn"
    assert "address 2 (slack://…)" in told["what"]
    assert CANARY not in json.dumps(told)
    told = findings(synced, **ONE_REGION, BRAKET_ETL_NOTIFY="json://h/hook")["messages"]
    assert (told["status"], told["remedy"]) == ("ok", "")
    assert "messages" not in findings(synced, **ONE_REGION)
