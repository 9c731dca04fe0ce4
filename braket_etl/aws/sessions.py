"""Who asks, and where: accounts, Regions, sessions, credentials and the clients made of them.

Belongs here: credential chains, assumed roles, client configuration, the list of Regions.
Does not belong here: what is asked (search.py, fetch.py, results.py) and how often (throttle.py).

STS is called for accounts that name a role and for no others; an account's id comes from its records' ARNs.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import fnmatch
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

import boto3
import botocore.session
from botocore import credentials as botocore_credentials
from botocore import exceptions as boto
from botocore.config import Config

from braket_etl.aws.errors import AwsProblem, BadConfiguration, MissingCredentials, classify

DEFAULT_CONNECTIONS = 64
_STS_REGION = "us-east-1"
_ALIKE = 1.4  # of 2: how alike a name must be to be offered instead


@dataclass(frozen=True, slots=True)
class Account:
    """One AWS account as the user names it: the ambient credentials, a profile, or a role to assume."""

    name: str
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None


def ambient_account() -> Account:
    """The account of the ambient credential chain, named after AWS_PROFILE, else `default`."""
    return Account(os.environ.get("AWS_PROFILE") or "default")


@dataclass(frozen=True, slots=True)
class Target:
    """One account in one Region: the unit of quotas, of searches and of failure."""

    account: Account
    region: str

    @property
    def label(self) -> str:
        """`name/region`, for messages."""
        return f"{self.account.name}/{self.region}"


@cache
def _listed_regions() -> tuple[str, ...]:
    # The list is botocore's own; a profile that does not exist is told where credentials are looked for.
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    return tuple(sorted(session.get_available_regions("braket")))


def braket_regions() -> list[str]:
    """The Regions that botocore lists for Braket, sorted."""
    return list(_listed_regions())


def expand_regions(patterns: Sequence[str]) -> list[str]:
    """The Regions that `all`, globs and exact names stand for, in botocore's order, each once.

    Raises BadConfiguration for a pattern that matches none, naming the nearest Region.
    """
    known = braket_regions()
    wanted: set[str] = set()
    for pattern in (part.strip() for part in patterns):
        matches = known if pattern.lower() == "all" else fnmatch.filter(known, pattern.lower())
        if not matches:
            raise BadConfiguration(_unknown_region(pattern, known))
        wanted.update(matches)
    if not wanted:
        raise BadConfiguration(f"no Region is named; Braket is in {', '.join(known)}")
    return [region for region in known if region in wanted]


def _unknown_region(pattern: str, known: list[str]) -> str:
    def likeness(region: str) -> float:
        # The letters in any order count too: most slips swap two of them.
        whole = difflib.SequenceMatcher(None, pattern, region).ratio()
        return whole + difflib.SequenceMatcher(None, sorted(pattern), sorted(region)).ratio()

    nearest = max(known, key=likeness)
    hint = f"did you mean {nearest}?" if likeness(nearest) > _ALIKE else f"Braket is in {', '.join(known)}"
    return f"{pattern!r} is no Region of Amazon Braket; {hint}"


def _version() -> str:
    try:
        return metadata.version("braket-etl")
    except metadata.PackageNotFoundError:
        return "0"


class _RoleProvider(botocore_credentials.CredentialProvider):  # type: ignore[misc]
    """Gives one set of refreshable credentials: the only provider in the session of a role account."""

    METHOD = "braket-etl-role"

    def __init__(self, role_credentials: Any) -> None:
        self._role_credentials = role_credentials

    def load(self) -> Any:
        return self._role_credentials


class Sessions:
    """One session an account and one client a target and service, made when first asked for; thread-safe.

    `max_connections` is the connection pool of one client and should be at least the threads that use it;
    `connect_timeout` and `read_timeout` are seconds.
    """

    def __init__(
        self,
        accounts: Iterable[Account] = (),
        *,
        max_connections: int = DEFAULT_CONNECTIONS,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        attempts: int = 4,
    ) -> None:
        self.accounts = tuple(accounts) or (ambient_account(),)
        self._options: dict[str, Any] = {
            "connect_timeout": connect_timeout,
            "read_timeout": read_timeout,
            "max_pool_connections": max_connections,
            "user_agent_extra": f"braket-etl/{_version()}",
        }
        self._attempts = attempts
        self._lock = threading.RLock()
        self._sessions: dict[Account, Any] = {}
        self._principals: dict[Account, str | None] = {}
        self._clients: dict[tuple[Account, str, str | None], Any] = {}

    def braket(self, target: Target) -> Any:
        """The Braket client of a target.

        It never repeats a request itself: `call` does, so that each HTTP request takes its token.
        Raises BadConfiguration, MissingCredentials.
        """
        return self._client(target.account, "braket", target.region, attempts=1)

    def cloudtrail(self, target: Target) -> Any:
        """The CloudTrail client of a target; like that of Braket it never repeats a request itself.

        Raises BadConfiguration, MissingCredentials.
        """
        return self._client(target.account, "cloudtrail", target.region, attempts=1)

    def principal(self, account: Account) -> str | None:
        """What tells credentials of one account from those of another, without asking anyone.

        The role that is assumed, the account id that came with the credentials, or the part of the access key id in
        which AWS encodes the account. None where none of them tells anything.
        """
        if account not in self._principals:
            self._principals[account] = account.role_arn or self._credentials_tell(account)
        return self._principals[account]

    def _credentials_tell(self, account: Account) -> str | None:
        try:
            found = self._session(account).get_credentials()
            frozen = found.get_frozen_credentials() if found is not None else None
        except (AwsProblem, boto.BotoCoreError, boto.ClientError, RuntimeError, OSError):
            return None
        if frozen is None:
            return None
        return getattr(frozen, "account_id", None) or encoded_account(frozen.access_key)

    def session(self, account: Account) -> Any:
        """The boto3 session of an account, for services that have no client here.

        Raises BadConfiguration, MissingCredentials.
        """
        return self._session(account)

    def s3(self, account: Account, region: str | None) -> Any:
        """The S3 client of an account in a Region (None: the configured one, else us-east-1).

        Raises BadConfiguration, MissingCredentials.
        """
        return self._client(account, "s3", region, attempts=self._attempts)

    def check_credentials(self, account: Account) -> None:
        """Look whether the account's credentials can be had; calls STS only for an account with a role.

        Raises MissingCredentials, ExpiredCredentials or BadConfiguration with one line for the user.
        """
        try:
            found = self._session(account).get_credentials()
            if found is None:
                raise MissingCredentials(_what_was_tried(account), account=account.name)
            found.get_frozen_credentials()
        except AwsProblem:
            raise
        except (boto.BotoCoreError, boto.ClientError, RuntimeError, OSError) as error:
            raise classify(error, account=account.name, operation="credentials") from error

    def _client(self, account: Account, service: str, region: str | None, *, attempts: int) -> Any:
        key = (account, service, region)
        client = self._clients.get(key)  # a plain read: after the first call nobody waits for the lock
        if client is None:
            with self._lock:  # botocore makes clients under no lock of its own
                client = self._clients.get(key) or self._new_client(account, service, region, attempts)
                self._clients[key] = client
        return client

    def _new_client(self, account: Account, service: str, region: str | None, attempts: int) -> Any:
        config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, **self._options)
        session = self._session(account)
        try:
            place = region or session.region_name or _STS_REGION
            return session.client(service, region_name=place, config=config)
        except (boto.BotoCoreError, ValueError) as error:
            raise classify(error, account=account.name, region=region or "", operation=service) from error

    def _session(self, account: Account) -> Any:
        with self._lock:
            if account not in self._sessions:
                self._sessions[account] = self._new_session(account)
            return self._sessions[account]

    def _new_session(self, account: Account) -> Any:
        try:
            base = botocore.session.Session(profile=account.profile)
            if account.role_arn:
                return boto3.Session(botocore_session=self._role_session(base, account))
            return boto3.Session(botocore_session=base)
        except AwsProblem:
            raise
        except (boto.BotoCoreError, boto.ClientError) as error:
            raise classify(error, account=account.name, operation="credentials") from error

    def _role_session(self, base: Any, account: Account) -> Any:
        source = base.get_credentials()
        if source is None:
            raise MissingCredentials(_what_was_tried(account), account=account.name)
        config = Config(retries={"mode": "standard", "total_max_attempts": self._attempts}, **self._options)
        region = base.get_config_variable("region") or _STS_REGION

        def sts_client(service: str, **keys: Any) -> Any:
            return base.create_client(service, region_name=region, config=config, **keys)

        extra = {"RoleSessionName": "braket-etl"}
        if account.external_id:
            extra["ExternalId"] = account.external_id
        fetcher = botocore_credentials.AssumeRoleCredentialFetcher(
            client_creator=sts_client, source_credentials=source, role_arn=account.role_arn, extra_args=extra
        )
        refreshable = botocore_credentials.DeferredRefreshableCredentials(
            refresh_using=fetcher.fetch_credentials, method="assume-role"
        )
        session = botocore.session.Session(profile=account.profile)
        resolver = botocore_credentials.CredentialResolver(providers=[_RoleProvider(refreshable)])
        session.register_component("credential_provider", resolver)
        return session


def ambient_s3() -> Any:
    """An S3 client of the ambient credentials. Raises BadConfiguration, MissingCredentials."""
    account = ambient_account()
    return Sessions([account]).s3(account, None)


def encoded_account(access_key: str | None) -> str | None:
    """The number that the middle of an access key id encodes in base 32: equal for all keys of one account."""
    if not access_key or len(access_key) != 20 or access_key[:4] not in ("AKIA", "ASIA"):
        return None
    try:
        number = int.from_bytes(base64.b32decode(access_key[4:])[:6], "big")
    except (binascii.Error, ValueError):
        return None
    return f"{(number & 0x7FFFFFFFFF80) >> 7:012}"


def _what_was_tried(account: Account) -> str:
    if account.profile:
        return (
            f"no AWS credentials in profile {account.profile!r}; "
            f"run `aws configure --profile {account.profile}` or `aws sso login --profile {account.profile}`"
        )
    return (
        "no AWS credentials found (tried environment variables, AWS_PROFILE and ~/.aws, container and "
        "instance roles); set AWS_PROFILE, run `aws configure` or `aws sso login`"
    )
