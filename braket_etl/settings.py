"""Every setting, once: its name, its meaning, its default and how it is read.

A flag wins over the environment, the environment over braket_etl.toml, that over the default. AWS's own settings
(credentials, AWS_PROFILE, endpoints) are none of ours and are not read here.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from braket_etl.display import did_you_mean
from braket_etl.facts import REMEMBERED
from braket_etl.package_files import checkout

PREFIX = "BRAKET_ETL_"
CONFIG_FILE = "braket_etl.toml"
#: Variables that are no settings: which file counts, --quiet, and switches of this project's own tests and benchmarks.
_NO_SETTINGS = (
    "CONFIG",
    "QUIET",
    "BENCH",
    "BI",
    "CLUSTER",
    "REQUIRE_BROWSER",
    "REQUIRE_SERVERS",
    "SCREENSHOTS",
)
DEMO_SUFFIX = "-demo"
#: Begins the name of a warehouse that is a DuckLake.
LAKE = "ducklake:"
#: A comma may stand in an address; one that ends it is followed by the next scheme.
_BETWEEN_ADDRESSES = re.compile(r"[,\s]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
#: Keys, and KEY=VALUE, of tags and hyperparameters that are no data: passwords, keys, tokens.
REDACT_DEFAULT = (
    "*password*",
    "*passwd*",
    "*passphrase*",
    "*secret*",
    "*credential*",
    "*apikey*",
    "*accesskey*",
    "*privatekey*",
    "*token",
    # values that are one, or hold one anywhere: AWS access keys (base 32), private keys, tokens of GitHub
    "*=*AKIA[A-Z2-7][A-Z2-7][A-Z2-7][A-Z2-7]????????????*",
    "*=*ASIA[A-Z2-7][A-Z2-7][A-Z2-7][A-Z2-7]????????????*",
    "*=*-----BEGIN*PRIVATE KEY-----*",
    "*=*gh[oprsu]_????????????????????*",
    "*=*github_pat_*",
    # in headers, addresses, arguments and JSON: Bearer abc, ?token=abc, --password=abc, "token": "abc"
    "*=*Bearer ?*",
    "*=*[Aa]uthorization: ?*",
    "*=*[Tt][Oo][Kk][Ee][Nn][=:\"']?*",
    "*=*[Pp]ass[Ww]ord[=:\"']?*",
    "*=*[Ss]ecret[=:\"']?*",
    "*=*[Aa]pi[Kk]ey[=:\"']?*",
    "*=*[Aa]pi[_-][Kk]ey[=:\"']?*",
    "*=*[Aa]ccess[Kk]ey[=:\"']?*",
    "*=*[Aa]ccess[_-][Kk]ey[=:\"']?*",
    "*=*[Ss]ignature=?*",
)
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


class SpendAlert(BaseModel):
    """An amount of US dollars; a message is sent when a UTC day's or month's spend reaches it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    period: Literal["day", "month"] = "month"
    usd: Decimal = Field(gt=0, allow_inf_nan=False)
    account: str | None = Field(None, pattern=r"^\d{12}$", description="Account id; none means all accounts")
    tag: str | None = Field(None, pattern=r"^[^=]+=", description="key=value; none means whatever its tags")


