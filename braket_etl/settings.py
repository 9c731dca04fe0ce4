"""Every setting, once: its name, its meaning, its default and how it is read.

A flag wins over the environment, the environment over braket_etl.toml, that over the default. AWS's own settings
(credentials, AWS_PROFILE, endpoints) are none of ours and are not read here.
"""

from __future__ import annotations

import json
import os
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from braket_etl.packaged import checkout

PREFIX = "BRAKET_ETL_"
CONFIG_FILE = "braket_etl.toml"
DEMO_SUFFIX = "-demo"
#: Lies in the home of a demo; only such a home is emptied by the next demo.
DEMO_MARK = ".demo"


class SettingsError(Exception):
    """A setting cannot be used; the message names it, its value and what is allowed."""


class AccountSettings(BaseModel):
    """One AWS account to pull from: a profile of the AWS configuration, or a role to assume."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None

    @model_validator(mode="after")
    def _external_id_needs_role(self) -> AccountSettings:
        if self.external_id and not self.role_arn:
            raise ValueError(f"account {self.name}: external_id is only used with role_arn")
        return self


class Settings(BaseSettings):
    """All settings of braket_etl, resolved. Build it with `load_settings`, which explains what is wrong."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    home: Path = Field(
        default_factory=lambda: default_home(), description="Where everything that the program writes lies"
    )
    regions: Annotated[tuple[str, ...], NoDecode] = Field(
        ("all",), description="Regions to pull from: names, globs such as us-*, or all"
    )
    accounts: Annotated[tuple[AccountSettings, ...], NoDecode] = Field(
        (), description="Accounts to pull from; none means the ambient credentials"
    )
    start_date: date | None = Field(
        None,
        description="First UTC day that sync asks for; the default is 90 days back, as far as Braket remembers",
    )
    quota_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of the documented request rates to use; users' own programs share them",
    )
    warehouse: str | None = Field(
        None, description="DuckDB file that analysts open, or ducklake:…; the default lies in home"
    )
    group: str | None = Field(None, description="Unix group that may read the published copy")
    price_list: str = Field(
        "auto",
        description="Where the AmazonBraket price list is read from: auto (AWS), an address, a file, or off",
    )
    events: str | None = Field(
        None,
        description="Feed of EventBridge state changes: a folder, s3://bucket/prefix, or the URL of an SQS queue",
    )
    results: Literal["auto", "off"] = Field(
        "auto",
        description="Whether to read results.json metadata of simulator tasks and program sets from S3",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flag, environment, file, default; no .env and no secrets folder."""
        file = config_file()
        if file is None:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return absolute_home(value)

    @field_validator("warehouse")
    @classmethod
    def _a_file(cls, value: str | None) -> str | None:
        if value and value.split(":", 1)[0] == "ducklake":
            raise ValueError("a DuckLake warehouse is not supported by this version; name a DuckDB file")
        return value

    @model_validator(mode="after")
    def _not_the_writers_file(self) -> Settings:
        if self.published_warehouse.resolve() == (self.writer_folder / "warehouse.duckdb").resolve():
            raise ValueError("BRAKET_ETL_WAREHOUSE names the writer's own file; name another for analysts")
        return self

    @field_validator("regions", mode="before")
    @classmethod
    def _region_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        parts = tuple(part for part in value if part)
        if not parts:
            raise ValueError("name at least one Region, a glob such as us-*, or all")
        return parts

    @field_validator("accounts", mode="before")
    @classmethod
    def _account_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = json.loads(value) if value.strip() else []
            except ValueError as error:
                raise ValueError(f"not a JSON list of accounts: {error}") from None
        if isinstance(value, dict):
            value = [value]
        return value

    @field_validator("accounts")
    @classmethod
    def _distinct_names(cls, value: tuple[AccountSettings, ...]) -> tuple[AccountSettings, ...]:
        names = [account.name for account in value]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"account names must differ: {', '.join(sorted(twice))}")
        return value

    @property
    def first_day(self) -> date:
        """The first UTC day that `sync` asks for."""
        return self.start_date or self.today - timedelta(days=90)

    @property
    def today(self) -> date:
        """Today's UTC day."""
        return datetime.now(UTC).date()

    @property
    def published_warehouse(self) -> Path:
        """The copy that analysts open."""
        if self.warehouse is None:
            return self.home / "warehouse.duckdb"
        path = Path(self.warehouse).expanduser()
        return path if path.is_absolute() else self.home / path

    @property
    def writer_folder(self) -> Path:
        """The folder of the writer's own file."""
        return self.home / "writer"

    @property
    def budget_folder(self) -> Path:
        """The folder of the request budgets that processes of this machine share."""
        return self.home / "budget"

    @property
    def demo_home(self) -> Path:
        """The demo's own home, beside ours; a demo's home is its own."""
        return self.home if self.is_demo else self.home.with_name(self.home.name + DEMO_SUFFIX)

    @property
    def is_demo(self) -> bool:
        """Whether this home holds the demo's data, which must not mix with anyone's own."""
        return (self.home / DEMO_MARK).exists()


def default_home() -> Path:
    """`.braket_etl` in a checkout, the platform's user data folder for an installed wheel."""
    root = checkout()
    return root / ".braket_etl" if root else Path(platformdirs.user_data_dir("braket_etl", appauthor=False))


def absolute_home(home: Path) -> Path:
    """The home as an absolute path; a relative one is below the checkout or the user data folder, wherever we run."""
    home = home.expanduser()
    return home if home.is_absolute() else default_home().parent / home


def config_file() -> Path | None:
    """The braket_etl.toml that counts: named by BRAKET_ETL_CONFIG, else in the current folder, home or checkout."""
    if named := os.environ.get(PREFIX + "CONFIG"):
        return Path(named).expanduser().absolute()
    home = os.environ.get(PREFIX + "HOME")
    folders = [Path.cwd(), absolute_home(Path(home)) if home else default_home(), checkout()]
    for folder in folders:
        if folder and (file := folder / CONFIG_FILE).is_file():
            return file.absolute()
    return None


def load_settings(**flags: Any) -> Settings:
    """The settings, with the flags that were given (None means not given); raises SettingsError."""
    file = config_file()
    if file is not None and not file.exists():
        raise SettingsError(f"BRAKET_ETL_CONFIG names {file}, which does not exist")
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("\n".join(_explained(problem, file) for problem in error.errors())) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None


def _explained(problem: Any, file: Path | None) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else "settings"
    inner = ".".join(str(part) for part in problem["loc"][1:])
    variable = PREFIX + name.upper()
    if problem["type"] == "extra_forbidden" and not inner:
        return f"{file}: there is no setting {name!r}"
    where = variable if variable in os.environ else f"{name} in {file}" if file else variable
    detail = problem["msg"].removeprefix("Value error, ")
    return f"{where}{f' ({inner})' if inner else ''}: {detail}"
