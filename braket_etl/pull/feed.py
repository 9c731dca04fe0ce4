"""The optional event feed: what EventBridge tells, from a folder, an S3 prefix or an SQS queue.

A feed out of reach is a warning: it makes waits sharper and says who created what, and nothing else depends on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from braket_etl.aws.errors import AwsProblem, classify
from braket_etl.aws.events import (
    delete_messages,
    listed_objects,
    may_hold_events,
    object_content,
    queue_region,
    queued_messages,
)
from braket_etl.aws.sessions import Account, Sessions
from braket_etl.display import printable
from braket_etl.pull.event_forms import MOST_BYTES
from braket_etl.pull.events import OPERATION, EventsRead, event_rows, rejected_content
from braket_etl.pull.merge import store_rejects
from braket_etl.pull.naming import Naming
from braket_etl.pull.outcome import Outcome
from braket_etl.tables import JOBS, QUANTUM_TASKS, RECORD_CALLERS, STATE_CHANGE_EVENTS
from braket_etl.tables.bookkeeping import REJECTED_RECORDS
from braket_etl.tables.record_callers import CREATES
from braket_etl.tables.redact import NOTHING_REDACTED, Redactor
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import Counts, insert_new, name_creators

#: Messages that are stored and deleted together: few enough that none is shown anew meanwhile.
_MESSAGES = 500
_MOST_MESSAGES = 10_000
#: Files that are stored together: so many, or as many as hold so much.
_FILES, _FILE_BYTES = 1_000, 32 * 1024 * 1024
#: Files that may be out of reach, one after another, before no more is tried.
_PATIENCE = 20
_CREATES = frozenset(f"{name} via CloudTrail" for name in CREATES)
_UNREACHABLE = (AwsProblem, BotoCoreError, ClientError, OSError)


@dataclass(frozen=True, slots=True)
class Part:
    """Some files or messages of a feed, and what to do once they are stored: how many of them stay nevertheless."""

    contents: Sequence[str | tuple[str, bytes]]
    stored: Callable[[], int] = field(default=lambda: 0)


@dataclass(frozen=True)
class Feed:
    """Reads a feed into a warehouse. `naming` says how who created a record is called; None keeps nobody."""

    warehouse: Warehouse
    sessions: Sessions
    account: Account
    source: str
    run_id: str
    naming: Naming | None = None
    redactor: Redactor = NOTHING_REDACTED
    outcome: Outcome = field(default_factory=Outcome)
    _others: Counter[str] = field(default_factory=Counter)
    _out_of_reach: list[str] = field(default_factory=list)

    def read(self) -> Outcome:
        """Store what the feed holds; a message of a queue is deleted once what it says is committed, as rows or reject."""
        try:
            for part in self._parts():
                self._store(part)
        except _UNREACHABLE as error:
            self._warn(f"cannot be read: {_why(error)}")
        if self._out_of_reach:
            count = len(self._out_of_reach)
            self._warn(f"{count:,} of its files cannot be read, the first: {self._out_of_reach[0]}")
        if self._others:
            self.outcome.notes[self._told_of_others()] += 1
        return self.outcome

    def _store(self, part: Part) -> None:
        read_at = datetime.now(UTC).replace(microsecond=0)
        read = event_rows(part.contents, read_at, naming=self.naming, redactor=self.redactor)
        self.outcome.rejected += len(read.rejects)
        self._others.update(read.others)
        with self.warehouse.writing("merging events") as connection, transaction(connection):
            if not self.outcome.counts:  # once a run
                read_rejects_again(connection, naming=self.naming)
            for name, counts in store_events(connection, read, self.run_id).items():
                self.outcome.counts[name] = self.outcome.counts.get(name, Counts()) + counts
        try:
            refused = part.stored()
            why = f"the queue refused to delete {refused:,} messages" if refused else ""
        except (BotoCoreError, ClientError) as error:
            why = classify(error).message
        if why:
            self._warn(f"what was stored stays in the queue, and is read again: {why}")

    def _parts(self) -> Iterator[Part]:
        if self.source.startswith("s3://"):
            bucket, _, prefix = self.source.removeprefix("s3://").partition("/")
            s3 = self.sessions.s3(self.account, None)
            listed = (
                (f"s3://{bucket}/{each.key}", each.size, partial(object_content, s3, bucket, each.key))
                for each in listed_objects(s3, bucket, prefix)
            )
            yield from self._of_files(listed)
        elif self.source.startswith(("https://", "http://")):
            yield from self._of_messages(_sqs(self.sessions, self.account, self.source))
        else:
            folder = Path(self.source).expanduser()
            if not folder.is_dir():
                raise NotADirectoryError(f"{folder} is no folder")
            files = (path for path in sorted(folder.rglob("*")) if path.is_file())
            yield from self._of_files((str(path), path.stat().st_size, path.read_bytes) for path in files)

    def _of_messages(self, sqs: Any) -> Iterator[Part]:
        messages = queued_messages(sqs, self.source, limit=_MOST_MESSAGES)
        read = 0
        while some := list(islice(messages, _MESSAGES)):
            read += len(some)
            yield Part([message.body for message in some], partial(delete_messages, sqs, self.source, some))
        if read == _MOST_MESSAGES:
            self.outcome.notes[
                f"the event feed {self.source}: {read:,} messages were read; what is left is read by the next run"
            ] += 1

    def _of_files(self, files: Iterable[tuple[str, int, Callable[[], bytes]]]) -> Iterator[Part]:
        contents: list[tuple[str, bytes]] = []
        held = in_a_row = 0
        for name, size, content in files:
            if not may_hold_events(name.rpartition("/")[2]):
                self._others["files of another kind"] += 1
                continue
            try:
                if size > MOST_BYTES:
                    raise OSError(f"it is larger than {MOST_BYTES >> 20} MiB")
                contents.append((name, content()))
                in_a_row = 0
            except _UNREACHABLE as error:
                self._out_of_reach.append(f"{name}: {_why(error)}")
                in_a_row += 1
                if in_a_row == _PATIENCE:
                    break
            held += size
            if held >= _FILE_BYTES or len(contents) >= _FILES:
                yield Part(contents)
                contents, held = [], 0
        if contents:
            yield Part(contents)

    def _told_of_others(self) -> str:
        kinds = self._others.most_common(5)
        told = [f"{count:,} {printable(kind)[:80]}" for kind, count in kinds]
        if rest := self._others.total() - sum(count for _, count in kinds):
            told.append(f"{rest:,} more")
        creates = self.naming is None and any(kind in _CREATES for kind in self._others)
        hint = "; BRAKET_ETL_CREATED_BY=name keeps who created tasks and jobs" if creates else ""
        return f"the event feed {self.source} also holds what is not kept: {', '.join(told)}{hint}"

    def _warn(self, what: str) -> None:
        self.outcome.warnings[f"the event feed {self.source}: {what}"] += 1


def read_feed(
    warehouse: Warehouse,
    sessions: Sessions,
    account: Account,
    source: str,
    run_id: str,
    *,
    naming: Naming | None = None,
    redactor: Redactor = NOTHING_REDACTED,
) -> Outcome:
    """Store what a feed holds; raises WarehouseError, and then nothing is deleted from a queue."""
    return Feed(warehouse, sessions, account, source, run_id, naming, redactor).read()


def store_events(connection: Connection, read: EventsRead, run_id: str) -> dict[str, Counts]:
    """Store what was read, by table; inside the caller's transaction."""
    counts = {
        STATE_CHANGE_EVENTS.name: insert_new(connection, STATE_CHANGE_EVENTS, read.rows),
        RECORD_CALLERS.name: insert_new(connection, RECORD_CALLERS, read.callers),
    }
    if counts[RECORD_CALLERS.name].new:
        for table in (QUANTUM_TASKS, JOBS):
            name_creators(connection, table, only_incoming=True)
    store_rejects(connection, read.rejects, run_id)
    return counts


