"""What results.json in S3 says of a task: the run time of simulators, and tasks that the API has forgotten.

Belongs here: finding such files in a bucket or folder, reading their metadata as a stream.
Does not belong here: measurements and results themselves; they are passed over, however large.
"""

from __future__ import annotations

import codecs
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import ijson
from botocore import exceptions as boto

from braket_etl.aws.errors import (
    AwsProblem,
    BadConfiguration,
    EndpointUnreachable,
    classify,
    code_of,
    status_of,
)
from braket_etl.aws.sessions import Account, Sessions, ambient_s3
from braket_etl.display import safe_text
from braket_etl.json_text import DEEPEST
from braket_etl.values import instant

RESULTS_FILE = "results.json"
_TASK_ARN = re.compile(r"arn:aws[a-z-]*:braket:[a-z0-9-]+:\d+:quantum-task/\S+")
_MOST_EVENTS = 500_000  # of one taskMetadata: a set of 100 programs has some thousands
_READ_ON = 100_000  # events after everything wanted was seen
_BUFFER = 1 << 16
_WANTED = {"braketSchemaHeader", "taskMetadata", "additionalMetadata"}
_BROKEN = (
    ijson.JSONError,
    UnicodeDecodeError,
    boto.BotoCoreError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class ResultMetadata:
    """What a results.json says of its task.

    Instants are aware UTC; `execution_duration_ms` is the billed run time of a simulator in milliseconds;
    `device_parameters` is JSON text. The last five are told for program sets only.
    """

    arn: str
    device_arn: str | None
    shots: int | None
    status: str | None
    created_at: datetime | None
    ended_at: datetime | None
    failure_reason: str | None
    device_parameters: str | None
    execution_duration_ms: int | None
    schema_name: str | None
    schema_version: str | None
    requested_shots: int | None = None
    successful_shots: int | None = None
    failed_executables: int | None = None
    program_count: int | None = None
    executable_count: int | None = None


@dataclass(frozen=True, slots=True)
class NotATask:
    """A file of that name that is no quantum task's: a hybrid job's, a local simulator's, something else."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is damaged, cut off, or cannot be had now."""

    error: str


@dataclass(frozen=True, slots=True)
class NoResult:
    """There is no such file."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The bucket refused or could not be reached before in this run, so it was not asked."""

    reason: str


Result = ResultMetadata | NotATask | Unreadable


def read_metadata(stream: BinaryIO) -> Result:
    """The metadata of one results.json, read as a stream in constant memory.

    Once everything wanted was seen, some more is read, since a member may come again (the last one counts, as
    for any JSON parser) and a small file should be whole; then the rest of a large one stays unread.
    """
    try:
        return _metadata_of(_Events(stream))
    except _BROKEN as error:
        return Unreadable(safe_text(f"{type(error).__name__}: {error}"))
    except ValueError as error:
        return Unreadable(safe_text(error))


class _Unmarked:
    """A stream without the byte order mark that some programs put before UTF-8; the JSON parser refuses it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        head = b""
        while len(head) < len(codecs.BOM_UTF8) and (more := stream.read(len(codecs.BOM_UTF8) - len(head))):
            head += more
        self._head = head.removeprefix(codecs.BOM_UTF8)

    def read(self, size: int = -1) -> bytes:
        """Some bytes, at most `size`; none at the end, or where none are asked for."""
        if size == 0 or not self._head:
            return self._stream.read(size) if size else b""
        head, self._head = self._head, b""
        return head


class _EnoughRead(Exception):  # noqa: N818 - no error
    """Everything wanted was seen, and some more was read."""


class _Events:
    """The JSON events of a stream, one value at a time: built where it is wanted, passed over elsewhere."""

    def __init__(self, stream: BinaryIO) -> None:
        self._events = ijson.basic_parse(_Unmarked(stream), use_float=True, buf_size=_BUFFER)

    def __next__(self) -> tuple[str, Any]:
        # The parser itself raises where a file ends too early, so events run out only after `read_on`.
        for event in self._events:
            return cast("tuple[str, Any]", event)
        raise _EnoughRead

    def read_on(self) -> None:
        """Give a limited number of events from now on, then raise _EnoughRead."""
        self._events = islice(self._events, _READ_ON)

    def keys(self) -> Iterator[str]:
        """The member names of the object that has just begun; the caller takes each one's value."""
        while True:
            event, value = next(self)
            if event == "end_map":
                return
            yield value

    def skip(self) -> None:
        """Pass over the next value."""
        depth = 0
        for event, _ in self._events:
            if event in ("start_map", "start_array"):
                depth += 1
            elif event in ("end_map", "end_array"):
                depth -= 1
            if depth == 0 and event != "map_key":
                return
        raise _EnoughRead

    def value(self) -> Any:
        """Build the next value. Raises ValueError for one that is too large, or too deep, to be metadata."""
        builder = ijson.ObjectBuilder()
        depth = 0
        for _ in range(_MOST_EVENTS):
            event, value = next(self)
            builder.event(event, value)
            depth += {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}.get(event, 0)
            if depth == 0:
                return builder.value
            if depth > DEEPEST:
                raise ValueError("its metadata are nested too deeply")
        raise ValueError("the metadata are too large")


def _metadata_of(events: _Events) -> Result:
    if next(events)[0] != "start_map":
        return NotATask("the file holds no JSON object")
    found: dict[str, Any] = {}
    reading_on = False
    with suppress(_EnoughRead):
        for key in events.keys():  # noqa: SIM118 - not a mapping: each key's value has to be taken
            if key == "additionalMetadata":
                found[key] = _simulator_metadata(events)
            elif key in _WANTED:
                found[key] = events.value()
            else:
                events.skip()
            if _text(found.get("braketSchemaHeader"), "name", "").startswith("braket.jobs_data."):
                return NotATask("the result of a hybrid job")
            if not reading_on and found.keys() >= _WANTED:
                events.read_on()
                reading_on = True
    return _metadata(
        *(found.get(name) for name in ("braketSchemaHeader", "taskMetadata", "additionalMetadata"))
    )


def _simulator_metadata(events: _Events) -> Any:
    """simulatorMetadata of the additionalMetadata that come next; the programs beside it are passed over."""
    simulator: Any = None
    if next(events)[0] == "start_map":
        for key in events.keys():  # noqa: SIM118 - as above
            if key == "simulatorMetadata":
                simulator = events.value()
            else:
                events.skip()
    return simulator


def _metadata(header: Any, task: Any, simulator: Any) -> ResultMetadata | NotATask:
    if isinstance(task, str):  # the schema of program sets allows for a path relative to this file
        return NotATask("its task metadata lie in a file of their own, which is not read")
    if not isinstance(task, dict):
        return NotATask("no task metadata in it")
    arn = task.get("id")
    if not (isinstance(arn, str) and _TASK_ARN.fullmatch(arn)):
        return NotATask("its id is no task's ARN: the result of a local simulator")
    programs = task.get("programMetadata")
    programs = programs if isinstance(programs, list) else None
    parameters = task.get("deviceParameters")
    return ResultMetadata(
        arn=arn,
        device_arn=_text(task, "deviceId"),
        shots=_number(task, "shots"),
        status=_text(task, "status"),
        created_at=_instant(task, "createdAt"),
        ended_at=_instant(task, "endedAt"),
        failure_reason=_text(task, "failureReason"),
        device_parameters=parameters if isinstance(parameters, str | None) else json.dumps(parameters),
        execution_duration_ms=_number(simulator, "executionDuration"),
        schema_name=_text(header, "name"),
        schema_version=_text(header, "version"),
        requested_shots=_number(task, "requestedShots"),
        successful_shots=_number(task, "successfulShots"),
        failed_executables=_number(task, "totalFailedExecutables"),
        program_count=None if programs is None else len(programs),
        executable_count=None if programs is None else sum(_executables(program) for program in programs),
    )


def _executables(program: Any) -> int:
    executables = program.get("executables") if isinstance(program, dict) else None
    return len(executables) if isinstance(executables, list) else 0


def _text(source: Any, name: str, default: Any = None) -> Any:
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, str) else default


