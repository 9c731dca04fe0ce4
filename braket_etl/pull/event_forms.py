"""The forms in which EventBridge's events lie in files and queues, and the events inside them.

What AWS puts around an event on its way: Firehose nothing at all between one and the next, CloudWatch Logs, SNS, SQS,
Kinesis and Lambda an envelope each. docs/events.md has the table of forms. What an event means is for `events.py`.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from braket_etl.json_text import Unread, json_values, read_json
from braket_etl.tables.arns import owner_of
from braket_etl.tables.record_callers import BRAKET, CREATES
from braket_etl.tables.state_change_events import DETAIL_TYPES

#: The most that one file or message may hold, packed or not: Firehose joins 128 MiB at most before it packs.
MOST_BYTES = 256 * 1024 * 1024
#: Envelopes around an event: SNS in SQS in Lambda's record in CloudWatch Logs is four. One takes four steps at most: its
#: list, an item of it, what is packed there, and the value in that.
_MOST_ENVELOPES = 8
_MOST_STEPS = 4 * _MOST_ENVELOPES
#: How every text in base 64 begins that is a gzip.
_PACKED_TEXT = "H4sI"
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_AT_ONCE = 1024 * 1024
_TEXT_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_NO_TIME = (
    "the detail alone does not tell when the status changed: let the rule send the matched event as a whole"
)
_TASK, _JOB = DETAIL_TYPES
_CLOUDTRAIL = "AWS API Call via CloudTrail"
#: Members that hold a list of what came: SQS, SNS, Kinesis and trails (Records), Firehose (records), CloudWatch Logs
#: (logEvents, events), and answers of SQS and CloudTrail that the command line wrote (Messages, Events).
_LISTS = ("Records", "records", "logEvents", "events", "Messages", "Events")
#: Members that hold the event as text or value: SQS, CloudWatch Logs, SNS, LookupEvents, a destination of Lambda.
_INSIDE = ("body", "Body", "Message", "message", "Sns", "CloudTrailEvent", "requestPayload")
#: Members that hold it in base 64: CloudWatch Logs and Kinesis in Lambda, Firehose (data), what Firehose gave up (rawData).
_PACKED = ("awslogs", "kinesis", "data", "Data", "rawData")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a task or job, in EventBridge's own form."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Created:
    """What CloudTrail says of a call that created a task or job: a record in CloudTrail's own form."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Other:
    """An event that is understood, and of no kind that is read."""

    kind: str


Found = Event | Created | Other | Unread


def found_in(content: bytes | str, name: str = "") -> Iterator[Found]:
    """What a file or message holds, in order; of what is not understood its text and why. Empty content holds nothing.

    `name` says in a message which file it is.
    """
    unpacking = _Unpacking(name)
    is_silent = True
    for found in _in_content(content, unpacking, 0):
        is_silent = False
        yield found
    if is_silent and content:
        yield Unread(content if isinstance(content, str) else unpacking.about(content), "it holds no event")


