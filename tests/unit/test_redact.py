"""Secrets in tags and hyperparameters are struck out, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braket_etl.settings import REDACT_DEFAULT, SettingsError, load_settings
from braket_etl.tables.redact import REDACTED, Redactor

DEFAULT = Redactor(REDACT_DEFAULT)
#: Made up, and put together here so that no scanner takes this file for a leak.
ACCESS_KEY = "AKIA" + "Z" * 16
PEM = "-----BEGIN RSA PRIVATE " + "KEY-----\nabc"


@pytest.mark.parametrize(
    ("key", "value", "is_secret"),
    [
        ("password", "hunter2", True),
        ("DB_Password_2", "hunter2", True),
        ("api_key", "k", True),
        ("apiKey", "k", True),
        ("API-KEY", "k", True),
        ("hf.token", "k", True),
        ("clientSecret", "k", True),
        ("aws_secret_access_key", "k", True),
        ("note", ACCESS_KEY, True),
        ("note", PEM, True),
        ("url", "https://x.example/?token=abc", True),
        ("url", "https://x.example/?a=1&access_token=abc#f", True),
        ("note", "Authorization: Bearer xyz", True),
        ("note", "curl -H 'authorization: bearer xyz'", True),
        ("note", f"made with {ACCESS_KEY}, ours", True),
        ("note", f"key:\n{PEM}-----", True),
        ("note", "see gh" + "p_" + "a" * 36 + " for it", True),
        ("command", "run --password=hunter2 --shots 10", True),
        ("config", '{"api_token": "abc", "n": 3}', True),
        ("config", "{'apiKey': 'abc'}", True),
        ("config", "api_key=abc", True),
        ("config", "aws_secret_access_key=abc", True),
        ("url", "https://b.s3.amazonaws.com/k?X-Amz-Signature=abc", True),
        ("note", "tokens of the team", False),
        ("note", "token", False),
        ("note", "the bearer of news", False),
        ("note", "AKIA is our project: a very long story of it", False),
        ("uri", "s3://bucket/secret-santa/keys", False),
        ("max_tokens", "2048", False),
        ("keyboard", "qwerty", False),
        ("team", "chemistry", False),
        ("note", "AKIA is a prefix", False),
        ("password", None, False),
    ],
)
def test_the_default_knows_secrets_by_key_and_by_value(key: str, value: str | None, is_secret: bool) -> None:
    kept = REDACTED if is_secret else value
    assert DEFAULT.tags({key: value}) == {key: kept}
    for member in ("tags", "hyperParameters", "labels"):
        assert DEFAULT.body({"jobName": "j", member: {key: value}}) == {"jobName": "j", member: {key: kept}}


def test_a_secret_in_an_unknown_member_is_found_at_any_depth() -> None:
    body = {
        "status": "COMPLETED",
        "login": [{"user": "u", "password": {"old": 1}}],
        "instanceConfig": {"token": 5},
    }
    assert DEFAULT.body(body) == {
        "status": "COMPLETED",
        "login": [{"user": "u", "password": REDACTED}],
        "instanceConfig": {"token": REDACTED},
    }


def test_a_secret_in_a_list_is_found_by_its_value() -> None:
    body = {"newMember": {"notes": ["ours", [ACCESS_KEY], {"more": ACCESS_KEY}]}, "status": "QUEUED"}
    clean = {"newMember": {"notes": ["ours", [REDACTED], {"more": REDACTED}]}, "status": "QUEUED"}
    assert DEFAULT.body(body) == clean
    assert json.loads(DEFAULT.payload(json.dumps(body))) == clean
    assert json.loads(DEFAULT.payload(json.dumps([ACCESS_KEY, "ours"]))) == [REDACTED, "ours"]


def test_no_member_of_the_api_is_ever_struck_out() -> None:
    """Not even by a pattern that matches everything: without an ARN and a status there is no record."""
    model = botocore.session.get_session().get_service_model("braket")
    every = Redactor(["*"])

    def example(shape: Any) -> Any:
        if shape.type_name == "structure":
            return {name: example(member) for name, member in shape.members.items()}
        if shape.type_name == "list":
            return [example(shape.member)]
        return {"users": "own"} if shape.type_name == "map" else "kept"

    for operation in ("GetQuantumTask", "GetJob", "GetDevice"):
        body = example(model.operation_model(operation).output_shape)
        expected = json.loads(json.dumps(body).replace('"own"', f'"{REDACTED}"'))
        assert every.body(body) == expected


@pytest.mark.parametrize(
    "payload",
    [
        '{"tags": {"password": "hunter2"}}',
        '{"tags": {"pass\\u0077ord": "hunter2"}, "shots": "many"}',
        '{"tags": {"password": "hunter2"}, "tags": {}}',
        '{"tags": {"team": "x", "password": "hunter2',
        '{"tags": {"password": ["hunter2", "hunter2"], "team"',
        '{"tags": {"password": {"a": {"b": "hunter2"}}',
        '["password", {"password": "hunter2"}]',
        '{"note": "' + ACCESS_KEY + '", "other": ',
    ],
)
def test_a_payload_keeps_no_secret_whole_or_cut_off(payload: str) -> None:
    kept = DEFAULT.payload(payload)
    assert "hunter2" not in kept
    assert ACCESS_KEY not in kept
    assert REDACTED in kept or kept == '{"tags": {}}'


@pytest.mark.parametrize(
    "payload", ["", "<html>", '{"shots": "a lot",  "tags": {"a": "b"}}', '{"a": [', '"\\']
)
def test_a_payload_without_a_secret_stays_as_it_came(payload: str) -> None:
    assert DEFAULT.payload(payload) == payload


@given(st.text(), st.integers(0, 200))
def test_wherever_a_payload_is_cut_off_the_secret_is_gone(team: str, end: int) -> None:
    whole = json.dumps({"tags": {"team": team, "my_secret": "hunter2-hunter2"}, "status": "COMPLETED"})
    assert "hunter" not in DEFAULT.payload(whole[:end])


def test_off_and_patterns_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().redact == REDACT_DEFAULT
    assert load_settings(redact="off").redact == ()
    assert Redactor(()).body({"tags": {"password": "p"}}) == {"tags": {"password": "p"}}
    assert load_settings(redact="default, *iban*").redact == (*REDACT_DEFAULT, "*iban*")
    monkeypatch.setenv("BRAKET_ETL_REDACT", "*iban*,owner=*@example.org")
    own = Redactor(load_settings().redact)
    tags = {"IBAN": "DE00", "owner": "ann@example.org", "password": "p"}
    assert own.tags(tags) == {"IBAN": REDACTED, "owner": REDACTED, "password": "p"}
    with pytest.raises(SettingsError, match="BRAKET_ETL_REDACT: off strikes out nothing"):
        load_settings(redact="off,*iban*")
