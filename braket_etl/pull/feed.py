"""The optional EventBridge feed: state changes from a folder, an S3 prefix or an SQS queue.

A feed out of reach is a warning: it makes waits sharper, and nothing else depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from braket_etl.aws.errors import AwsProblem, classify
from braket_etl.aws.events import Message, delete_messages, prefix_texts, queue_region, queued_messages
from braket_etl.aws.sessions import Account, Sessions
from braket_etl.pull.events import event_rows, folder_texts
from braket_etl.pull.merge import store_rejects
from braket_etl.pull.outcome import Outcome
from braket_etl.tables import STATE_CHANGE_EVENTS
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import replace_rows


@dataclass
class _Texts:
    """What a feed gave, and what to do once it is stored."""

    texts: Iterable[str]
    stored: Callable[[], object] = field(default=lambda: None)


def read_feed(
    warehouse: Warehouse, sessions: Sessions, account: Account, source: str, run_id: str
) -> Outcome:
    """Store the state changes of a feed; messages of a queue are deleted once they are committed."""
    outcome = Outcome()
    try:
        found = _texts(sessions, account, source)
        texts = list(found.texts)
    except (AwsProblem, BotoCoreError, ClientError, OSError) as error:
        outcome.warnings[f"the event feed {source} cannot be read: {classify(error).message}"] += 1
        return outcome
    events = event_rows(texts, datetime.now(UTC).replace(microsecond=0))
    outcome.rejected = len(events.rejects)
    if texts:
        with warehouse.writing("merging state changes") as connection, transaction(connection):
            outcome.counts[STATE_CHANGE_EVENTS.name] = replace_rows(
                connection, STATE_CHANGE_EVENTS, events.rows
            )
            store_rejects(connection, events.rejects, run_id)
    try:
        found.stored()
    except (BotoCoreError, ClientError) as error:
        why = classify(error).message
        outcome.warnings[f"the event feed {source}: what was stored stays in the queue: {why}"] += 1
    return outcome


def _texts(sessions: Sessions, account: Account, source: str) -> _Texts:
    if source.startswith("s3://"):
        bucket, _, prefix = source.removeprefix("s3://").partition("/")
        return _Texts(prefix_texts(sessions.s3(account, None), bucket, prefix))
    if source.startswith("https://") or source.startswith("http://"):
        sqs = _sqs(sessions, account, source)
        messages: list[Message] = list(queued_messages(sqs, source))
        return _Texts([message.body for message in messages], lambda: delete_messages(sqs, source, messages))
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder")
    return _Texts(folder_texts(folder))


def _sqs(sessions: Sessions, account: Account, url: str) -> Any:
    session: boto3.Session = sessions.session(account)
    region = queue_region(url) or session.region_name or "us-east-1"
    return session.client("sqs", region_name=region)
