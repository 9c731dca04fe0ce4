"""Events of EventBridge and CloudTrail as rows: of `state_change_events`, and of `record_callers` where that is wanted.

In which forms they come is `event_forms`; who fetches them is not this module's business. Nothing is written here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa

from braket_etl.json_text import Unread
from braket_etl.pull.event_forms import Created, Event, Other, found_in
from braket_etl.pull.naming import Naming
from braket_etl.tables.declaration import Table
from braket_etl.tables.normalize import Reject, normalize, storable
from braket_etl.tables.record_callers import RECORD_CALLERS, caller_body
from braket_etl.tables.redact import NOTHING_REDACTED, Redactor
from braket_etl.tables.state_change_events import STATE_CHANGE_EVENTS

OPERATION = "StateChangeEvent"
#: Bodies that are made rows of at once, so that no more of them lie in memory.
_AT_ONCE = 10_000
#: Rejects of one file or message that are kept one by one; what more there is becomes one.
_MOST_REJECTS = 1_000


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event as it came, in the form that the flattener takes."""

    body: Mapping[str, Any]
    fetched_at: datetime
    operation: str = OPERATION

    @property
    def arn(self) -> str:
        """The name of a reject: of a body, since an event that cannot be read may name none, or one of another's."""
        return reject_name(json.dumps(self.body))


@dataclass
class EventsRead:
    """What was read: rows of `state_change_events` and of `record_callers`, rejects, and how many events of other kinds."""

    rows: pa.Table
    callers: pa.Table
    rejects: list[Reject] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


@dataclass
class _Rows:
    """Bodies of one table, turned into Arrow a part at a time."""

    table: Table
    records: list[EventRecord] = field(default_factory=list)
    parts: list[pa.Table] = field(default_factory=list)

    def add(self, record: EventRecord) -> list[Reject]:
        self.records.append(record)
        return self.turned() if len(self.records) >= _AT_ONCE else []

    def turned(self) -> list[Reject]:
        normalized = normalize(self.table, self.records)
        self.records.clear()
        self.parts.append(normalized.rows)
        return normalized.rejects


def event_rows(
    contents: Iterable[bytes | str | tuple[str, bytes]],
    read_at: datetime,
    *,
    naming: Naming | None = None,
    redactor: Redactor = NOTHING_REDACTED,
) -> EventsRead:
    """Rows from what files and messages hold, in any form that AWS gives it; of a file its name and content.

    What is not understood, and events that lack an id, a time, a status or an ARN, become rejects with the text as payload;
    the rest stays. Events of other kinds are counted, and so is who created a record, unless `naming` says how to call them.
    """
    events, callers = _Rows(STATE_CHANGE_EVENTS), _Rows(RECORD_CALLERS)
    read = EventsRead(pa.table({}), pa.table({}))
    for content in contents:
        name, held = content if isinstance(content, tuple) else ("", content)
        unread: list[Unread] = []
        for found in found_in(held, name):
            if isinstance(found, Event):
                read.rejects += events.add(EventRecord(found.body, read_at))
            elif isinstance(found, Unread):
                unread.append(found)
            elif isinstance(found, Created) and naming is not None:
                try:
                    body = caller_body(found.body)
                    body["userIdentity"] = naming.named(body["userIdentity"])
                    read.rejects += callers.add(EventRecord(body, read_at))
                except ValueError as error:
                    unread.append(Unread(json.dumps(naming.kept(found.body)), str(error)))
            else:
                read.others[
                    found.kind if isinstance(found, Other) else f"{found.body['eventName']} via CloudTrail"
                ] += 1
        read.rejects += _rejects(unread, read_at)
    for rows in (events, callers):
        read.rejects += rows.turned()
    read.rows, read.callers = (pa.concat_tables(rows.parts).combine_chunks() for rows in (events, callers))
    read.rejects = [
        _redacted(reject, redactor) for reject in {each.arn: each for each in read.rejects}.values()
    ]
    return read


def reject_name(text: str) -> str:
    """The name under which a text is rejected: the same text has the same, and another text another."""
    return f"event:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def rejected_content(payload: str) -> str:
    """The text of a reject, to be read again: the payload is JSON, a text where it was none."""
    value = json.loads(payload)
    return value if isinstance(value, str) else payload


def _rejects(unread: Sequence[Unread], read_at: datetime) -> list[Reject]:
    """What of one file or message was not understood; what is more than is kept one by one as one reject."""
    distinct = list({one.text: one for one in unread}.values())
    each, rest = distinct[:_MOST_REJECTS], distinct[_MOST_REJECTS:]
    if rest:
        more = f"{len(rest):,} more that cannot be read, the first: {rest[0].error}"
        each = [*each, Unread("\n".join(one.text for one in rest), more)]
    return [
        Reject(OPERATION, reject_name(one.text), storable(one.error), json.dumps(one.text), read_at)
        for one in each
    ]


def _redacted(reject: Reject, redactor: Redactor) -> Reject:
    value = json.loads(reject.payload)
    if isinstance(value, str):
        clean = redactor.payload(value)
        payload = reject.payload if clean == value else json.dumps(clean)
    else:
        payload = redactor.payload(reject.payload)
    return Reject(reject.operation, reject.arn, reject.error, payload, reject.seen_at)
