"""Secrets are planted wherever a user may have one, and then searched for in all that was written and printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from braket_emulator import Emulator, running
from tests.conftest import NOW
from tests.faults.leaks import leaks
from tests.faults.outcome import Outcome
from tests.faults.program import Forked
from tests.receivers import free_port

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


SETTINGS = {"BRAKET_ETL_REGIONS": "us-east-1", "BRAKET_ETL_START_DATE": "2026-11-18"}


@dataclass(frozen=True)
class Tagged:
    """An account, and the ARNs of two of its tasks with a password among their tags."""

    emulator: Emulator
    arns: tuple[str, str]


@contextmanager
def tagged(_: Path) -> Iterator[Tagged]:
    """Served."""
    with running(
        tasks=40, jobs=4, days=2, seed=3, regions=["us-east-1"], now=NOW, frozen=True, quotas=False
    ) as emulator:
        env = emulator.env()
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
        first, second = (client.create_quantum_task(**request)["quantumTaskArn"] for _ in range(2))
        yield Tagged(emulator, (first, second))


def nothing_left_behind(at: Tagged, folder: Path) -> Outcome:
    """Runs that succeed and that fail, and all that shows or exports; no file and no word has a secret."""
    folder.mkdir(exist_ok=True)
    (said := folder / "said").mkdir()
    program = Forked(folder / "home", _environment(at.emulator))

    def run(*arguments: str, env: dict[str, str] | None = None) -> Any:
        done = program.run(*arguments, env=env)
        (said / f"{len(list(said.iterdir()))} {arguments[0]}").write_text(done.stdout + done.stderr)
        assert "Traceback" not in done.stderr
        return done

    clean, rejected = at.arns
    at.emulator.set_faults([{"kind": "wrong_type", "arns": [rejected]}])
    assert run("sync").returncode == 0
    assert program.one("SELECT count(*) FROM etl.rejected_records") == 1
    assert program.rows(f"SELECT tags FROM quantum_tasks WHERE quantum_task_arn = '{clean}'") == [
        ({"db_password": "[redacted]", "team": "chemistry"},)
    ]
    at.emulator.set_faults([{"kind": "expired_token"}])
    assert run("sync").returncode == 1
    at.emulator.set_faults([])
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
        ("report", "--output", str(folder / "report.html")),
        ("export", "parquet", "--output", str(folder / "parquet")),
        ("export", "csv", "--output", str(folder / "csv")),
        ("sql", "FROM quantum_tasks", "--format", "json"),
        ("rejects", "show", rejected),
        ("rejects", "retry"),
    ):
        assert run(*arguments).returncode == 0, arguments
    assert run("prices", "refresh").returncode == 1
    assert leaks(ALL, [folder]) == []
    stored = {arn for (arn,) in program.rows("SELECT quantum_task_arn FROM quantum_tasks")}
    truth = at.emulator.truth().keys()
    return Outcome(
        "secrets planted: a key, a token, passwords in addresses and tags",
        len(ALL),
        len(list(said.iterdir())),
        len(truth),
        len(truth & stored),
        (),
        searched=sum(path.is_file() for path in folder.rglob("*")),
    )


def _environment(emulator: Emulator) -> dict[str, str]:
    return {
        **emulator.env(),
        **SECRETS,
        **SETTINGS,
        "BRAKET_ETL_NOTIFY": f"json://user:{NOTIFY}@127.0.0.1:{free_port()}/path",
        "BRAKET_ETL_PRICE_LIST": f"http://user:{LIST_PASSWORD}@127.0.0.1:{free_port()}/list.json",
    }