def _number(source: Any, name: str) -> int | None:
    value = source.get(name) if isinstance(source, dict) else None
    if value is None:
        return None
    try:
        return round(float(value)) if not isinstance(value, int) else value
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is no number: {value!r:.100}") from None


def _instant(source: dict[str, Any], name: str) -> datetime | None:
    value = source.get(name)
    return None if value is None else instant(value)


def results_key(directory: str) -> str:
    """The key of a task's results.json, from its output directory."""
    prefix = directory.rstrip("/")
    return f"{prefix}/{RESULTS_FILE}" if prefix else RESULTS_FILE


class S3Results:
    """Reads results.json of an account's tasks; thread-safe, to be made anew for each run.

    A bucket that refuses or cannot be reached is asked once and skipped from then on; `refused` tells why, by
    bucket; `unreachable` why S3 cannot be reached, by Region. Note that S3 also answers 403 for a file that does
    not exist to whom may not list the bucket.
    """

    _TRIES = 3

    def __init__(self, sessions: Sessions, account: Account) -> None:
        self.refused: dict[str, str] = {}
        self.unreachable: dict[str, str] = {}
        self._sessions = sessions
        self._account = account
        self._lock = threading.Lock()
        self._open_buckets: set[str] = set()

    def read(self, bucket: str, directory: str, region: str) -> Result | NoResult | Skipped:
        """The metadata of the results in a task's output directory. Raises nothing that S3 can cause."""
        known = self.refused.get(bucket)
        if known is None and region in self.unreachable:
            known = self._refuse(bucket, self.unreachable[region])
        if known is not None:
            return Skipped(known)
        try:
            return self._read(bucket, results_key(directory), region)
        except boto.ClientError as error:
            return self._after_error_response(error, bucket, region)
        except (AwsProblem, boto.BotoCoreError, OSError, RuntimeError, ValueError) as error:
            problem = classify(error, account=self._account.name, region=region, operation="GetObject")
            reason = str(problem)
            if isinstance(problem, EndpointUnreachable):
                reason = self.unreachable.setdefault(region, reason)  # of many threads the first one tells it
            return Skipped(self._refuse(bucket, reason))

    def _read(self, bucket: str, key: str, region: str) -> Result:
        client = self._sessions.s3(self._account, region)
        result: Result = Unreadable("not read")
        for _ in range(self._TRIES):
            body = client.get_object(Bucket=bucket, Key=key)["Body"]
            try:
                result = read_metadata(body)
            finally:
                body.close()  # what was not read is not fetched; the connection goes with it
            self._open_buckets.add(bucket)
            # A connection that broke off looks like a file that was cut off.
            if not isinstance(result, Unreadable):
                break
        return result

    def _after_error_response(
        self, error: boto.ClientError, bucket: str, region: str
    ) -> NoResult | Unreadable | Skipped:
        code = code_of(error)
        if code == "InvalidObjectState":
            return Unreadable("the file is archived and would have to be restored first")
        if code == "NoSuchKey" or (status_of(error) == 404 and code != "NoSuchBucket"):
            return NoResult()
        problem = classify(error, account=self._account.name, region=region, operation="GetObject")
        # To whom may not list a bucket S3 says the same of a file that is not there as of one that is forbidden.
        if problem.retryable or bucket in self._open_buckets:
            return Skipped(str(problem))
        return Skipped(self._refuse(bucket, str(problem)))

    def _refuse(self, bucket: str, reason: str) -> str:
        with self._lock:
            return self.refused.setdefault(bucket, reason)