def read_rejects_again(connection: Connection, *, naming: Naming | None = None) -> int:
    """Read rejected events again, which this version may understand; how many became rows. Inside a transaction."""
    rejects = connection.execute(
        f"SELECT arn, payload FROM {REJECTED_RECORDS.qualified_name} WHERE operation = ? AND payload IS NOT NULL",
        [OPERATION],
    ).fetchall()
    read_at = datetime.now(UTC).replace(microsecond=0)
    healed = 0
    for arn, payload in rejects:
        read = event_rows([rejected_content(payload)], read_at, naming=naming)
        if not read.rejects and not read.others:
            healed += 1
            store_events(connection, read, "")
            connection.execute(
                f"DELETE FROM {REJECTED_RECORDS.qualified_name} WHERE operation = ? AND arn = ?",
                [OPERATION, arn],
            )
    return healed


def _why(error: Exception) -> str:
    """Why a file or a call failed; what is no file's goes by what AWS says."""
    if isinstance(error, OSError) and not isinstance(error, BotoCoreError):
        return error.strerror or str(error)
    return classify(error).message


def _sqs(sessions: Sessions, account: Account, url: str) -> Any:
    session: boto3.Session = sessions.session(account)
    region = queue_region(url) or session.region_name or "us-east-1"
    return session.client("sqs", region_name=region)
