"""The one function through which every request to Braket goes, and CloudTrail's LookupEvents.

Belongs here: sending, waiting for the budget, judging an answer, trying again.
Does not belong here: which operation is called for what (search.py, fetch.py).

The body is taken before botocore parses it, and botocore is given an empty object instead: what callers get
is the wire form, whole, also with members that botocore does not know; no value can make the parser raise,
and the time for parsing twice is saved. A client is asked once a try and must not repeat requests by itself
(`Sessions.braket` makes such clients), so that each HTTP request takes its own token of the budget.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakSet

from botocore import exceptions as boto
from botocore import xform_name

from braket_etl.aws import wire
from braket_etl.aws.errors import AwsProblem, NotFound, classify, is_throttle
from braket_etl.aws.stamp import Stamp, stamped_now
from braket_etl.aws.throttle import Budget, Stopped, pause
from braket_etl.display import safe_text
from braket_etl.values import http_date

PATIENCE = 180.0  # seconds that something is asked for while Braket says it comes too fast
_BAD_BODY_TRIES = 5
_TRANSIENT_TRIES = 8
_CONNECT_TRIES = 4  # each may last the whole connect timeout
_TRANSIENT_PATIENCE = 90.0  # seconds
_LONGEST_PAYLOAD = 1_000_000  # characters


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that was checked whole.

    `body` is the JSON as it came, `raw` its text, `stamp` when it came.
    """

    body: dict[str, Any]
    raw: str
    stamp: Stamp


class BadBody(Exception):  # noqa: N818 - named for what came
    """An answer with status 200 that cannot be a record; `payload` is its text, `stamp` when it came."""

    def __init__(self, operation: str, error: str, payload: str, stamp: Stamp | None = None) -> None:
        super().__init__(f"{operation}: {error}")
        self.operation = operation
        self.error = error
        self.payload = payload
        self.stamp = stamp or stamped_now()


@dataclass(slots=True)
class _Answer:
    status: int
    headers: Any
    body: bytes
    seen_at: datetime

    @property
    def stamp(self) -> Stamp:
        date = self.headers.get("date")
        return Stamp(self.seen_at, http_date(str(date)) if date else None)


class _Latest(threading.local):
    """The latest answer in this thread; botocore calls its handlers on the thread that makes the request."""

    answer: _Answer | None = None


_latest = _Latest()
_capturing: WeakSet[Any] = WeakSet()
_capturing_lock = threading.Lock()
_checks: dict[str, wire.Check] = {}


def call(
    client: Any,
    operation: str,
    parameters: dict[str, Any],
    budget: Budget | None,
    *,
    patience: float = PATIENCE,
    stop: threading.Event | None = None,
) -> Response:
    """Ask Braket one thing and give an answer that was checked whole; waits for the budget first.

    Raises BadBody for a 200 that is no record after several tries, NotFound, AccessDenied, ExpiredCredentials
    and other AwsProblem, and Stopped once `stop` is set. `patience` is in seconds.
    """
    _capture(client)
    tries = _Tries(operation, budget, patience, stop)
    while True:
        tries.wait_for_slot()
        _latest.answer = None
        try:
            getattr(client, xform_name(operation))(**parameters)
            return _response(client, operation)
        except _BodyError as error:
            tries.after_bad_body(error)
        except boto.ClientError as error:
            tries.after_error_response(error, _problem(error, client, operation, budget))
        except (boto.HTTPClientError, boto.ConnectionError) as error:
            tries.after_transport_error(error, _problem(error, client, operation, budget))
        except Exception as error:  # noqa: BLE001 - a body the driver cannot read, a value it cannot send
            tries.after_driver_error(error, _problem(error, client, operation, budget))


class _BodyError(Exception):
    """A 200 that is not whole, not yet judged to stay so."""

    def __init__(self, error: str, answer: _Answer | None) -> None:
        super().__init__(error)
        self.answer = answer


