"""`braket-etl init`: files that are true to the program, and never overwritten by chance."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from braket_emulator import Emulator
from braket_etl.aws.sessions import Sessions, ambient_account
from braket_etl.pull.feed import read_feed
from braket_etl.pull.recover import Source, recover
from braket_etl.runtime import Runtime
from braket_etl.settings import Settings, load_settings
from braket_etl.starter.files import config_file_text
from tests.conftest import Program
from tests.integration.buckets import Buckets, serving, simulator_result, task_arn
from tests.warehouses import empty_warehouse


def test_the_settings_file_sets_nothing_and_names_everything(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.ok("init", "--folder", str(tmp_path / "new" / "folder"))
    file = tmp_path / "new" / "folder" / "braket_etl.toml"
    assert tomllib.loads(file.read_text()) == {}
    assert file.stat().st_mode & 0o077 == 0
    for name, field in Settings.model_fields.items():
        assert f"BRAKET_ETL_{name.upper()}" in file.read_text()
        assert " ".join(str(field.description).split()) in " ".join(
            file.read_text().replace("\n#", "").split()
        )
    monkeypatch.setenv("BRAKET_ETL_CONFIG", str(file))
    assert load_settings() == Settings()


def test_with_every_line_in_it_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = re.sub(r"^#(?! )", "", config_file_text(), flags=re.MULTILINE)
    assert set(tomllib.loads(text)) == set(Settings.model_fields)
    file = tmp_path / "braket_etl.toml"
    file.write_text(text)
    monkeypatch.setenv("BRAKET_ETL_CONFIG", str(file))
    settings = load_settings()
    assert settings.quota_share == Settings.model_fields["quota_share"].default
    assert settings.accounts[0].external_id


def test_the_policy_allows_what_the_program_asks_for_and_nothing_else(
    pulled: Program, emulator: Emulator, tmp_path: Path
) -> None:
    pulled.env = {**pulled.env, "BRAKET_ETL_CREATED_BY": "pseudonym"}
    pulled.ok("sync")  # which asks for open records too
    pulled.run("doctor")
    pulled.ok("init", "--folder", str(tmp_path))
    asked = {_action(operation) for operation in emulator.stats()["calls"]}
    assert _actions(json.loads((tmp_path / "iam-policy.json").read_text())) == asked


@pytest.fixture(scope="module")
def s3_and_sqs() -> Iterator[Buckets]:
    with serving() as started:
        yield started


def test_the_policy_allows_to_read_the_feed_that_is_set(
    s3_and_sqs: Buckets, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.ok("init", "--folder", str(tmp_path / "none"))
    without = _actions(json.loads((tmp_path / "none" / "iam-policy.json").read_text()))
    env = {
        **s3_and_sqs.env(),
        "BRAKET_ETL_HOME": str(tmp_path / "home"),
        "AWS_ENDPOINT_URL_SQS": s3_and_sqs.url,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    s3_and_sqs.put("lab-events", "braket/1.json", {"id": "1"})
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="changes")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody='{"id": "2"}')
    for feed, resources in (
        ("s3://lab-events/braket/", ["arn:aws:s3:::lab-events/braket/*", "arn:aws:s3:::lab-events"]),
        (queue, [f"arn:aws:sqs:*:{queue.split('/')[-2]}:changes"]),
        (str(tmp_path), []),  # a folder
    ):
        asked: set[str] = set()
        sessions = Sessions([ambient_account()])
        sessions.session(ambient_account()).events.register(
            "before-call", lambda model, asked=asked, **_: asked.add(_action(model.name))
        )
        outcome = read_feed(Runtime().warehouse, sessions, ambient_account(), feed, "run")
        assert not outcome.warnings
        folder = tmp_path / f"for-{len(asked)}-{feed[:2].strip('/')}"
        program.ok("init", "--folder", str(folder), env={"BRAKET_ETL_EVENTS": feed})
        policy = json.loads((folder / "iam-policy.json").read_text())
        assert _actions(policy) == without | asked
        feeds = [statement for statement in policy["Statement"] if statement["Sid"].endswith("Events")]
        assert [resource for statement in feeds for resource in statement["Resource"]] == resources


def test_the_queue_of_the_policy_is_that_of_the_setting(program: Program, tmp_path: Path) -> None:
    url = "https://sqs.eu-north-1.amazonaws.com/123456789012/braket-changes"
    program.ok("init", "--folder", str(tmp_path), env={"BRAKET_ETL_EVENTS": url})
    last = json.loads((tmp_path / "iam-policy.json").read_text())["Statement"][-1]
    assert last["Resource"] == ["arn:aws:sqs:eu-north-1:123456789012:braket-changes"]


def test_the_policy_allows_recover_what_it_asks_for(
    s3_and_sqs: Buckets, program: Program, tmp_path: Path
) -> None:
    s3_and_sqs.put("amazon-braket-lab", "1/results.json", simulator_result(task_arn(1)))
    asked: set[str] = set()
    client = s3_and_sqs.client
    client.meta.events.register("before-call", lambda model, **_: asked.add(_action(model.name)))
    warehouse = empty_warehouse(tmp_path)
    assert recover(warehouse, Source.of("s3://amazon-braket-lab"), client=client).tally.taken == 1
    program.ok("init", "--folder", str(tmp_path / "files"), "--list-buckets")
    policy = json.loads((tmp_path / "files" / "iam-policy.json").read_text())
    assert {action for action in _actions(policy) if action.startswith("s3:")} == asked


def test_the_role_has_the_same_policy_and_is_trusted_by_external_id_only(
    program: Program, tmp_path: Path
) -> None:
    program.ok("init", "--folder", str(tmp_path), "--bucket", "ours-*", "--bucket", "theirs")
    text = (tmp_path / "cross-account-role.yaml").read_text()
    template = yaml.load(re.sub(r"!(Ref|GetAtt) ", "", text), yaml.SafeLoader)
    role = template["Resources"]["Reader"]["Properties"]
    policy = json.loads((tmp_path / "iam-policy.json").read_text())
    assert role["Policies"][0]["PolicyDocument"] == policy
    trust = role["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "ExternalId"}}
    assert trust["Principal"] == {"AWS": "ReaderArn"}
    assert policy["Statement"][-1]["Resource"] == ["arn:aws:s3:::ours-*/*", "arn:aws:s3:::theirs/*"]
    assert all(
        set(statement["Action"]) == _actions({"Statement": [statement]}) for statement in policy["Statement"]
    )


def test_what_is_there_is_overwritten_only_when_asked(program: Program, tmp_path: Path) -> None:
    mine = tmp_path / "iam-policy.json"
    mine.write_text("mine")
    done = program.run("init", "--folder", str(tmp_path))
    assert done.returncode == 2
    assert "iam-policy.json" in done.stderr
    assert "--force" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["iam-policy.json"]
    assert mine.read_text() == "mine"
    program.ok("init", "--folder", str(tmp_path), "--force")
    assert json.loads(mine.read_text())["Version"] == "2012-10-17"


def test_a_folder_that_cannot_be_made_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = program.run("init", "--folder", str(tmp_path / "file" / "below"))
    assert done.returncode == 2
    assert "file/below" in done.stderr
    assert "Traceback" not in done.stderr


_OTHERS = {
    "LookupEvents": "cloudtrail:LookupEvents",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "ReceiveMessage": "sqs:ReceiveMessage",
    "DeleteMessageBatch": "sqs:DeleteMessage",
}


def _action(operation: str) -> str:
    """What IAM calls an operation of Braket, or of another service."""
    return _OTHERS.get(operation, f"braket:{operation}")


def _actions(policy: dict[str, Any]) -> set[str]:
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])
    return {action for statement in policy["Statement"] for action in statement["Action"]}
