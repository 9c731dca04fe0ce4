"""The IAM policy that grants what braket_etl asks of Braket (operations.py), S3 and SQS, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from braket_etl.aws.events import queue_region
from braket_etl.aws.operations import GETS, LOOKUP_EVENTS, OPERATIONS

#: The buckets that Braket's SDK makes.
DEFAULT_BUCKETS = ("amazon-braket-*",)


def policy(
    buckets: Sequence[str] = DEFAULT_BUCKETS,
    *,
    may_list: bool = False,
    events: str | None = None,
    callers: bool = False,
) -> dict[str, Any]:
    """The least that braket_etl needs as an IAM policy.

    Results are read from buckets of these names; with `may_list` they may be listed too, which `recover` needs and by
    which a file that is missing is told from one that is forbidden. `events` is the feed of the settings; `callers`
    says that CloudTrail is asked who created tasks and jobs.
    """
    by_arn = {get.name: get for get in GETS.values() if get.arn_kind}
    statements = [
        _statement("FindRecords", [each.action for each in OPERATIONS if each.name not in by_arn], "*"),
        *(
            _statement(
                f"Read{name.removeprefix('Get')}s", [get.action], f"arn:aws:braket:*:*:{get.arn_kind}/*"
            )
            for name, get in by_arn.items()
        ),
    ]
    if buckets:  # run times of simulators; everything else works without
        statements.append(_statement("OptionalReadResults", ["s3:GetObject"], [_objects(b) for b in buckets]))
    if buckets and may_list:
        statements.append(_statement("OptionalListResults", ["s3:ListBucket"], [_bucket(b) for b in buckets]))
    if callers:
        statements.append(_statement("OptionalLookUpCallers", [LOOKUP_EVENTS.action], "*"))
    return {"Version": "2012-10-17", "Statement": [*statements, *_feed(events or "")]}


def _feed(events: str) -> Iterator[dict[str, Any]]:
    """What reading the feed of state changes takes: nothing where it is a folder, or none."""
    if events.startswith("s3://"):
        bucket, _, prefix = events.removeprefix("s3://").partition("/")
        yield _statement("ReadEvents", ["s3:GetObject"], [_objects(bucket, prefix)])
        condition = {"Condition": {"StringLike": {"s3:prefix": f"{prefix}*"}}}
        yield _statement("ListEvents", ["s3:ListBucket"], [_bucket(bucket)]) | (condition if prefix else {})
    elif events.startswith(("https://", "http://")):
        *_, account, name = ("*", "*", *urlsplit(events).path.strip("/").split("/"))
        region = queue_region(events) or "*"
        actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
        yield _statement("ReadEvents", actions, [f"arn:aws:sqs:{region}:{account}:{name}"])


def _objects(bucket: str, prefix: str = "") -> str:
    return f"{_bucket(bucket)}/{prefix}*"


def _bucket(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"


def _statement(sid: str, actions: Sequence[str], resource: str | Sequence[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
