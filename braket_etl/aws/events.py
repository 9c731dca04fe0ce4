"""Fetching EventBridge's events: message bodies from an SQS queue, files from under an S3 prefix.

Belongs here: the calls. Does not belong here: what an event means (pull/events.py). Clients are passed in, as
made by `sessions.py`; a call that AWS refuses raises botocore's ClientError or a BotoCoreError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_BATCH = 10  # the most that SQS gives or takes at once
#: How a file's name may end that holds events. Firehose gives none, and names of its streams may have points.
_SUFFIXES = frozenset({"", "json", "jsonl", "ndjson", "gz", "log"})
_SUFFIX = re.compile(r"\.([A-Za-z][A-Za-z0-9]{0,7})\Z")


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its body, and the handle by which it is deleted."""

    body: str
    receipt: str


def queue_region(url: str) -> str | None:
    """The Region of a queue, from its address (https://sqs.REGION.amazonaws.com/ACCOUNT/NAME); None for others."""
    host = (urlsplit(url).hostname or "").split(".")
    return host[1] if host[0] == "sqs" and len(host) > 2 else None


def queued_messages(sqs: Any, queue_url: str, *, limit: int = 10_000) -> Iterator[Message]:
    """The messages of a queue until it shows none, at most `limit`.

    They stay in the queue, hidden for its visibility timeout: delete them when their rows are committed, so that a
    run that dies loses nothing.
    """
    given = 0
    while given < limit:
        answer = sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=min(_BATCH, limit - given), WaitTimeSeconds=1
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        for message in messages:
            given += 1
            yield Message(message["Body"], message["ReceiptHandle"])


def delete_messages(sqs: Any, queue_url: str, messages: Sequence[Message]) -> int:
    """Delete messages whose rows are committed; the number that the queue refused, which it will show again."""
    refused = 0
    for start in range(0, len(messages), _BATCH):
        entries = [
            {"Id": str(index), "ReceiptHandle": message.receipt}
            for index, message in enumerate(messages[start : start + _BATCH])
        ]
        answer = sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
        refused += len(answer.get("Failed", []))
    return refused


def may_hold_events(name: str) -> bool:
    """Whether a file of that name is read: JSON, packed or not, or without a suffix; not hidden, no mark of a tool."""
    found = _SUFFIX.search(name)
    is_mark = name.startswith((".", "_")) or name == "aws-logs-write-test"
    return not is_mark and (found[1].lower() if found else "") in _SUFFIXES


@dataclass(frozen=True, slots=True)
class Listed:
    """An object under a prefix."""

    key: str
    size: int


def listed_objects(s3: Any, bucket: str, prefix: str) -> Iterator[Listed]:
    """The objects under a prefix, in order of key; empty ones, which stand for folders, are passed over."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for listed in page.get("Contents", []):
            if listed["Size"]:
                yield Listed(listed["Key"], listed["Size"])


def object_content(s3: Any, bucket: str, key: str) -> bytes:
    """The content of an object."""
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content
