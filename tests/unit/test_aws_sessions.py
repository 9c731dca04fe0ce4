"""Which Regions and credentials a user's words mean."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from braket_etl.aws.errors import BadConfiguration, MissingCredentials
from braket_etl.aws.sessions import (
    Account,
    Sessions,
    Target,
    ambient_account,
    braket_regions,
    expand_regions,
)


@pytest.fixture
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with AWS files of its own and no credentials at all."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


def test_all_means_the_regions_that_have_braket() -> None:
    assert expand_regions(["all"]) == braket_regions()
    assert {"us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1"} <= set(braket_regions())


def test_globs_and_names_are_taken_once_each() -> None:
    assert expand_regions(["us-west-*", " us-west-1 ", "EU-NORTH-1"]) == [
        "eu-north-1",
        "us-west-1",
        "us-west-2",
    ]


@pytest.mark.parametrize(
    ("pattern", "hint"), [("us-esat-1", "us-east-1"), ("mars-*", "us-west-2"), ("", "Region")]
)
def test_an_unknown_region_is_refused_with_a_hint(pattern: str, hint: str) -> None:
    with pytest.raises(BadConfiguration, match=hint):
        expand_regions(["us-east-1", pattern])


def test_no_region_at_all_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="no Region"):
        expand_regions([])


def test_the_ambient_account_is_named_after_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert ambient_account() == Account("lab")
    monkeypatch.delenv("AWS_PROFILE")
    assert ambient_account() == Account("default")
    assert Target(ambient_account(), "us-east-1").label == "default/us-east-1"


@pytest.mark.usefixtures("no_credentials")
def test_without_credentials_one_line_says_what_to_do() -> None:
    with pytest.raises(MissingCredentials, match=r"default credentials: |tried environment") as caught:
        Sessions([Account("default")]).check_credentials(Account("default"))
    assert "aws configure" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_credentials")
def test_a_role_needs_credentials_to_assume_it_with() -> None:
    account = Account("prod", role_arn="arn:aws:iam::123456789012:role/reader")
    with pytest.raises(MissingCredentials, match="prod"):
        Sessions([account]).check_credentials(account)


@pytest.mark.usefixtures("no_credentials")
def test_an_unknown_profile_is_bad_configuration() -> None:
    account = Account("prod", profile="no-such-profile")
    with pytest.raises(BadConfiguration, match="no-such-profile"):
        Sessions([account]).braket(Target(account, "us-east-1"))


def test_a_damaged_config_file_is_bad_configuration(no_credentials: Path) -> None:
    (no_credentials / "config").write_text("[profile lab\nregion")
    account = Account("lab", profile="lab")
    with pytest.raises(BadConfiguration):
        Sessions([account]).check_credentials(account)


def test_profiles_have_credentials_of_their_own(no_credentials: Path) -> None:
    (no_credentials / "credentials").write_text(
        "[a]\naws_access_key_id = KEYA\naws_secret_access_key = x\n"
        "[b]\naws_access_key_id = KEYB\naws_secret_access_key = x\n"
    )
    accounts = [Account("a", profile="a"), Account("b", profile="b")]
    sessions = Sessions(accounts)
    for account, key in zip(accounts, ("KEYA", "KEYB"), strict=True):
        sessions.check_credentials(account)
        client = sessions.braket(Target(account, "us-east-1"))
        assert client._request_signer._credentials.access_key == key


def test_one_client_a_target_also_when_many_threads_ask(no_credentials: Path) -> None:
    sessions, target = Sessions(max_connections=7), Target(Account("default"), "eu-north-1")
    clients: list[object] = []
    threads = [threading.Thread(target=lambda: clients.append(sessions.braket(target))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(client) for client in clients}) == 1
    config = sessions.braket(target).meta.config
    assert config.max_pool_connections == 7
    assert config.retries["total_max_attempts"] == 1
    assert "braket-etl/" in config.user_agent
    assert sessions.braket(target).meta.region_name == "eu-north-1"