class _Tries:
    """How often one call was tried, and whether what just happened is worth another try."""

    def __init__(
        self, operation: str, budget: Budget | None, patience: float, stop: threading.Event | None
    ) -> None:
        self._operation = operation
        self._budget = budget
        self._patience = patience
        self._stop = stop
        self._began = time.monotonic()
        self._throttles = self._bad_bodies = self._transients = 0

    def wait_for_slot(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Stopped
        if self._budget is not None:
            self._budget.acquire(self._operation, self._stop)

    def after_bad_body(self, error: _BodyError) -> None:
        self._bad_bodies += 1
        if self._bad_bodies >= _BAD_BODY_TRIES:
            raise _bad_body(self._operation, str(error), error.answer) from error
        self._back_off(self._bad_bodies, longest=1.0)

    def after_error_response(self, error: boto.ClientError, problem: AwsProblem) -> None:
        if is_throttle(error):
            self._after_throttle(problem)
        elif problem.retryable:
            self._after_transient(problem, _TRANSIENT_TRIES)
        else:
            raise problem from error

    def after_transport_error(self, error: Exception, problem: AwsProblem) -> None:
        connecting = isinstance(error, boto.ConnectionError)
        self._after_transient(problem, _CONNECT_TRIES if connecting else _TRANSIENT_TRIES)

    def after_driver_error(self, error: Exception, problem: AwsProblem) -> None:
        answer = _latest.answer
        if answer is not None and answer.status == 200:
            raise _bad_body(self._operation, f"{type(error).__name__}: {safe_text(error)}", answer) from error
        if answer is not None and answer.status >= 500:
            self._after_transient(problem, _TRANSIENT_TRIES)
        else:
            raise problem from error

    def _after_throttle(self, problem: AwsProblem) -> None:
        self._throttles += 1
        if self._budget is not None:
            self._budget.throttled(self._operation)
        seconds = time.monotonic() - self._began
        if seconds > self._patience:
            if self._throttles > 1:
                problem.message = (
                    f"still throttled after {seconds:.0f} s ({problem.message}); the next run asks again"
                )
            raise problem
        with self._budget.backing_off(self._operation) if self._budget is not None else nullcontext():
            self._back_off(self._throttles, longest=5.0)

    def _after_transient(self, problem: AwsProblem, tries: int) -> None:
        self._transients += 1
        if self._transients >= tries or time.monotonic() - self._began > _TRANSIENT_PATIENCE:
            raise problem
        self._back_off(self._transients, longest=2.0)

    def _back_off(self, count: int, *, longest: float) -> None:
        if self._budget is not None:
            self._budget.retried(self._operation)
        # Half of it at random: callers that failed together must not come back together.
        seconds = min(longest, 0.05 * 2.0**count)
        pause(seconds * random.uniform(0.5, 1.0), self._stop)  # noqa: S311 - no secret depends on it


def _capture(client: Any) -> None:
    """Let the client's answers pass through our handler; once a client, whichever of its threads comes first."""
    with _capturing_lock:
        if client not in _capturing:
            client.meta.events.register("before-parse.*.*", _keep_answer, unique_id="braket-etl-answer")
            _capturing.add(client)


def _keep_answer(response_dict: dict[str, Any], **_: Any) -> None:
    body = response_dict["body"]
    _latest.answer = _Answer(response_dict["status_code"], response_dict["headers"], body, datetime.now(UTC))
    if response_dict["status_code"] < 300:
        response_dict["body"] = b"{}"


def _response(client: Any, operation: str) -> Response:
    answer = _latest.answer
    if answer is None:
        raise _BodyError("no answer was seen", None)
    length = answer.headers.get("content-length")
    if (
        length is not None
        and str(length) != str(len(answer.body))
        and not answer.headers.get("content-encoding")
    ):
        raise _BodyError(f"the body has {len(answer.body)} bytes, not {safe_text(length)}", answer)
    try:
        raw = answer.body.decode("utf-8-sig")
        body = wire.json_object(raw)
        _check(client, operation)(body)
    except ValueError as error:
        raise _BodyError(safe_text(error), answer) from error
    return Response(body, raw, answer.stamp)


def _check(client: Any, operation: str) -> wire.Check:
    check = _checks.get(operation)
    if check is None:
        shape = client.meta.service_model.operation_model(operation).output_shape
        check = _checks[operation] = wire.body_check(operation, shape)
    return check


def _problem(error: Exception, client: Any, operation: str, budget: Budget | None) -> AwsProblem:
    account = budget.account if budget is not None else ""
    problem = classify(error, account=account, region=client.meta.region_name, operation=operation)
    if isinstance(problem, NotFound) and _latest.answer is not None:
        problem.stamp = _latest.answer.stamp
    return problem


def _bad_body(operation: str, error: str, answer: _Answer | None) -> BadBody:
    if answer is None:
        return BadBody(operation, error, "")
    payload = answer.body[: _LONGEST_PAYLOAD * 4].decode(errors="replace")[:_LONGEST_PAYLOAD]
    return BadBody(operation, error, payload, answer.stamp)
