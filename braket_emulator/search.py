"""What a search operation finds: filters, order, and pages.

Newest first, filters joined by AND, BETWEEN with both ends, several values of EQUAL joined by OR, and twenty
records a page unless asked otherwise: of these AWS documents none but the operators, so a client that depends
on one of them is wrong. Page tokens are bound to their query and expire.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from itertools import islice
from typing import Any, Generic

from braket_emulator.instants import DAY, parsed
from braket_emulator.records import Job, SpendingLimit, Task
from braket_emulator.service_model import ApiError
from braket_emulator.world import R, Shelf

DEFAULT_PAGE = 20
TOKEN_LIFE = DAY  # of the emulator's clock
_FOREVER = 2**62

TASK_FILTERS = frozenset({"quantumTaskArn", "deviceArn", "jobArn", "status", "createdAt"})
JOB_FILTERS = frozenset({"jobArn", "createdAt"})
DEVICE_FILTERS = frozenset({"deviceArn"})


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a request; SearchDevices has no operator and means EQUAL."""

    name: str
    operator: str
    values: tuple[str, ...]


def filters(request: dict[str, Any], known: frozenset[str], *, jobs: bool = False) -> list[Filter]:
    """The filters of a request; ApiError for an unknown name or an operator that does not go with it."""
    found = [
        Filter(each["name"], each.get("operator", "EQUAL"), tuple(each["values"]))
        for each in request.get("filters") or ()
    ]
    for each in found:
        if each.name not in known:
            raise _invalid(f"unknown filter name {each.name}; known: {', '.join(sorted(known))}")
        allowed = {"EQUAL"} | ({"CONTAINS"} if jobs else set())
        if each.name == "createdAt":
            allowed = {"LT", "LTE", "EQUAL", "GT", "GTE", "BETWEEN"}
        if each.operator not in allowed:
            raise _invalid(f"operator {each.operator} does not go with {each.name}")
        count = {"BETWEEN": 2, "EQUAL": len(each.values), "CONTAINS": len(each.values)}.get(each.operator, 1)
        if len(each.values) != count:
            raise _invalid(f"{each.operator} takes {count} value(s)")
    return found


def created_range(found: Sequence[Filter], now: int) -> tuple[int, int]:
    """First and last millisecond of creation that the filters allow, none after `now`."""
    first, last = -_FOREVER, now
    for each in found:
        if each.name == "createdAt":
            low, high = _bounds(each)
            first, last = max(first, low), min(last, high)
    return first, last


def _bounds(each: Filter) -> tuple[int, int]:
    try:
        times = [parsed(value) for value in each.values]
    except (ValueError, OverflowError):
        raise _invalid(f"createdAt takes ISO-8601 times, not {' '.join(each.values)}") from None
    match each.operator:
        case "LT":
            return -_FOREVER, times[0] - 1
        case "LTE":
            return -_FOREVER, times[0]
        case "GT":
            return times[0] + 1, _FOREVER
        case "GTE":
            return times[0], _FOREVER
        case "BETWEEN":
            return times[0], times[1]
    return min(times), max(times)


def matcher(
    found: Sequence[Filter], members: dict[str, Callable[[R, int], str | None]]
) -> Callable[[R, int], bool]:
    """Whether a record matches all filters but those on its creation, at an instant."""
    tests = [(members[each.name], each) for each in found if each.name != "createdAt"]

    def matches(record: R, now: int) -> bool:
        return all(_holds(each, member(record, now)) for member, each in tests)

    return matches


def _holds(each: Filter, value: str | None) -> bool:
    if value is None:
        return False
    if each.operator == "CONTAINS":
        return any(part in value for part in each.values)
    return value in each.values


TASK_MEMBERS: dict[str, Callable[[Task, int], str | None]] = {
    "quantumTaskArn": lambda task, now: task.arn,
    "deviceArn": lambda task, now: task.device.arn,
    "jobArn": lambda task, now: task.job_arn,
    "status": lambda task, now: task.status_at(now),
}
JOB_MEMBERS: dict[str, Callable[[Job, int], str | None]] = {"jobArn": lambda job, now: job.arn}
LIMIT_MEMBERS: dict[str, Callable[[SpendingLimit, int], str | None]] = {
    "deviceArn": lambda limit, now: limit.device.arn
}


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Records of one page, and where the next one goes on: (its first place, the last place of this page)."""

    records: list[R]
    go_on: tuple[int, int] | None


def page(shelf: Shelf[R], matches: Callable[[R, int], bool], span: range, size: int, now: int) -> Page[R]:
    """At most `size` matching records of the places in `span`, newest first."""
    found = _matching(shelf, matches, span, now)
    places = list(islice(found, size))
    following = next(found, None)
    go_on = None if following is None else (following, places[-1])
    return Page([shelf.records[place] for place in places], go_on)


def _matching(shelf: Shelf[R], matches: Callable[[R, int], bool], span: range, now: int) -> Iterator[int]:
    for place in reversed(span):
        record = shelf.records[place]
        if not record.forgotten and matches(record, now):
            yield place


def token(query: str, go_on: tuple[int, int], now: int) -> str:
    """An opaque page token for the rest of a query."""
    text = json.dumps([*go_on, now]).encode()
    return base64.urlsafe_b64encode(_seal(query, text) + text).decode()


def place_in(text: str, query: str, now: int) -> tuple[int, int]:
    """Where a page token goes on; ApiError for one that is garbled, of another query, or expired."""
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("nextToken is invalid") from None
    if raw[:8] != _seal(query, raw[8:]):
        raise _invalid("nextToken is invalid or belongs to another request")
    following, last, issued = json.loads(raw[8:])
    if now - issued > TOKEN_LIFE:
        raise _invalid("nextToken has expired")
    return following, last


def _seal(query: str, text: bytes) -> bytes:
    return blake2s(query.encode() + b"\0" + text, digest_size=8).digest()


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)
