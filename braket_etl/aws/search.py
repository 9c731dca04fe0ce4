"""Which records exist: the search operations, page by page.

Belongs here: windows of creation time, chains of page tokens, what a summary says.
Does not belong here: the records themselves (fetch.py) and which windows are due.

A search that ends early looks like a search that found little, so a chain either reaches its end or raises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from braket_etl.aws import wire
from braket_etl.aws.call import BadBody, Response, call
from braket_etl.aws.errors import AwsProblem, SearchFailed
from braket_etl.aws.outbox import Outbox
from braket_etl.aws.sessions import Sessions, Target
from braket_etl.aws.throttle import Budget, Stopped

PAGE_SIZE = 100
Kind = Literal["tasks", "jobs"]

_OPERATIONS: dict[Kind, tuple[str, str]] = {
    "tasks": ("SearchQuantumTasks", "quantumTaskArn"),
    "jobs": ("SearchJobs", "jobArn"),
}
_LONG = 10  # pages after which it is decided whether a chain is long
_WORTH_A_SPLIT = 40.0  # pages still to come; the pages before the split are listed a second time
_MOST_CHAINS = 4
_PAGES_AHEAD = 8
_DAY = timedelta(days=1)
_MARGIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a search says of a record; `created_at` is aware UTC, `tags` None where the search gave none."""

    arn: str
    created_at: datetime
    status: str
    tags: dict[str, str | None] | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: what it lists, when it was given (aware UTC), and whether more follow."""

    summaries: list[Summary]
    at: datetime
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

    def parts(self, count: int) -> list[Window]:
        """At most `count` windows of about the same length that make up this one, cut at midnights (UTC)."""
        length = self.end - self.start
        if length <= _DAY:
            return [self]
        cuts = {_midnight_at_or_before(self.start + length * number / count) for number in range(1, count)}
        edges = [self.start, *sorted(cut for cut in cuts if self.start < cut), self.end]
        return [Window(start, end) for start, end in pairwise(edges)]


def search_tasks(
    client: Any, budget: Budget | None, window: Window, *, stop: threading.Event | None = None
) -> Iterator[list[Summary]]:
    """The tasks created in a window, a list a page, each task once. Raises SearchFailed, other AwsProblem."""
    return _each_once(page.summaries for page in _chain("tasks", client, budget, window, stop))


def search_jobs(
    client: Any, budget: Budget | None, window: Window, *, stop: threading.Event | None = None
) -> Iterator[list[Summary]]:
    """The jobs created in a window, a list a page, each job once. Raises SearchFailed, other AwsProblem."""
    return _each_once(page.summaries for page in _chain("jobs", client, budget, window, stop))


def search_pages(
    kind: Kind,
    client: Any,
    budget: Budget | None,
    window: Window,
    *,
    stop: threading.Event | None = None,
    account: str = "",
) -> Iterator[Page]:
    """The pages of one search, in order; a record may stand on two of them.

    Raises SearchFailed, other AwsProblem, and Stopped once `stop` is set.
    """
    return _chain(kind, client, budget, window, stop, account)


def search_devices(client: Any, budget: Budget | None) -> list[dict[str, Any]]:
    """The device summaries of a Region, as they came. Raises SearchFailed, other AwsProblem."""
    return _listed(client, "SearchDevices", budget)


def search_spending_limits(client: Any, budget: Budget | None) -> list[dict[str, Any]]:
    """The spending limits of an account in a Region, as they came. Raises SearchFailed, other AwsProblem."""
    return _listed(client, "SearchSpendingLimits", budget)


def search_window(
    sessions: Sessions, target: Target, budget: Budget | None, kind: Kind, window: Window
) -> Iterator[list[Summary]]:
    """The tasks or jobs created in a window, each once, searched side by side where there are many.

    A chain of page tokens is sequential. One that proves long is given up for up to four, each a part of its
    window; what it listed is kept and not given twice. A single day stays one chain, so that it costs its
    pages and nothing else. The order of the pages says nothing.
    Raises SearchFailed, other AwsProblem.
    """
    client = sessions.braket(target)
    chains = _Chains(lambda part, stop: _chain(kind, client, budget, part, stop, target.account.name))
    return _each_once(chains.pages(window))


def _each_once(pages: Iterable[list[Summary]]) -> Iterator[list[Summary]]:
    """The pages without the records that an earlier page had, and without pages that hold nothing else."""
    seen: set[int] = set()  # hashes of 64 bits: a third of the memory of the ARNs
    for page in pages:
        fresh = []
        for summary in page:
            mark = hash(summary.arn)
            if mark not in seen:
                seen.add(mark)
                fresh.append(summary)
        if fresh:
            yield fresh


class _Chains:
    """The searches of one window or of its parts, side by side, each on a thread of its own."""

    def __init__(self, chain: Callable[[Window, threading.Event], Iterator[Page]]) -> None:
        self._chain = chain
        self._outbox: Outbox[list[Summary] | int] = Outbox(_PAGES_AHEAD)

    def pages(self, window: Window) -> Iterator[list[Summary]]:
        """The pages of all chains as they come."""
        self._start(self._run_first, window)
        running = 1
        try:
            while running:
                page = self._outbox.get()
                if isinstance(page, int):
                    running += page - 1
                else:
                    yield page
        finally:
            self._outbox.close()

    def _start(self, run: Callable[[Window], int], window: Window) -> None:
        thread = threading.Thread(
            target=self._guarded, args=(run, window), name=f"search {window}", daemon=True
        )
        thread.start()

    def _guarded(self, run: Callable[[Window], int], window: Window) -> None:
        """Run a chain to its end and hand over how many chains follow it, or why it broke."""
        try:
            self._outbox.put(run(window))
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 - it is raised where the pages are consumed
            with suppress(Stopped):
                self._outbox.fail(error)

    def _run_first(self, window: Window) -> int:
        listed: list[Summary] = []
        for number, page in enumerate(self._chain(window, self._outbox.stop), start=1):
            self._outbox.put(page.summaries)
            if number <= _LONG:
                listed += page.summaries
            if number == _LONG and page.more and _pages_left(window, listed) >= _WORTH_A_SPLIT:
                parts = window.parts(_MOST_CHAINS)
                if len(parts) > 1:
                    self._outbox.put(len(parts) + 1)  # before a part can end: this chain runs on until then
                    for part in parts:
                        self._start(self._run_part, part)
                    break
        return 0

    def _run_part(self, window: Window) -> int:
        for page in self._chain(window, self._outbox.stop):
            self._outbox.put(page.summaries)
        return 0


def _pages_left(window: Window, listed: list[Summary]) -> float:
    """How many pages probably follow those of `listed`; 0 where their order allows no guess.

    The order is not documented, so it serves for this guess only, never for what is searched.
    """
    instants = [summary.created_at for summary in listed]
    if len(instants) < 2 or instants not in (sorted(instants), sorted(instants, reverse=True)):
        return 0.0
    first, last = instants[0], instants[-1]
    rest = last - window.start if last < first else window.end - last
    return len(instants) / PAGE_SIZE * (rest / max(abs(first - last), timedelta(seconds=1)))


def _midnight_at_or_before(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _chain(
    kind: Kind,
    client: Any,
    budget: Budget | None,
    window: Window,
    stop: threading.Event | None,
    account: str = "",
) -> Iterator[Page]:
    """The pages of one chain; records outside the window are left out."""
    operation, arn_name = _OPERATIONS[kind]
    # Whether BETWEEN takes its ends in is not documented, and it may know whole seconds only: ask for a
    # little more and leave out what is too much.
    values = [_on_the_wire(window.start - _MARGIN), _on_the_wire(window.end + _MARGIN + _MARGIN)]
    filters = [{"name": "createdAt", "operator": "BETWEEN", "values": values}]
    where = f"{kind} created in {window}"
    for response in _pages(
        client, operation, {"filters": filters}, budget, where, stop=stop, account=account
    ):
        summaries = (_summary(entry, arn_name) for entry in response.body[wire.LISTED[operation][0]])
        inside = [item for item in summaries if window.start <= item.created_at < window.end]
        yield Page(inside, response.at, bool(response.body.get("nextToken")))


def _listed(client: Any, operation: str, budget: Budget | None) -> list[dict[str, Any]]:
    name = wire.LISTED[operation][0]
    pages = _pages(client, operation, {"filters": []}, budget, name)
    return [entry for page in pages for entry in page.body[name]]


def _pages(
    client: Any,
    operation: str,
    parameters: dict[str, Any],
    budget: Budget | None,
    where: str,
    *,
    stop: threading.Event | None = None,
    account: str = "",
) -> Iterator[Response]:
    """The answers of a search's pages up to the last. Raises SearchFailed where the chain breaks."""
    token: str | None = None
    tokens: set[int] = set()
    while True:
        asked = {**parameters, "maxResults": PAGE_SIZE, **({"nextToken": token} if token else {})}
        try:
            response = call(client, operation, asked, budget, stop=stop)
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


def _summary(entry: dict[str, Any], arn_name: str) -> Summary:
    tags = entry.get("tags")
    return Summary(
        arn=_storable(entry[arn_name]),
        created_at=wire.instant(entry["createdAt"]),
        status=_storable(entry["status"]),
        tags={_storable(key): None if value is None else _storable(value) for key, value in tags.items()}
        if isinstance(tags, dict)
        else None,
    )


def _storable(value: object) -> str:
    """The text with lone surrogates, which no UTF-8 store takes, as escapes."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _on_the_wire(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