class _Unpacking:
    """What may still be unpacked of one file or message, however many packed pieces lie in each other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = MOST_BYTES

    def about(self, content: bytes) -> str:
        """What is kept of bytes that are no text: which they are, and the first of them."""
        return json.dumps(
            {"file": self._name, "bytes": len(content), "begin": base64.b64encode(content[:300]).decode()}
        )

    def unpacked(self, content: bytes) -> tuple[bytes, str]:
        """The content of one gzip file, or of several one after another, and why there is no more of it, or nothing."""
        parts: list[bytes] = []
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                while part := file.read1(_AT_ONCE):
                    parts.append(part)
                    self._left -= len(part)
                    if self._left < 0:
                        return b"", f"it unpacks to more than {MOST_BYTES >> 20} MiB"
        except (OSError, EOFError, zlib.error) as error:
            return b"".join(parts), f"the gzip is damaged or cut short: {error}"
        return b"".join(parts), ""


def _in_content(content: bytes | str, unpacking: _Unpacking, depth: int, raw: str = "") -> Iterator[Found]:
    if depth > _MOST_STEPS:
        yield Unread(raw, f"more than {_MOST_ENVELOPES} envelopes around an event")
        return
    if isinstance(content, str):
        yield from _in_text(content, unpacking, depth, raw)
    elif content.startswith(_GZIP):
        inner, why = unpacking.unpacked(content)
        if inner or not why:
            yield from _in_content(inner, unpacking, depth + 1, raw)
        if why:
            yield Unread(raw or unpacking.about(content), why)
    else:
        encoding = _TEXT_MARKS.get(content[:2])
        text = content.decode(encoding, "replace") if encoding else content.decode("utf-8", "surrogateescape")
        if content.startswith(_ZIP) or "\0" in text.strip("\0"):
            yield Unread(raw or unpacking.about(content), "neither text nor gzip")
        else:
            yield from _in_text(text, unpacking, depth, raw)


def _in_text(text: str, unpacking: _Unpacking, depth: int, raw: str) -> Iterator[Found]:
    """The values of a text; where it is inside of an envelope and is one value or none, the envelope is what is kept."""
    if text.lstrip().startswith(_PACKED_TEXT) and (inside := _packed("".join(text.split()))):
        yield from inside(unpacking, depth + 1, raw or text)
        return
    values = json_values(text)
    first, second = next(values, None), next(values, None)
    if first is None:
        if raw:
            yield Unread(raw, "it holds no event")
        return
    for part, value in (first, second) if second else (first,):
        yield from _in_value(value, unpacking, depth + 1, part if second or not raw else raw)
    for part, value in values:
        yield from _in_value(value, unpacking, depth + 1, part)


def _in_value(value: Any, unpacking: _Unpacking, depth: int, raw: str) -> Iterator[Found]:
    """What a JSON value holds; `raw` is its text, or that of the envelope that holds nothing else."""
    if depth > _MOST_STEPS:
        yield Unread(raw, f"more than {_MOST_ENVELOPES} envelopes around an event")
    elif isinstance(value, Unread):
        yield Unread(raw, value.error)
    elif isinstance(value, str):
        yield from _in_text(value, unpacking, depth, raw)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _in_value(item, unpacking, depth + 1, raw if len(value) == 1 else json.dumps(item))
    elif isinstance(value, Mapping):
        yield from _in_object(value, unpacking, depth, raw)
    else:
        yield Unread(raw, "an event is a JSON object")


def _in_object(value: Mapping[str, Any], unpacking: _Unpacking, depth: int, raw: str) -> Iterator[Found]:
    kind = next((value[name] for name in ("detail-type", "detailType", "DetailType") if name in value), None)
    if isinstance(kind, str):
        yield from _of_kind(kind, value, unpacking, depth, raw)
    elif "userIdentity" in value and isinstance(value.get("eventName"), str) and "s3" not in value:
        yield _call(value)
    elif (event := _completed(value)) is not None:
        yield Event(event) if event["time"] else Unread(raw, _NO_TIME)
    elif (other := _no_carrier(value)) is not None:
        yield Unread(raw, other.error) if isinstance(other, Unread) else other
    else:
        inside = next(
            (inner for name in (*_LISTS, *_INSIDE, *_PACKED) if (inner := _carried(value, name))), None
        )
        if inside is None:
            yield Unread(raw, "neither an event of EventBridge nor an envelope that is known")
        else:
            yield from inside(unpacking, depth + 1, raw)


def _of_kind(
    kind: str, value: Mapping[str, Any], unpacking: _Unpacking, depth: int, raw: str
) -> Iterator[Found]:
    detail = _object(value.get("detail"))
    if kind in DETAIL_TYPES:
        # one that names no source is not Braket's; no source at all have those that older versions stored
        yield Event(
            {
                **value,
                "detail-type": kind,
                "detail": detail or value.get("detail"),
                "source": value.get("source") or "",
            }
        )
    elif kind == _CLOUDTRAIL and detail is not None:
        said = {"eventID": value.get("id"), "eventTime": value.get("time"), **detail}
        yield _call(said) if value.get("source") == "aws.braket" else Other(f"{kind} of another source")
    elif detail is not None and "requestPayload" in detail:  # a destination of Lambda, by way of EventBridge
        yield from _in_value(detail["requestPayload"], unpacking, depth + 1, raw)
    else:
        yield Other(kind)


def _call(record: Mapping[str, Any]) -> Found:
    """What a record of CloudTrail is to us: a call that created a task or job, or another."""
    name = str(record["eventName"])
    if record.get("eventSource") != BRAKET or name not in CREATES:
        return Other(f"{name} via CloudTrail")
    if record.get("errorCode"):
        return Other(f"{name} via CloudTrail that was refused")
    return Created(record)


def _completed(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event of which a rule sent no more than the detail, or some members; None where it is none.

    Account and Region are those of the ARN, and the time is the one that the detail tells of this status, where it does.
    Nothing says who sent it.
    """
    detail = _object(value.get("detail")) if "detail" in value else value
    arn = detail and (detail.get("quantumTaskArn") or detail.get("jobArn"))
    if not detail or not isinstance(arn, str) or not isinstance(status := detail.get("status"), str):
        return None
    account, region = owner_of(arn)
    told = {"CREATED": "createdAt", "RUNNING": "startedAt"}.get(status, "endedAt")
    known = {
        "id": f"detail:{sha256(json.dumps(detail, sort_keys=True).encode()).hexdigest()[:32]}",
        "detail-type": _TASK if detail.get("quantumTaskArn") else _JOB,
        "account": account,
        "region": region,
        "time": detail.get(told),
        "source": "",
    }
    return {**known, **(value if value is not detail else {}), "detail": detail}


def _object(value: Any) -> Mapping[str, Any] | None:
    """The object that a member is, or that its text is; None for anything else."""
    if isinstance(value, str):
        try:
            value = read_json(value)
        except ValueError:
            return None
    return value if isinstance(value, Mapping) else None


def _no_carrier(value: Mapping[str, Any]) -> Other | Unread | None:
    """What is understood and carries no event."""
    if value.get("messageType") == "CONTROL_MESSAGE":
        return Other("control message of CloudWatch Logs")
    if value.get("Event") == "s3:TestEvent":
        return Other("s3:TestEvent")
    if "digestStartTime" in value or "insightDetails" in value:
        return Other(f"{'digest' if 'digestStartTime' in value else 'insight'} of CloudTrail")
    if value.get("Type") in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return Unread("", f"{value['Type']} of Amazon SNS: whoever owns the topic opens its SubscribeURL")
    if "s3" in value:
        return Unread("", "the name of an S3 object, which is not opened: set the feed to s3://bucket/prefix")
    return None


_Inside = Callable[[_Unpacking, int, str], Iterator[Found]]


def _carried(value: Mapping[str, Any], name: str) -> _Inside | None:
    """How to read what a member of that name carries; None where it carries nothing."""
    inner = value.get(name)
    if name in _PACKED:
        packed = inner.get("data") if isinstance(inner, Mapping) else inner
        return _packed(packed) if isinstance(packed, str) else None
    if isinstance(inner, list if name in _LISTS else str | Mapping) and inner:
        if value.get("isBase64Encoded") is True and isinstance(inner, str):
            return _packed(inner)
        return lambda unpacking, depth, raw: _in_value(inner, unpacking, depth, raw)
    return None


def _packed(text: str) -> _Inside | None:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return lambda unpacking, depth, raw: _in_content(content, unpacking, depth, raw)
