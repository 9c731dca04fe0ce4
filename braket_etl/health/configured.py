"""Each setting with its value, as far as it may be seen, and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from braket_etl.costs.source import shown
from braket_etl.settings import AccountSettings, Settings, setting_origins
from braket_etl.warehouse.lake import shown as without_password

#: AWS's own settings that decide who is asked, and where. None of them is a secret.
AWS_SETTINGS = (
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
)
_ENDPOINT = "AWS_ENDPOINT_URL"
_OPEN_SCHEMES = ("http", "https", "s3", "file")


@dataclass(frozen=True)
class Configured:
    """A setting: its name, its value without secrets, and its origin: a flag, a variable, a file, or default."""

    name: str
    value: str
    origin: str


def configured(settings: Settings, flags: Collection[str] = ()) -> Iterator[Configured]:
    """All settings of braket_etl, then those of AWS that are set in the environment."""
    origins = setting_origins(flags)
    for name, origin in origins.items():
        yield Configured(name, _seen(getattr(settings, name)), origin)
    for name in sorted(os.environ):
        if name in AWS_SETTINGS or name.startswith(_ENDPOINT):
            yield Configured(name, _seen(os.environ[name]), "environment")


def _seen(value: Any) -> str:
    """The value without what may be secret: of addresses to notify the scheme, of others no user and no query."""
    if isinstance(value, AccountSettings):
        return _account(value)
    if isinstance(value, BaseModel):
        return " ".join(f"{key}={each}" for key, each in value.model_dump(exclude_none=True).items())
    if isinstance(value, SecretStr):
        return f"{urlsplit(value.get_secret_value()).scheme}://…"
    if isinstance(value, list | tuple):
        return ", ".join(_seen(each) for each in value) or "none"
    if value is None or value == "":
        return "none"
    if isinstance(value, str) and "://" in value:
        scheme = urlsplit(value).scheme
        return shown(value) if scheme in _OPEN_SCHEMES else f"{scheme}://…"
    return without_password(str(value))


def _account(account: AccountSettings) -> str:
    who = account.role_arn or (f"profile {account.profile}" if account.profile else "ambient credentials")
    return f"{account.name}: {who}{', external id set' if account.external_id else ''}"