class _Toml(TomlConfigSettingsSource):
    """The settings of a file, which an editor may have begun with a byte order mark."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        return _in_file(file_path)


def _in_file(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8-sig"))


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
        (),
        description="Accounts to pull from; none means the ambient credentials",
        examples=[
            {
                "name": "chemistry",
                "role_arn": "arn:aws:iam::111122223333:role/braket-etl-reader",
                "external_id": "agreed",
            },
            {"name": "own", "profile": "default"},
        ],
    )
    start_date: date | None = Field(
        None,
        description="First UTC day that sync asks for; the default is 90 days back, as far as Braket remembers",
        examples=[date(2026, 11, 1)],
    )
    quota_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of the documented request rates to use; users' own programs share them",
    )
    redis: SecretStr | None = Field(
        None,
        description="Redis that hands out the request budget of all machines and the steps of their workers; "
        "none means that this machine counts alone",
        examples=["redis://:password@redis.example.org:6379/0"],
    )
    executor: Literal["in_process", "multiprocess", "celery"] = Field(
        "in_process",
        description="Where the steps of a run that the daemon starts are done: in its process, each in a process of "
        "its own, or by Celery workers",
    )
    warehouse: str | None = Field(
        None,
        description="DuckDB file that analysts open; the default lies in home. Or a DuckLake: ducklake:postgres: and what "
        "libpq takes, or ducklake:FILE",
        examples=["ducklake:postgres:dbname=braket host=db.example.org"],
    )
    warehouse_data: str | None = Field(
        None,
        description="Where a new DuckLake puts its Parquet files: a folder, or s3://bucket/prefix; the default lies in home",
        examples=["s3://bucket/braket"],
    )
    group: str | None = Field(
        None, description="Unix group that may read the published copy", examples=["analysts"]
    )
    price_list: str = Field(
        "auto",
        description="Where the AmazonBraket price list is read from: auto (AWS), an address, a file, or off",
    )
    events: str | None = Field(
        None,
        description="Feed of EventBridge's events: a folder, s3://bucket/prefix, or the URL of an SQS queue",
        examples=["https://sqs.us-east-1.amazonaws.com/111122223333/braket-state-changes"],
    )
    created_by: Literal["off", "name", "pseudonym"] = Field(
        "off",
        description="Whether to keep who created a task or job, as CloudTrail tells (LookupEvents, and records in the feed "
        "of events): name, pseudonym (a keyed hash, always the same), or off, since it is personal data",
    )
    notify: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Apprise addresses (mailto://…, json://…, slack://…) to which messages about failed runs and "
        "spend alerts go; none means the log alone",
        examples=["mailto://user:password@example.org"],
    )
    spend_alerts: Annotated[tuple[SpendAlert, ...], NoDecode] = Field(
        (),
        description="Amounts in US dollars by day or month that send a message when they are reached",
        examples=[{"name": "all", "period": "month", "usd": 500}],
    )
    allocations: str = Field(
        "allocations.toml",
        description="File that says whose a cost is where no tag does; a relative path is below home",
    )
    budgets: str = Field(
        "budgets.toml",
        description="File of what may be spent, by tag, account, device or person; a relative path is below home",
    )
    statements: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Keys by which statements of each month are made on the third of the next: project, person, account or "
        "keys of tags, with commas between them; none makes none",
        examples=["project"],
    )
    close_statements: bool = Field(
        False, description="Whether those are closed as they are made, so that they stay what they were"
    )
    digest: Literal["off", "weekly"] = Field(
        "off", description="Whether a message about the last week goes to notify once a week: weekly, or off"
    )
    results: Literal["auto", "off"] = Field(
        "auto",
        description="Whether to read results.json metadata of simulator tasks and program sets from S3",
    )

    redact: Annotated[tuple[str, ...], NoDecode] = Field(
        REDACT_DEFAULT,
        description="Globs of keys of tags, hyperparameters and unknown members whose values are struck out before "
        "anything is stored, or KEY=VALUE; `default` stands for these, off stores all as it came",
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
        return init_settings, env_settings, _Toml(settings_cls, toml_file=file)

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return absolute_home(value)

    @field_validator("warehouse")
    @classmethod
    def _a_file_or_a_lake(cls, value: str | None) -> str | None:
        if not value or not value.startswith(LAKE):
            return value
        kind, colon, where = value.removeprefix(LAKE).partition(":")
        if (kind != "postgres" or not where.strip()) if colon else not kind.strip():
            # what was given may hold a password
            raise ValueError(
                "a DuckLake warehouse is ducklake:postgres:dbname=… host=… (what libpq takes) or ducklake:FILE"
            )
        return value

    @model_validator(mode="after")
    def _places_fit(self) -> Settings:
        if self.warehouse_data and self.lake_catalog is None:
            raise ValueError(
                "BRAKET_ETL_WAREHOUSE_DATA is for a DuckLake: set BRAKET_ETL_WAREHOUSE=ducklake:… too"
            )
        if (
            self.lake_catalog is None
            and self.published_warehouse.resolve() == (self.writer_folder / "warehouse.duckdb").resolve()
        ):
            raise ValueError("BRAKET_ETL_WAREHOUSE names the writer's own file; name another for analysts")
        return self

    @field_validator("redis")
    @classmethod
    def _a_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_redis(value.get_secret_value()):
            raise ValueError(  # it may hold a password, so it is not shown
                "not an address such as redis://host:6379/0 (or rediss:// with TLS); in a password, write special "
                "characters as %40 and the like"
            )
        return value

    @model_validator(mode="after")
    def _workers_have_what_they_share(self) -> Settings:
        if self.executor == "celery" and self.redis is None:
            raise ValueError("BRAKET_ETL_EXECUTOR=celery hands out steps through Redis: set BRAKET_ETL_REDIS")
        if self.executor == "celery" and not (self.lake_catalog or "").startswith("postgres:"):
            raise ValueError(
                "BRAKET_ETL_EXECUTOR=celery needs a warehouse that all machines write: set "
                "BRAKET_ETL_WAREHOUSE=ducklake:postgres:…"
            )
        return self

    @field_validator("regions", mode="before")
    @classmethod
    def _region_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise ValueError("give names of Regions, with commas between them, or a list of them")
        parts = tuple(part for part in value if part)
        if not parts:
            raise ValueError("name at least one Region, a glob such as us-*, or all")
        return parts

    @field_validator("redact", mode="before")
    @classmethod
    def _pattern_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise ValueError(
                "give globs of keys such as *password*, or KEY=VALUE, with commas between them; or off"
            )
        parts = [part for part in value if part]
        if "off" in parts:
            if parts != ["off"]:
                raise ValueError("off strikes out nothing, so no pattern can stand beside it")
            return ()
        return tuple(each for part in parts for each in (REDACT_DEFAULT if part == "default" else (part,)))

    @field_validator("statements", mode="before")
    @classmethod
    def _key_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        return tuple(dict.fromkeys(part for part in value if part))

    @field_validator("accounts", "spend_alerts", mode="before")
    @classmethod
    def _json_list(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str):
            try:
                value = json.loads(value, parse_float=Decimal) if value.strip() else []
            except ValueError as error:
                what = str(info.field_name).replace("_", " ")
                raise ValueError(f"not a JSON list of {what}: {error}") from None
        if isinstance(value, dict):
            value = [value]
        return value

    @field_validator("accounts", "spend_alerts")
    @classmethod
    def _distinct_names(cls, value: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        names = [named.name for named in value]
        if twice := {name for name in names if names.count(name) > 1}:
            what = str(info.field_name).removesuffix("s").replace("_", " ")
            raise ValueError(f"{what} names must differ: {', '.join(sorted(twice))}")
        return value

    @field_validator("notify", mode="before")
    @classmethod
    def _address_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = _BETWEEN_ADDRESSES.split(value.strip())
        # an address carries a password: what is wrong with it is told without it
        if not isinstance(value, list | tuple) or not all(
            isinstance(part, SecretStr) or (isinstance(part, str) and _ADDRESS.fullmatch(part))
            for part in value
        ):
            raise ValueError(
                "name apprise addresses such as mailto://… or json://…, with commas between them"
            )
        return value

    @property
    def first_day(self) -> date:
        """The first UTC day that `sync` asks for."""
        return self.start_date or self.today - REMEMBERED

    @property
    def today(self) -> date:
        """Today's UTC day."""
        return datetime.now(UTC).date()

    @property
    def published_warehouse(self) -> Path:
        """The copy that analysts open; with a DuckLake there is none, and this is where it would lie."""
        if self.warehouse is None or self.lake_catalog is not None:
            return self.home / "warehouse.duckdb"
        return self._below_home(self.warehouse)

    @property
    def report_file(self) -> Path:
        """The report that is made from what is published."""
        return self.home / "report.html"

    @property
    def allocations_file(self) -> Path:
        """The file of rules that say whose a cost is."""
        return self._below_home(self.allocations)

    @property
    def budgets_file(self) -> Path:
        """The file of budgets."""
        return self._below_home(self.budgets)

    @property
    def lake_catalog(self) -> str | None:
        """The catalog of the DuckLake, `postgres:…` or the path of a file; None where the warehouse is a DuckDB file."""
        if self.warehouse is None or not self.warehouse.startswith(LAKE):
            return None
        catalog = self.warehouse.removeprefix(LAKE)
        return catalog if catalog.startswith("postgres:") else str(self._below_home(catalog))

    @property
    def lake_data(self) -> str | None:
        """Where a new DuckLake puts its files, if it was said: an address on S3, or the path of a folder."""
        if self.warehouse_data is None or "://" in self.warehouse_data:
            return self.warehouse_data
        return str(self._below_home(self.warehouse_data))

    def _below_home(self, path: str) -> Path:
        return self.home / Path(path).expanduser()

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


