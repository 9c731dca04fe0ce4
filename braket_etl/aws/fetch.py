"""The records themselves: one Get a record, many side by side.

Belongs here: workers, what becomes of each request, giving up on a target that refuses.
Does not belong here: the order of the requests and what is done with the records.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from braket_etl.aws.call import PATIENCE, BadBody, call
from braket_etl.aws.errors import (
    AwsProblem,
    BadConfiguration,
    ExpiredCredentials,
    MissingCredentials,
    NotFound,
    Throttled,
)
from braket_etl.aws.operations import GETS
from braket_etl.aws.outbox import Outbox
from braket_etl.aws.sessions import Sessions, Target
from braket_etl.aws.stamp import Stamp, stamped_now
from braket_etl.aws.throttle import Budget, Budgets, Stopped, pause

DEFAULT_THREADS = 16

# Few requests of an operation with a small quota are under way at once; one with a large quota needs them all.
_SMALL_QUOTA = 20.0  # requests a second
_SMALL_QUOTA_THREADS = 4
_READ_AHEAD = 1_000  # requests taken from the caller and not yet answered to it
_RESULTS_AHEAD = 100
_YOUNG = timedelta(minutes=10)
_YOUNG_WAITS = (0.5, 1.0, 2.0)  # seconds; a record just made may not be there yet
# One record that is throttled must not hold the others up, nor slow them down by being asked for again and again.
_TURN = 3.0  # seconds of asking for a record before it goes to the end of the line
_NEXT_TURN, _LONGEST_TURN = 5.0, 40.0  # seconds until it is asked for again, once each time
_REFUSALS = 10  # in a row; fewer may be single records that a policy hides
# The record was listed, but cannot be asked for: it will not become a row by asking again.
_NEVER_A_RECORD = frozenset({"ValidationException", "ParamValidationError", "UnicodeEncodeError"})


@dataclass(frozen=True, slots=True)
class Request:
    """One record to get: where, by which operation, its ARN, and when it was created (aware) if known."""

    target: Target
    operation: str
    arn: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A record; `body` is the JSON as it came, `fetched_at` the aware UTC instant of the answer.

    `asked_as` is when the record was created as far as whoever asked for it knew.
    """

    operation: str
    arn: str
    body: dict[str, Any]
    fetched_at: datetime
    stamp: Stamp | None = None
    asked_as: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An answer that cannot become a row, with its text and its aware UTC instant."""

    operation: str
    arn: str
    error: str
    payload: str
    at: datetime
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Braket does not know the record: forgotten, or of another account or Region; `at` is aware UTC."""

    operation: str
    arn: str
    at: datetime
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The record could not be asked for; it may exist."""

    operation: str
    arn: str
    problem: AwsProblem


Outcome = Fetched | Rejected | Missing | Failed


def fetch_all(
    sessions: Sessions,
    budgets: Budgets | None,
    requests: Iterable[Request],
    *,
    threads_per_target: int = DEFAULT_THREADS,
    patience: float = PATIENCE,
    stop: threading.Event | None = None,
) -> Iterator[Outcome]:
    """What became of each request, one outcome a request, in any order.

    Requests are taken from the iterable as they are needed, on the caller's thread and in their order. Every
    target and operation has its own threads, so that none waits for another; at most a thousand requests
    and a hundred outcomes are held. A target whose credentials do not work is asked no more: its remaining
    requests come back as Failed, as do those of an operation that is refused again and again. What is throttled is
    asked for again after the others, for `patience` seconds. Once `stop` is set, Stopped is raised.
    Closing the generator lets the threads end with the call they are in.
    """
    fetcher = _Fetcher(sessions, budgets, threads_per_target, patience, stop)
    try:
        yield from fetcher.outcomes(requests)
    finally:
        fetcher.close()


class _Fetcher:
    """The lanes of one `fetch_all`, and the place where their outcomes meet."""

    def __init__(
        self,
        sessions: Sessions,
        budgets: Budgets | None,
        threads: int,
        patience: float,
        stop: threading.Event | None,
    ) -> None:
        self.sessions = sessions
        self.budgets = budgets
        self.patience = patience
        self.outbox: Outbox[Outcome] = Outbox(_RESULTS_AHEAD, stop)
        self.closed_targets: dict[Target, AwsProblem] = {}
        self._threads = max(1, threads)
        self._lanes: dict[tuple[Target, str], _Lane] = {}

    def outcomes(self, requests: Iterable[Request]) -> Iterator[Outcome]:
        source: Iterator[Request] | None = iter(requests)
        under_way = 0
        while source is not None or under_way:
            ready = self.outbox.get_ready()
            if not ready and source is not None and under_way < _READ_AHEAD:
                request = next(source, None)
                if request is None:
                    source = None
                else:
                    self._lane(request).add(request)
                    under_way += 1
                continue
            under_way -= 1
            yield ready[0] if ready else self.outbox.get()

    def close(self) -> None:
        self.outbox.close()
        for lane in self._lanes.values():
            lane.end()

    def _lane(self, request: Request) -> _Lane:
        key = (request.target, request.operation)
        if key not in self._lanes:
            threads = self._threads
            quota = GETS[request.operation].quota
            if quota is None or quota.rate <= _SMALL_QUOTA:
                threads = min(threads, _SMALL_QUOTA_THREADS)
            self._lanes[key] = _Lane(self, request.target, request.operation, threads)
        return self._lanes[key]


@dataclass(slots=True)
class _Asked:
    """A request, since when it is asked for, how often it was throttled away, and when it is its turn again."""

    request: Request
    since: float = field(default_factory=time.monotonic)
    turns: int = 0
    due: float = 0.0

    @property
    def seconds(self) -> float:
        """For how long it has been asked for."""
        return time.monotonic() - self.since

    def goes_to_the_end(self) -> None:
        """It was throttled; others first."""
        wait = min(_LONGEST_TURN, _NEXT_TURN * 2.0**self.turns)
        self.turns += 1
        self.due = time.monotonic() + wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it


@dataclass(slots=True)
class _Lane:
    """The requests of one operation to one target, and the threads that work on them."""

    fetcher: _Fetcher
    target: Target
    operation: str
    most_threads: int
    _requests: queue.SimpleQueue[Request | None] = field(default_factory=queue.SimpleQueue)
    _threads: int = 0
    _refusals: int = 0  # in a row; written without a lock, being off by one does no harm
    _answered_at: float = field(default_factory=time.monotonic)
    _closed: AwsProblem | None = None

    def add(self, request: Request) -> None:
        self._requests.put(request)
        if self._threads < self.most_threads:
            self._threads += 1
            name = f"{self.operation} {self.target.label} {self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def end(self) -> None:
        for _ in range(self._threads):
            self._requests.put(None)

    def _work(self) -> None:
        outbox = self.fetcher.outbox
        throttled: list[_Asked] = []  # each thread keeps its own
        try:
            while not outbox.stop.is_set() and (asked := self._next(throttled)) is not None:
                outcome = self._outcome(asked)
                if outcome is None:
                    throttled.append(asked)
                else:
                    outbox.put(outcome)
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 - it is raised where the outcomes are consumed
            with suppress(Stopped):
                outbox.fail(error)

    def _next(self, throttled: list[_Asked]) -> _Asked | None:
        """What to ask for next: something throttled whose turn has come, else something new; None at the end."""
        first = min(throttled, key=lambda asked: asked.due, default=None)
        try:
            if first is None:
                request = self._requests.get()
            elif (wait := first.due - time.monotonic()) > 0:
                with self._backing_off():
                    request = self._requests.get(timeout=wait)
            else:
                raise queue.Empty
        except queue.Empty:
            assert first is not None  # noqa: S101 - without one the wait has no end
            throttled.remove(first)
            return first
        return None if request is None else _Asked(request)

    def _backing_off(self) -> AbstractContextManager[None]:
        budget = self._budget()
        return budget.backing_off(self.operation) if budget is not None else nullcontext()

    def _outcome(self, asked: _Asked) -> Outcome | None:
        """What became of a request; None where it was throttled and is to be asked for again."""
        request = asked.request
        closed = self._closed or self.fetcher.closed_targets.get(self.target)
        if closed is not None:
            return Failed(self.operation, request.arn, closed)
        try:
            outcome = _Get(
                self.fetcher.sessions.braket(self.target),
                self._budget(),
                self.operation,
                request.arn,
                request.created_at,
                self.fetcher.outbox.stop,
                min(_TURN, self.fetcher.patience) if not asked.turns else 0.0,
            ).outcome()
        except Throttled as problem:
            if asked.seconds < self.fetcher.patience:
                asked.goes_to_the_end()
                return None
            return Failed(self.operation, request.arn, self._given_up(asked, problem))
        except AwsProblem as problem:
            problem.account = problem.account or self.target.account.name
            # Thousands may be held; their frames would hold bodies and clients.
            problem.__traceback__ = problem.__cause__ = problem.__context__ = None
            self._note_refusal(problem)
            return Failed(self.operation, request.arn, problem)
        self._refusals = 0
        self._answered_at = time.monotonic()
        return outcome

    def _given_up(self, asked: _Asked, said: Throttled) -> Throttled:
        """The problem of a record that was throttled all the time; where all were, no other is waited for in its turn."""
        arn, lasted = asked.request.arn, f"throttled for {asked.seconds:.0f} s"
        if self._answered_at > asked.since:
            return self._throttled(f"{arn} was {lasted} while others were answered", said)
        self._closed = self._throttled(f"everything was {lasted}; other programs may use up the quota", said)
        return self._throttled(f"{arn} was {lasted}, as was all else", said)

    def _throttled(self, text: str, said: Throttled) -> Throttled:
        return Throttled(
            f"{text} ({said.said}); the next sync asks again",
            account=said.account or self.target.account.name,
            region=self.target.region,
            operation=self.operation,
            code=said.code,
            retryable=True,
        )

    def _budget(self) -> Budget | None:
        budgets = self.fetcher.budgets
        return budgets.budget(self.target.account.name, self.target.region) if budgets is not None else None

    def _note_refusal(self, problem: AwsProblem) -> None:
        if isinstance(problem, ExpiredCredentials | MissingCredentials | BadConfiguration):
            self.fetcher.closed_targets[self.target] = problem
        self._refusals += 1
        if self._refusals >= _REFUSALS:
            self._closed = problem


@dataclass(frozen=True, slots=True)
class _Get:
    """One Get: of what, through which client, within which budget, and for how many seconds while it is throttled."""

    client: Any
    budget: Budget | None
    operation: str
    arn: str
    created_at: datetime | None
    stop: threading.Event | None = None
    patience: float = PATIENCE

    def outcome(self) -> Fetched | Missing | Rejected:
        """What it gave. Raises AwsProblem, Stopped."""
        try:
            return self._of_a_young_record()
        except NotFound as problem:
            stamp = problem.stamp or stamped_now()
            return Missing(self.operation, self.arn, stamp.at, stamp)
        except BadBody as error:
            return self._rejected(error.error, error.payload, error.stamp)
        except AwsProblem as problem:
            if problem.code in _NEVER_A_RECORD:
                return self._rejected(problem.message, "", stamped_now())
            raise

    def _of_a_young_record(self) -> Fetched | Rejected:
        is_young = self.created_at is not None and datetime.now(UTC) - self.created_at < _YOUNG
        for wait in _YOUNG_WAITS if is_young else ():
            try:
                return self._once()
            except NotFound:
                pause(wait, self.stop)
        return self._once()

    def _once(self) -> Fetched | Rejected:
        get = GETS[self.operation]
        parameters: dict[str, Any] = {get.arn_member: self.arn}
        if get.attributes:
            parameters["additionalAttributeNames"] = list(get.attributes)
        response = call(
            self.client, self.operation, parameters, self.budget, stop=self.stop, patience=self.patience
        )
        stamp = response.stamp
        if response.body.get(get.arn_member) != self.arn:
            return self._rejected("the answer is of another record", response.raw, stamp)
        return Fetched(self.operation, self.arn, response.body, stamp.at, stamp, self.created_at)

    def _rejected(self, error: str, payload: str, stamp: Stamp) -> Rejected:
        return Rejected(self.operation, self.arn, error, payload, stamp.at, stamp)
