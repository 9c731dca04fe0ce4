"""The states of request budgets in Redis, for several machines that ask in the name of the same accounts.

Belongs here: where a state lies and that one changes it at a time. The arithmetic is throttle.py's.

Time is Redis's own clock, which all machines read; one that is set back makes budgets count as new, and Braket's
refusals put that right. Where Redis cannot be reached nothing is asked of Braket: a budget that nobody counts is none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit

from braket_etl.aws.errors import AwsProblem, BadConfiguration
from braket_etl.aws.throttle import state_name
from braket_etl.display import safe_text

T = TypeVar("T")
_PREFIX = "braket_etl:budget:"
#: After so many seconds every bucket is full again, whatever was owed.
_IDLE_SECONDS = 3600
_ANSWER_SECONDS = 5.0
_RETRIES = 4  # over a second and a half: a restart of Redis
#: After a failure so many seconds are not spent on finding out again: each record would take them.
_GIVEN_UP_SECONDS = 5.0


class BudgetUnreachable(AwsProblem):
    """The shared budget cannot be asked, so Braket is not asked either."""


class SharedStates:
    """The states that lie in one Redis; connects when the first one is used.

    `url` is a redis:// or rediss:// address and may hold a password, which no message shows.
    Raises BadConfiguration where the package redis is missing or the address cannot be read.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._failure, self._failed_at = "", -math.inf

    def state(self, account: str, region: str) -> SharedState:
        """The key of an account in a Region."""
        return SharedState(self, _PREFIX + state_name(account, region))

    def transaction(self, key: str, change: Callable[[Any], T]) -> T:
        """What `change` gives, which is called again where the key was changed meanwhile.

        Raises BudgetUnreachable, BadConfiguration.
        """
        client = self._client
        from redis import RedisError

        if time.monotonic() - self._failed_at >= _GIVEN_UP_SECONDS:
            try:
                given: T = client.transaction(change, key, value_from_callable=True)
                return given
            except RedisError as error:
                self._failure, self._failed_at = safe_text(error), time.monotonic()
        raise BudgetUnreachable(
            "nothing is asked, since the request budget that machines share cannot be used: BRAKET_ETL_REDIS, "
            f"{_shown(self._url)}: {self._failure}",
            code="BudgetUnreachable",
        )

    @cached_property
    def _client(self) -> Any:
        try:
            import redis
            from redis.backoff import ExponentialBackoff
            from redis.retry import Retry
        except ImportError:
            raise BadConfiguration(
                "BRAKET_ETL_REDIS needs packages that are not installed: pip install 'braket-etl[cluster]'"
            ) from None
        try:
            return redis.Redis.from_url(
                self._url,
                socket_timeout=_ANSWER_SECONDS,
                socket_connect_timeout=_ANSWER_SECONDS,
                retry=Retry(ExponentialBackoff(cap=1.0, base=0.1), _RETRIES),
            )
        except ValueError:  # its words may hold a part of the password
            raise BadConfiguration(f"BRAKET_ETL_REDIS: {_shown(self._url)} cannot be read") from None


class SharedState:
    """A state in a key of Redis; what another machine changed meanwhile is read again."""

    def __init__(self, states: SharedStates, key: str) -> None:
        self._states = states
        self._key = key

    def change(self, step: Callable[[float, bytes], tuple[bytes, T]]) -> T:
        """See throttle.State. Raises BudgetUnreachable, BadConfiguration."""

        def changed(pipe: Any) -> T:
            seconds, microseconds = pipe.time()
            content, given = step(seconds + microseconds / 1e6, pipe.get(self._key) or b"")
            pipe.multi()
            pipe.set(self._key, content, ex=_IDLE_SECONDS)
            return given

        return self._states.transaction(self._key, changed)

    def close(self) -> None:
        """Nothing: the connections are those of all budgets."""


def _shown(url: str) -> str:
    """Where a Redis is, without who asks it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