def _is_redis(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


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


def setting_origins(flags: Collection[str] = ()) -> dict[str, str]:
    """Where each setting's value comes from: its flag, its variable, the path of the file, or `default`."""
    file = config_file()
    in_file = _in_file(file) if file else {}
    set_variables = {name.upper() for name, value in os.environ.items() if value}

    def origin(name: str) -> str:
        variable = PREFIX + name.upper()
        if name in flags:
            return f"--{name.replace('_', '-')}"
        return variable if variable in set_variables else str(file) if name in in_file else "default"

    return {name: origin(name) for name in Settings.model_fields}


def unknown_variables() -> list[str]:
    """What to say of each BRAKET_ETL_ variable in the environment that no setting has: it counts for nothing."""
    settings = [name.upper() for name in Settings.model_fields]
    given = {name: name.upper().removeprefix(PREFIX) for name in sorted(os.environ)}
    return [
        f"there is no setting {name}, so it counts for nothing" + _meant(rest, settings, before=PREFIX)
        for name, rest in given.items()
        if name.upper().startswith(PREFIX) and rest not in (*settings, *_NO_SETTINGS)
    ]


def _meant(name: str, known: Iterable[str], *, before: str = "") -> str:
    hint = did_you_mean(name, known, before=before)
    return f": {hint}" if hint else ""


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
    detail = _detail(problem)
    if not problem["loc"]:
        return detail  # of settings that do not go together: it names them
    name = str(problem["loc"][0])
    inner = ".".join(str(part) for part in problem["loc"][1:])
    variable = PREFIX + name.upper()
    if problem["type"] == "extra_forbidden" and not inner:
        return f"{file}: there is no setting {name!r}" + _meant(name, Settings.model_fields)
    where = variable if variable in os.environ else f"{name} in {file}" if file else variable
    if problem["type"] == "extra_forbidden":
        detail += _meant(str(problem["loc"][-1]), _ELEMENTS[name].model_fields)
    return f"{where}{f' ({inner})' if inner else ''}: {detail}"


#: What the values of a list are.
_ELEMENTS: dict[str, type[BaseModel]] = {"accounts": AccountSettings, "spend_alerts": SpendAlert}
#: What to say of a kind of mistake, by how the name that pydantic has for it begins; the first that fits.
_MISTAKES = {
    "value_error": "{error}",
    "missing": "it is missing",
    "extra_forbidden": "there is no such key",
    "literal_error": "choose one of {expected}",
    "greater_than": "it has to be more than {gt}",
    "less_than_equal": "it can be {le} at most",
    "date": "a day is written like 2026-11-01",
    "float": "a number is written like 0.5",
    "decimal": "an amount is written like 500 or 12.50",
    "finite_number": "it has to be a finite number",
    "string_too_short": "it is empty",
    "string_pattern_mismatch": "it has another form: {pattern}",
    "model": "it has to be a table of names and values",
    "tuple": "it has to be a list",
    "string": "it has to be a text",
    "path": "it has to be a path",
}


def _detail(problem: Any) -> str:
    """What is wrong with a value, in words for whoever set it; what was given may be a secret and is not shown."""
    kind = str(problem["type"])
    told = next(
        (words for begins, words in _MISTAKES.items() if kind.startswith(begins)), str(problem["msg"])
    )
    return told.format_map(problem.get("ctx", {}))
