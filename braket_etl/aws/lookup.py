"""CloudTrail's history of calls, a page at a time: LookupEvents, which needs no trail.

Belongs here: the call. Does not belong here: which stretch of time is due and what a record of CloudTrail means
(pull/callers.py). Source: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any

from braket_etl.aws.call import BadBody, call
from braket_etl.aws.errors import AwsProblem
from braket_etl.aws.operations import LOOKUP_EVENTS
from braket_etl.aws.throttle import Budget
from braket_etl.values import instant


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Records of CloudTrail as JSON texts, when the oldest was made (aware UTC; None without any), and the next token."""

    records: tuple[str, ...]
    oldest: datetime | None
    token: str | None


def looked_up(
    client: Any,
    budget: Budget | None,
    event_name: str,
    since: datetime,
    until: datetime,
    token: str | None,
    *,
    patience: float,
    stop: Event,
) -> LookedUp:
    """One page of the events of a name between two instants, both in, newest first; the others are behind its token.

    Raises AwsProblem, also for an answer that stays broken, and Stopped once `stop` is set.
    """
    asked: dict[str, Any] = {
        # one attribute a call is all that it takes
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": event_name}],
        "StartTime": since,
        "EndTime": until,
    }
    if token:
        asked["NextToken"] = token
    try:
        body = call(client, LOOKUP_EVENTS.name, asked, budget, patience=patience, stop=stop).body
    except BadBody as error:
        raise AwsProblem(f"a page stays broken: {error.error}", operation=LOOKUP_EVENTS.name) from error
    events = body[LOOKUP_EVENTS.entries]
    times = [_time_of(event) for event in events]
    return LookedUp(
        tuple(event["CloudTrailEvent"] for event in events),
        min(times, default=None),
        body.get(LOOKUP_EVENTS.next_page),
    )


def _time_of(event: dict[str, Any]) -> datetime:
    try:
        return instant(event.get("EventTime"))
    except ValueError as error:
        raise AwsProblem(f"EventTime: {error}", operation=LOOKUP_EVENTS.name) from None
