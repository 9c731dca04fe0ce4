"""Which records exist: the search operations, page by page.

Belongs here: windows of creation time, chains of page tokens, what a summary says.
Does not belong here: the records themselves (fetch.py) and which windows are due.

A search that ends early looks like a search that found little, so a chain either reaches its end or raises.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from braket_etl.aws.call import PATIENCE, BadBody, Response, call
from braket_etl.aws.errors import AwsProblem, SearchFailed
from braket_etl.aws.operations import CREATED, SEARCH_DEVICES, SEARCH_SPENDING_LIMITS, Search
from braket_etl.aws.stamp import Stamp
from braket_etl.aws.throttle import Budget
from braket_etl.values import instant

PAGE_SIZE = 100

_MARGIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a search says of a record; instants are aware UTC, what it did not say is None.

    `is_complete` tells a summary that has every member that the API's model requires: then what it leaves out is not
    there, and not merely unsaid.
    """

    arn: str
    created_at: datetime
    status: str
    tags: dict[str, str | None] | None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    shots: int | None = None
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: what it lists, when it was given, and whether more follow."""

    summaries: list[Summary]
    stamp: Stamp
    more: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Creation times from `start` up to, but not including, `end`; both aware, else ValueError."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs aware instants")
        if self.end <= self.start:
            raise ValueError(f"the window ends before it starts: {self}")

    def __str__(self) -> str:
        return f"[{_on_the_wire(self.start)}, {_on_the_wire(self.end)})"


def search_pages(
    search: Search,
    client: Any,
    budget: Budget | None,
    window: Window,
    *,
    stop: threading.Event | None = None,
    account: str = "",
    patience: float = PATIENCE,
) -> Iterator[Page]:
    """The pages of one search, in order, without records outside the window; a record may stand on two of them.

    Raises SearchFailed, other AwsProblem, and Stopped once `stop` is set.
    """
    # Whether BETWEEN takes its ends in is not documented, and it may know whole seconds only: ask for a
    # little more and leave out what is too much.
    values = [_on_the_wire(window.start - _MARGIN), _on_the_wire(window.end + _MARGIN + _MARGIN)]
    filters = [{"name": CREATED, "operator": "BETWEEN", "values": values}]
    where = f"{search.about} created in {window}"
    for response in _pages(
        client,
        search.name,
        {"filters": filters},
        budget,
        where,
        stop=stop,
        account=account,
        patience=patience,
    ):
        summaries = (_summary(entry, search) for entry in response.body[search.entries])
        inside = [item for item in summaries if window.start <= item.created_at < window.end]
        yield Page(inside, response.stamp, bool(response.body.get("nextToken")))


def search_devices(client: Any, budget: Budget | None, *, patience: float = PATIENCE) -> list[dict[str, Any]]:
    """The device summaries of a Region, as they came. Raises SearchFailed, other AwsProblem."""
    return _listed(client, SEARCH_DEVICES, budget, patience)


def search_spending_limits(
    client: Any, budget: Budget | None, *, patience: float = PATIENCE
) -> list[dict[str, Any]]:
    """The spending limits of an account in a Region, as they came. Raises SearchFailed, other AwsProblem."""
    return _listed(client, SEARCH_SPENDING_LIMITS, budget, patience)


def _listed(client: Any, search: Search, budget: Budget | None, patience: float) -> list[dict[str, Any]]:
    pages = _pages(client, search.name, {"filters": []}, budget, search.entries, patience=patience)
    return [entry for page in pages for entry in page.body[search.entries]]


def _pages(
    client: Any,
    operation: str,
    parameters: dict[str, Any],
    budget: Budget | None,
    where: str,
    *,
    stop: threading.Event | None = None,
    account: str = "",
    patience: float = PATIENCE,
) -> Iterator[Response]:
    """The answers of a search's pages up to the last. Raises SearchFailed where the chain breaks."""
    token: str | None = None
    tokens: set[int] = set()
    while True:
        asked = {**parameters, "maxResults": PAGE_SIZE, **({"nextToken": token} if token else {})}
        try:
            response = call(client, operation, asked, budget, stop=stop, patience=patience)
        except BadBody as error:
            raise _broken(
                client, operation, budget, where, account, f"a page stays broken: {error.error}"
            ) from error
        except AwsProblem as problem:
            if token and problem.code == "ValidationException":
                reason = f"a page token was refused ({problem.message})"
                raise _broken(client, operation, budget, where, account, reason) from problem
            problem.account = problem.account or account
            raise
        yield response
        token = response.body.get("nextToken")
        if not token:
            return
        if hash(token) in tokens:
            raise _broken(client, operation, budget, where, account, "the page tokens run in a circle")
        tokens.add(hash(token))


def _broken(
    client: Any, operation: str, budget: Budget | None, where: str, account: str, reason: str
) -> SearchFailed:
    return SearchFailed(
        f"{where}: {reason}",
        account=account or (budget.account if budget is not None else ""),
        region=client.meta.region_name,
        operation=operation,
        code="SearchFailed",
        retryable=True,
    )


def _summary(entry: dict[str, Any], search: Search) -> Summary:
    tags = entry.get("tags")
    return Summary(
        arn=_storable(entry[search.arn_member]),
        created_at=instant(entry[CREATED]),
        status=_storable(entry["status"]),
        tags={_storable(key): None if value is None else _storable(value) for key, value in tags.items()}
        if isinstance(tags, dict)
        else None,
        started_at=_instant(entry.get("startedAt")),
        ended_at=_instant(entry.get("endedAt")),
        shots=shots if type(shots := entry.get("shots")) is int and abs(shots) < 2**63 else None,
        is_complete=all(entry.get(member) is not None for member in search.required),
    )


def _instant(value: object) -> datetime | None:
    """The instant, None where there is none or it cannot be read: the record itself is asked then."""
    try:
        return None if value is None else instant(value)
    except ValueError:
        return None


def _storable(value: object) -> str:
    """The text with lone surrogates, which no UTF-8 store takes, as escapes."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _on_the_wire(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
