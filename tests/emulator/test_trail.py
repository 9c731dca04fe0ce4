"""CloudTrail's LookupEvents, as boto3's own client asks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from braket_emulator import Emulator, running
from braket_emulator.trail import PEOPLE

NOW = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
TASKS = [{"AttributeKey": "EventName", "AttributeValue": "CreateQuantumTask"}]
JOBS = [{"AttributeKey": "EventName", "AttributeValue": "CreateJob"}]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with running(
        tasks=300, jobs=12, days=12, regions=["us-east-1"], now=NOW, frozen=True, quotas=False
    ) as each:
        yield each


@pytest.fixture(autouse=True)
def as_it_was(emulator: Emulator) -> None:
    emulator.set_clock(now=NOW, rate=0)
    emulator.set_faults([])


def client(emulator: Emulator) -> Any:
    env = emulator.env()
    return boto3.client(
        "cloudtrail",
        region_name="us-east-1",
        endpoint_url=env["AWS_ENDPOINT_URL_CLOUDTRAIL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def looked_up(trail: Any, **request: Any) -> list[dict[str, Any]]:
    pages = trail.get_paginator("lookup_events").paginate(**request)
    return [event for page in pages for event in page["Events"]]


def refused(trail: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as error:
        trail.lookup_events(**request)
    return str(error.value.response["Error"]["Code"])


def test_each_record_has_its_event_once_on_pages_of_fifty_newest_first(emulator: Emulator) -> None:
    trail = client(emulator)
    emulator.reset_stats()
    events = looked_up(trail, LookupAttributes=TASKS)
    told = [json.loads(event["CloudTrailEvent"]) for event in events]
    arns = [each["responseElements"]["quantumTaskArn"] for each in told if not each.get("errorCode")]
    assert set(arns) == {arn for arn, truth in emulator.truth().items() if late(truth)}
    assert len(arns) == len(set(arns))
    assert len(arns) < len(events)  # a few were refused first
    assert [event["EventTime"] for event in events] == sorted(
        (event["EventTime"] for event in events), reverse=True
    )
    assert emulator.stats()["calls"]["LookupEvents"] == -(-len(events) // 50)
    assert {event["EventName"] for event in looked_up(trail, LookupAttributes=JOBS)} == {"CreateJob"}


def late(truth: dict[str, Any], minutes: int = 14) -> bool:
    return NOW - datetime.fromisoformat(truth["created"]) > timedelta(minutes=minutes)


def test_who_called_is_said_as_cloudtrail_says_it(emulator: Emulator) -> None:
    events = looked_up(client(emulator), LookupAttributes=TASKS)
    kinds = {}
    for event in events:
        told = json.loads(event["CloudTrailEvent"])
        assert told["recipientAccountId"] == told["userIdentity"]["accountId"]
        kinds.setdefault(
            (told["userIdentity"]["type"], "AWSReservedSSO" in told["userIdentity"]["arn"]), told
        )
    assert kinds.keys() == {("IAMUser", False), ("AssumedRole", False), ("AssumedRole", True)}
    signed_on = kinds["AssumedRole", True]["userIdentity"]
    assert signed_on["arn"].rpartition("/")[2].endswith("@example.org")
    assert "AWSReservedSSO" in signed_on["sessionContext"]["sessionIssuer"]["userName"]
    assert {event["Username"] for event in events} & PEOPLE.keys()


def test_events_come_late_and_are_forgotten(emulator: Emulator) -> None:
    trail = client(emulator)
    newest, truth = max(emulator.truth().items(), key=lambda told: str(told[1]["created"]))
    created = datetime.fromisoformat(truth["created"])

    def is_told(after: timedelta) -> bool:
        emulator.set_clock(now=created + after)
        return any(newest in event["CloudTrailEvent"] for event in looked_up(trail, LookupAttributes=TASKS))

    assert [is_told(timedelta(minutes=minutes)) for minutes in (1, 14)] == [False, True]
    first = min(event["EventTime"] for event in looked_up(trail, LookupAttributes=TASKS))
    emulator.set_clock(now=NOW + timedelta(days=84))
    oldest = min(event["EventTime"] for event in looked_up(trail, LookupAttributes=TASKS))
    assert oldest > first


def test_a_window_takes_both_ends_in(emulator: Emulator) -> None:
    trail = client(emulator)
    times = [event["EventTime"] for event in looked_up(trail, LookupAttributes=TASKS)]
    first, last = times[40], times[10]
    inside = looked_up(trail, LookupAttributes=TASKS, StartTime=first, EndTime=last)
    assert [event["EventTime"] for event in inside] == [at for at in times if first <= at <= last]


def test_what_makes_no_sense_is_refused(emulator: Emulator) -> None:
    trail = client(emulator)
    page = trail.lookup_events(LookupAttributes=TASKS, MaxResults=5)
    assert refused(trail, LookupAttributes=JOBS, NextToken=page["NextToken"]) == "InvalidNextTokenException"
    assert refused(trail, LookupAttributes=TASKS + JOBS) == "InvalidLookupAttributesException"
    window = {"StartTime": NOW, "EndTime": NOW - timedelta(days=1)}
    assert refused(trail, LookupAttributes=TASKS, **window) == "InvalidTimeRangeException"
    for kind, code in (
        ("access_denied", "AccessDeniedException"),
        ("throttle", "ThrottlingException"),
        ("expired_page_token", "InvalidNextTokenException"),
    ):
        emulator.set_faults([{"kind": kind, "operations": ["LookupEvents"]}])
        assert refused(trail, LookupAttributes=TASKS, MaxResults=5, NextToken=page["NextToken"]) == code


def test_two_a_second_are_answered() -> None:
    with running(tasks=20, jobs=0, days=2, regions=["us-east-1"], now=NOW, frozen=True) as emulator:
        trail = client(emulator)

        def ask_often() -> None:
            for _ in range(200):
                trail.lookup_events(LookupAttributes=TASKS)

        with pytest.raises(ClientError, match="Rate exceeded"):
            ask_often()
        assert emulator.stats()["throttled"] == {"LookupEvents": 1}
