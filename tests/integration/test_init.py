"""`braket-etl init`: files that are true to the program, and never overwritten by chance."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from braket_etl.emulator import Emulator
from braket_etl.settings import Settings, load_settings
from braket_etl.starter.files import config_file_text
from tests.conftest import Program


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
    pulled.ok("sync")  # the second asks for open records
    pulled.run("doctor")
    pulled.ok("init", "--folder", str(tmp_path))
    asked = {_action(operation) for operation in emulator.stats()["calls"]}
    assert _actions(json.loads((tmp_path / "iam-policy.json").read_text())) == asked


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


def _action(operation: str) -> str:
    return "s3:GetObject" if operation in ("GetObject", "HeadObject") else f"braket:{operation}"


def _actions(policy: dict[str, Any]) -> set[str]:
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])
    return {action for statement in policy["Statement"] for action in statement["Action"]}
