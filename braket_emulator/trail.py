"""CloudTrail's LookupEvents: who called CreateQuantumTask and CreateJob, as far as CloudTrail has told by an instant.

Every task and job of the world has one such event, drawn from its ARN, so that the world itself is what it is without
them: IAM users, people who signed on by IAM Identity Center, sessions of a role that bear a person's name, and a robot. A
task in a job was created by a session of the job's role. Now and then a call was refused before the one that created the
record. Events arrive minutes late, newest first on a page, and are forgotten after 90 days. Looked up by name alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2s
from typing import Any
from zlib import crc32

from braket_emulator import search
from braket_emulator.callers import Caller, access_key_for
from braket_emulator.instants import DAY, MINUTE, SECOND, iso
from braket_emulator.records import Job, Task
from braket_emulator.service_model import ApiError
from braket_emulator.world import Shelf, World

SOURCE = "braket.amazonaws.com"
#: Event name → the member of the answer with the ARN of what was created.
CREATES = {"CreateQuantumTask": "quantumTaskArn", "CreateJob": "jobArn"}
#: How late an event may be looked up, at least and at most, and for how long it may be.
SOONEST, LATEST, REMEMBERED = 2 * MINUTE, 14 * MINUTE, 90 * DAY
_MOST = 50
_REFUSED_ONE_IN = 40
_SIGNED_ON = "AWSReservedSSO_QuantumResearcher_0123456789abcdef"
_JOB_ROLE = "AmazonBraketJobsExecutionRole"
#: Twelve people and a robot: how each signs its requests.
PEOPLE = {
    **dict.fromkeys(("ana", "bo", "chidi", "dagny"), "IAMUser"),
    **dict.fromkeys(("emeka", "fatima", "goran", "hana", "ivo"), _SIGNED_ON),
    **dict.fromkeys(("jun", "kofi", "lena"), "LabMember"),
    "nightly-calibration": "Robot",
}


def caller_of(record: Task | Job) -> str:
    """Who created a record: whoever its tag `owner` names, else one of the people; a job's task its role's session."""
    if isinstance(record, Task) and record.job_arn:
        return record.job_arn.rpartition("/")[2]
    owner = (record.tags or {}).get("owner")
    return owner if owner in PEOPLE else list(PEOPLE)[crc32(record.arn.encode()) % len(PEOPLE)]


def lookup(
    world: World, caller: Caller, request: dict[str, Any], now: int, *, expired: bool
) -> dict[str, Any]:
    """The answer of LookupEvents at an instant; ApiError where the request makes no sense, or its page token `expired`."""
    name, first, last = _asked(request, now)
    size = request.get("MaxResults") or _MOST
    shelves: dict[str, dict[tuple[str, str], Any]] = {
        "CreateQuantumTask": world.task_shelves,
        "CreateJob": world.job_shelves,
    }
    shelf = shelves.get(name, {}).get((caller.account, caller.region))
    query = json.dumps(
        [name, caller.account, caller.region, request.get("StartTime"), request.get("EndTime")]
    )
    start, part = _place(request.get("NextToken"), query, now, expired=expired)
    page: list[dict[str, Any]] = []
    for place, number, event in _newest_first(shelf, first, last, now, start) if shelf else ():
        if (place, number) == (start, 0) and part:
            continue
        if len(page) == size:
            return {"Events": page, "NextToken": search.token(query, (place, number), now)}
        page.append(event)
    return {"Events": page}


def _asked(request: dict[str, Any], now: int) -> tuple[str, int, int]:
    """The name of the events, and the milliseconds between which they are asked for, both in."""
    attributes = request.get("LookupAttributes") or []
    if len(attributes) != 1 or attributes[0].get("AttributeKey") != "EventName":
        raise ApiError("InvalidLookupAttributesException", "One attribute is looked up here, EventName")
    if not 1 <= request.get("MaxResults", _MOST) <= _MOST:
        raise ApiError("InvalidMaxResultsException", "MaxResults must be between 1 and 50")
    first = max(now - REMEMBERED, int(request.get("StartTime", 0) * SECOND))
    last = int(request.get("EndTime", now // SECOND) * SECOND) + SECOND - 1  # events know whole seconds
    if request.get("StartTime", 0) > request.get("EndTime", now / SECOND + 1):
        raise ApiError("InvalidTimeRangeException", "The start time lies after the end time")
    return attributes[0]["AttributeValue"], first, last


def _place(token: str | None, query: str, now: int, *, expired: bool) -> tuple[int | None, int]:
    if token is None:
        return None, 0
    try:
        if expired:
            raise ApiError("", "")
        return search.place_in(token, query, now)
    except ApiError:
        raise ApiError("InvalidNextTokenException", "The next token is invalid or has expired") from None


def _newest_first(
    shelf: Shelf[Task] | Shelf[Job], first: int, last: int, now: int, start: int | None
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Place of the record on its shelf, number of the event, and the event: the call that made it, then a refused one."""
    span = shelf.between(first, min(last, now))
    stop = span.stop if start is None else min(span.stop, start + 1)
    for place in range(stop - 1, span.start - 1, -1):
        record = shelf.records[place]
        chance = crc32(record.arn.encode())
        if record.created + SOONEST + chance % (LATEST - SOONEST) > now:
            continue
        yield place, 0, _event(record)
        if chance % _REFUSED_ONE_IN == 0:
            yield place, 1, _event(record, refused=True)


