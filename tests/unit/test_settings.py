"""Settings come from flag, environment, file and default, in that order, and say what is wrong with them."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from braket_etl.settings import Settings, SettingsError, default_home, load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path / "home"))


def test_the_defaults(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.regions == ("all",)
    assert settings.accounts == ()
    assert settings.quota_share == 0.5
    assert settings.first_day == settings.today - timedelta(days=90)
    assert settings.published_warehouse == tmp_path / "home" / "warehouse.duckdb"
    assert settings.writer_folder != settings.published_warehouse.parent


def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "braket_etl.toml").write_text('regions = ["eu-north-1"]\nquota_share = 0.1\n')
    assert load_settings().regions == ("eu-north-1",)
    monkeypatch.setenv("BRAKET_ETL_REGIONS", "us-east-1, us-west-*")
    assert load_settings().regions == ("us-east-1", "us-west-*")
    assert load_settings(regions="eu-west-2").regions == ("eu-west-2",)
    assert load_settings().quota_share == 0.1


def test_a_relative_home_does_not_depend_on_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAKET_ETL_HOME", "some/where")
    home = load_settings().home
    assert home.is_absolute()
    assert not home.is_relative_to(tmp_path)
    monkeypatch.chdir("/")
    assert load_settings().home == home


def test_an_empty_variable_is_as_if_it_were_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "QUOTA_SHARE", "START_DATE", "REGIONS"):
        monkeypatch.setenv(f"BRAKET_ETL_{name}", "")
    assert load_settings().home == default_home()
    assert load_settings().quota_share == 0.5


def test_accounts_come_as_json_or_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    role = {"name": "lab", "role_arn": "arn:aws:iam::123456789012:role/r", "external_id": "x"}
    monkeypatch.setenv("BRAKET_ETL_ACCOUNTS", json.dumps([role, {"name": "me", "profile": "p"}]))
    assert [account.name for account in load_settings().accounts] == ["lab", "me"]
    monkeypatch.delenv("BRAKET_ETL_ACCOUNTS")
    (tmp_path / "braket_etl.toml").write_text('[[accounts]]\nname = "lab"\nprofile = "lab"\n')
    assert load_settings().accounts[0].profile == "lab"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("QUOTA_SHARE", "3", "BRAKET_ETL_QUOTA_SHARE"),
        ("QUOTA_SHARE", "0", "it has to be more than 0"),
        ("QUOTA_SHARE", "much", "a number is written like 0.5"),
        ("REGIONS", " , ", "at least one Region"),
        ("START_DATE", "soon", "BRAKET_ETL_START_DATE: a day is written like 2026-11-01"),
        ("EXECUTOR", "thread", "choose one of 'in_process', 'multiprocess' or 'celery'"),
        ("SPEND_ALERTS", '[{"name": "a", "usd": "lots"}]', "an amount is written like"),
        ("ACCOUNTS", "[{]", "not a JSON list"),
        ("ACCOUNTS", '[{"profile": "p"}]', r"\(0.name\): it is missing"),
        ("ACCOUNTS", '[{"name": "a", "profil": "r"}]', "there is no such key: did you mean profile"),
        ("ACCOUNTS", '[{"name": "a"}, {"name": "a"}]', "differ"),
        ("ACCOUNTS", '[{"name": "a", "external_id": "x"}]', "role_arn"),
        ("WAREHOUSE", "ducklake:sqlite:x", "DuckLake"),
        ("WAREHOUSE", "writer/warehouse.duckdb", "writer's own file"),
        ("CONFIG", "/does/not/exist.toml", "BRAKET_ETL_CONFIG"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"BRAKET_ETL_{name}", value)
    with pytest.raises(SettingsError, match=said) as raised:
        load_settings()
    assert "BRAKET_ETL_SETTINGS" not in str(raised.value)
    assert not re.search("[Ii]nput|[Ff]ield required|valid (?!TOML)", str(raised.value))


def test_an_unknown_setting_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "braket_etl.toml").write_text("region = 'us-east-1'\n")
    with pytest.raises(SettingsError, match="there is no setting 'region'"):
        load_settings()
    (tmp_path / "braket_etl.toml").write_text("regions = 5\n")
    with pytest.raises(SettingsError, match="give names of Regions"):
        load_settings()
    (tmp_path / "braket_etl.toml").write_text("regions = [\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings()


def test_a_start_date_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAKET_ETL_START_DATE", "2026-01-31")
    assert load_settings().first_day == date(2026, 1, 31)


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    "address",
    ["redis.example.org", "http://host:1", "redis://", "redis://:pa/ss@host:6379", "redis://host:0"],
)
def test_what_is_no_redis_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("BRAKET_ETL_REDIS", address)
    with pytest.raises(SettingsError, match="BRAKET_ETL_REDIS") as told:
        load_settings()
    assert "pa/ss" not in str(told.value)


def test_the_password_of_redis_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAKET_ETL_REDIS", "redis://:letmein@host:6379/0")
    settings = load_settings()
    assert settings.redis is not None
    assert settings.redis.get_secret_value() == "redis://:letmein@host:6379/0"
    assert "letmein" not in repr(settings)


def test_workers_need_a_broker_and_a_warehouse_that_all_machines_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BRAKET_ETL_EXECUTOR", "celery")
    with pytest.raises(SettingsError, match="BRAKET_ETL_REDIS"):
        load_settings()
    monkeypatch.setenv("BRAKET_ETL_REDIS", "redis://host:6379/0")
    for warehouse in ("", "/srv/warehouse.duckdb", "ducklake:/srv/braket.ducklake"):
        monkeypatch.setenv("BRAKET_ETL_WAREHOUSE", warehouse)
        with pytest.raises(SettingsError, match="BRAKET_ETL_WAREHOUSE"):
            load_settings()
    monkeypatch.setenv("BRAKET_ETL_WAREHOUSE", "ducklake:postgres:dbname=braket host=db")
    assert load_settings().executor == "celery"