def walk(
    path: str, *, client: Any = None, start_after: str = ""
) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    """The files named results.json under `s3://bucket/prefix` or a local folder: name, and how to open each.

    They come in a fixed order; `start_after` is a name given before, to go on from there. `client` is an S3
    client (None: the ambient account's). What is opened must be closed.
    Raises BadConfiguration for a folder that does not exist, other AwsProblem for what S3 refuses.
    """
    if path.startswith("s3://"):
        bucket, _, prefix = path.removeprefix("s3://").partition("/")
        s3 = client if client is not None else ambient_s3()
        return _walk_bucket(s3, bucket, prefix, start_after.removeprefix(f"s3://{bucket}/"))
    root = Path(path)
    if not root.exists():
        raise BadConfiguration(f"there is no file or folder {path}")
    return _walk_folder(root, Path(start_after).parts if start_after else ())


def _walk_bucket(
    client: Any, bucket: str, prefix: str, start_after: str
) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, StartAfter=start_after
    )
    try:
        for page in pages:
            for entry in page.get("Contents", ()):
                key: str = entry["Key"]
                if key == RESULTS_FILE or key.endswith(f"/{RESULTS_FILE}"):
                    yield f"s3://{bucket}/{key}", _opener(client, bucket, key)
    except (boto.ClientError, boto.BotoCoreError) as error:
        raise classify(error, region=client.meta.region_name, operation="ListObjectsV2") from error


def _opener(client: Any, bucket: str, key: str) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        try:
            return cast("BinaryIO", client.get_object(Bucket=bucket, Key=key)["Body"])
        except (boto.ClientError, boto.BotoCoreError) as error:
            raise classify(error, region=client.meta.region_name, operation="GetObject") from error

    return opened


def _walk_folder(path: Path, after: tuple[str, ...]) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    if path.is_file():
        if path.name == RESULTS_FILE and path.parts > after:
            yield str(path), lambda: path.open("rb")
        return
    # Entries by name, folders among the files, so that the order is that of the names' parts.
    for entry in sorted(path.iterdir(), key=lambda item: item.name):
        if entry.is_symlink() and entry.is_dir():
            continue  # it may lead round in a circle
        if entry.is_dir() or (entry.name == RESULTS_FILE and entry.is_file()):
            yield from _walk_folder(entry, after)