def _event(record: Task | Job, *, refused: bool = False) -> dict[str, Any]:
    name = "CreateQuantumTask" if isinstance(record, Task) else "CreateJob"
    unique = blake2s(f"{record.arn}{refused}".encode(), digest_size=16).hexdigest()
    identity = _identity(record)
    told = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": f"{iso(record.created)[:19]}Z",
        "eventSource": SOURCE,
        "eventName": name,
        "awsRegion": record.region,
        "sourceIPAddress": f"203.0.113.{crc32(caller_of(record).encode()) % 254 + 1}",
        "userAgent": "Boto3/1.43.5",
        "requestParameters": {"clientToken": unique},
        "responseElements": None if refused else {CREATES[name]: record.arn},
        "requestID": unique[::-1],
        "eventID": unique,
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": record.account,
        "eventCategory": "Management",
        **({"errorCode": "ValidationException", "errorMessage": "shots is too large"} if refused else {}),
    }
    return {
        "EventId": unique,
        "EventName": name,
        "ReadOnly": "false",
        "AccessKeyId": identity["accessKeyId"],
        "EventTime": record.created // SECOND,
        "EventSource": SOURCE,
        "Username": caller_of(record),
        "Resources": [],
        "CloudTrailEvent": json.dumps(told),
    }


def _identity(record: Task | Job) -> dict[str, Any]:
    """Who called, as CloudTrail writes it: the ARN of a session ends with the session's name."""
    who, account = caller_of(record), record.account
    role = PEOPLE.get(who, _JOB_ROLE)
    common = {"accountId": account, "accessKeyId": access_key_for(account)}
    if role == "IAMUser":
        arn = f"arn:aws:iam::{account}:user/{who}"
        return {"type": "IAMUser", "principalId": f"AIDA{who.upper()}", "arn": arn, **common, "userName": who}
    session = f"{who}@example.org" if role == _SIGNED_ON else who
    path = "aws-reserved/sso.amazonaws.com/" if role == _SIGNED_ON else ""
    issuer = {
        "type": "Role",
        "principalId": f"AROA{role[:16].upper()}",
        "accountId": account,
        "userName": role,
    }
    return {
        "type": "AssumedRole",
        "principalId": f"{issuer['principalId']}:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        **common,
        "sessionContext": {
            "sessionIssuer": {**issuer, "arn": f"arn:aws:iam::{account}:role/{path}{role}"},
            "attributes": {"creationDate": f"{iso(record.created)[:19]}Z", "mfaAuthenticated": "false"},
        },
    }
