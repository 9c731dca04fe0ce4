"""Messages reach a real web hook and a real mail server, and no address is ever shown."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from pydantic import SecretStr

from braket_etl.notify import Message, tell, unusable
from braket_etl.settings import SettingsError, load_settings
from tests.receivers import Hook, free_port, open_mailbox

MESSAGE = Message("spend: chemistry", ("92.50 USD <b>spent</b>", "a line with \x1b[31mcolour"))


def test_a_web_hook_gets_the_message_as_plain_text(hook: Hook) -> None:
    assert tell([SecretStr(hook.address)], MESSAGE) == []
    (posted,) = hook.received
    assert posted["title"] == "spend: chemistry"
    assert "92.50 USD <b>spent</b>" in posted["message"]
    assert "\x1b" not in posted["message"]


def test_a_mail_arrives_as_plain_text() -> None:
    with open_mailbox() as mailbox:
        assert tell([SecretStr(mailbox.address)], MESSAGE) == []
    (mail,) = mailbox.received
    assert mail["Subject"] == "spend: chemistry"
    assert mail["To"] == "lab@example.org"
    assert mail.get_content_type() == "text/plain"
    assert "92.50 USD <b>spent</b>" in mail.get_content()


def test_an_address_that_fails_stops_no_other_and_is_not_shown(
    hook: Hook, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    closed = f"json://user:canary-password@127.0.0.1:{free_port()}/canary-path"
    with caplog.at_level(logging.INFO):
        problems = tell([SecretStr("nosuch://canary"), SecretStr(closed), SecretStr(hook.address)], MESSAGE)
    assert len(hook.received) == 1
    assert problems[0].startswith("address 1 (nosuch://…) is of no kind")
    assert problems[1].startswith("address 2 (json://…) could not be told")
    assert len(problems) == 2
    assert "canary" not in "".join([*problems, caplog.text, *capfd.readouterr()])


def test_addresses_that_cannot_be_used_are_told_without_sending(hook: Hook) -> None:
    assert unusable([SecretStr(hook.address), SecretStr("slack://canary")]) == [
        "address 2 (slack://…) is of no kind that apprise knows, or not whole"
    ]
    assert hook.received == []


def test_addresses_are_read_as_a_list_with_commas_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAKET_ETL_NOTIFY", "mailto://u:canary@h?to=a@x.org,b@x.org, json://h/hook")
    settings = load_settings()
    assert [address.get_secret_value() for address in settings.notify] == [
        "mailto://u:canary@h?to=a@x.org,b@x.org",
        "json://h/hook",
    ]
    assert "canary" not in f"{settings!r}"


def test_an_address_that_is_none_is_explained_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAKET_ETL_NOTIFY", "canary@example.org")
    with pytest.raises(SettingsError, match=r"BRAKET_ETL_NOTIFY: name apprise addresses") as raised:
        load_settings()
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ("chemistry", "not a JSON list of spend alerts"),
        ('[{"name": "a", "usd": 0}]', "more than 0"),
        ('[{"name": "a", "usd": 5, "tag": "team"}]', "tag"),
        ('[{"name": "a", "usd": 5, "account": "chemistry"}]', "account"),
        ('[{"name": "a", "usd": 5, "period": "week"}]', "'day' or 'month'"),
        ('[{"name": "a", "usd": 5}, {"name": "a", "usd": 9}]', "names must differ: a"),
    ],
)
def test_a_spend_alert_that_makes_no_sense_is_explained(
    monkeypatch: pytest.MonkeyPatch, alerts: str, said: str
) -> None:
    monkeypatch.setenv("BRAKET_ETL_SPEND_ALERTS", alerts)
    with pytest.raises(SettingsError, match="BRAKET_ETL_SPEND_ALERTS") as raised:
        load_settings()
    assert said in str(raised.value)


def test_loading_the_definitions_does_not_load_apprise() -> None:
    code = "import sys, braket_etl.definitions, braket_etl.cli.app; sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
