"""What results.json in S3 says of a task: the run time of simulators, and tasks that the API has forgotten.

Belongs here: reading the metadata of such a file as a stream, and those of a task that is known. A program set lies in
several files: the first one may name another that has the metadata.
Does not belong here: measurements and results themselves; they are passed over, however large. Finding files: walk.py.
"""

from __future__ import annotations

import errno
import json
import posixpath
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, cast

from botocore import exceptions as boto

from braket_etl.aws.errors import (
    AwsProblem,
    EndpointUnreachable,
    NotFound,
    classify,
    code_of,
    status_of,
)
from braket_etl.aws.json_stream import BROKEN, EnoughRead, Events
from braket_etl.aws.sessions import Account, Sessions
from braket_etl.display import safe_text
from braket_etl.values import instant

RESULTS_FILE = "results.json"
_TASK_ARN = re.compile(r"arn:aws[a-z-]*:braket:[a-z0-9-]+:\d+:quantum-task/\S+")
_WANTED = {"braketSchemaHeader", "taskMetadata", "additionalMetadata"}
_FARTHEST = 1_024  # characters of a name: no key in S3 is longer
PROGRAM_SET_RESULT = "braket.task_result.program_set_task_result"
_OF_A_JOB = "braket.jobs_data."
#: The other files of a program set: no tasks, and nothing that the set's own results.json does not lead to.
_PARTS = {
    "braket.task_result.program_result": "the results of one program of a program set",
    "braket.task_result.program_set_executable_result": "the results of one executable of a program set",
    "braket.task_result.program_set_executable_failure": "the failure of one executable of a program set",
    "braket.task_result.program_set_task_metadata": "the metadata of a program set",
}
#: Opens a file by its name relative to the one that names it.
Beside = Callable[[str], BinaryIO]


@dataclass(frozen=True, slots=True)
class ResultMetadata:
    """What a results.json says of its task.

    Instants are aware UTC; `execution_duration_ms` is the billed run time of a simulator in milliseconds;
    `device_parameters` is JSON text. `successful_shots` are told of program sets and of analog simulation, what stands
    below it of program sets only. `executables` are what became of each, and `action_hash` tells one program from another,
    as `task_results` has them.
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
    executables: list[dict[str, Any]] | None = None
    action_hash: str | None = None


@dataclass(frozen=True, slots=True)
class NotATask:
    """A file that is no quantum task's: a hybrid job's, a local simulator's, something else.

    `is_part` says that it belongs to a program set, which has a results.json of its own.
    """

    reason: str
    is_part: bool = False


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


def read_metadata(stream: BinaryIO, beside: Beside | None = None) -> Result:
    """The metadata of one results.json, read as a stream in constant memory.

    Once everything wanted was seen, some more is read, since a member may come again (the last one counts, as
    for any JSON parser) and a small file should be whole; then the rest of a large one stays unread.

    `beside` opens what the file of a program set names. Raises NamedNotOpened for what `beside` raises, but for a file
    that is not there.
    """
    try:
        found: dict[str, Any] | NotATask | Unreadable = _members(Events(stream))
        if isinstance(found, dict) and isinstance(name := found.get("taskMetadata"), str):
            found = _named(name, found, beside)
        return _metadata(found) if isinstance(found, dict) else found
    except (*BROKEN, ValueError) as error:
        return Unreadable(_said(error))


class NamedNotOpened(Exception):  # noqa: N818 - carries an error
    """A file that a results file names is there, or may be, and could not be opened; `error` is why."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(f"{name}, which it names: {error}")
        self.name = name
        self.error = error


def _members(events: Events) -> dict[str, Any] | NotATask:
    """The wanted members of a file's object."""
    if next(events)[0] != "start_map":
        return NotATask("the file holds no JSON object")
    found: dict[str, Any] = {}
    reading_on = False
    with suppress(EnoughRead):
        for key in events.keys():  # noqa: SIM118 - not a mapping: each key's value has to be taken
            if key == "additionalMetadata":
                found[key] = _of_the_device(events)
            elif key in _WANTED:
                found[key] = events.value()
            else:
                events.skip()
            name = _text(found.get("braketSchemaHeader"), "name", "")
            if name.startswith(_OF_A_JOB):
                return NotATask("the result of a hybrid job")
            if name in _PARTS:
                return NotATask(_PARTS[name], is_part=True)
            if not reading_on and found.keys() >= _WANTED:
                events.read_on()
                reading_on = True
    return found


def _of_the_device(events: Events) -> dict[str, Any]:
    """What simulators and Aquila add in the additionalMetadata that come next, and a hash of the program that was run."""
    found: dict[str, Any] = {}
    if next(events)[0] == "start_map":
        for key in events.keys():  # noqa: SIM118 - as above
            if key in ("simulatorMetadata", "queraMetadata"):
                found[key] = events.value()
            elif key == "action":
                found[key] = events.digest()
            else:
                events.skip()
    return found


def _named(name: str, found: dict[str, Any], beside: Beside | None) -> dict[str, Any] | Unreadable:
    """The members with the task metadata from the file that is named in their place.

    Amazon Braket's SDK looks for it below `s3Location`, we beside the file itself: so copies can be read, and no file
    leads to a bucket that it names.
    """
    if beside is None or not _is_below(name):
        return Unreadable(
            safe_text(f"it names {name!r:.100} for its task metadata, which is no place beside it")
        )
    try:
        opened = _opened(name, beside)
    except Exception as error:
        if _is_not_there(error):
            return Unreadable(f"{name}, which it names, is not beside it: a program set is a whole folder")
        raise NamedNotOpened(name, error) from error
    with closing(opened) as stream:
        try:
            return {**found, "taskMetadata": Events(stream).value()}
        except (*BROKEN, ValueError) as error:
            return Unreadable(f"{name}, which it names: {_said(error)}")


def _opened(name: str, beside: Beside) -> BinaryIO:
    """The file of that name, or, where there is none, the one that a packed folder has in its place."""
    try:
        return beside(name)
    except Exception as error:
        if not _is_not_there(error):
            raise
    return beside(f"{name}.gz")


def _said(error: Exception) -> str:
    return safe_text(error if type(error) is ValueError else f"{type(error).__name__}: {error}")


def _is_below(name: str) -> bool:
    """Whether the name leads into the folder and no way out of it, on any system and in any bucket."""
    parts = name.split("/")
    is_plain = name.isprintable() and not set(name) & set("\\:") and len(name) <= _FARTHEST
    return is_plain and not {"", ".", ".."} & set(parts)


def _is_not_there(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
    return isinstance(classify(error) if isinstance(error, boto.ClientError) else error, NotFound)


def _metadata(found: dict[str, Any]) -> ResultMetadata | NotATask:
    header, task, device = (
        found.get(name) for name in ("braketSchemaHeader", "taskMetadata", "additionalMetadata")
    )
    if not isinstance(task, dict):
        return NotATask("no task metadata in it")
    arn = task.get("id")
    if not (isinstance(arn, str) and _TASK_ARN.fullmatch(arn)):
        return NotATask("its id is no task's ARN: the result of a local simulator")
    programs = task.get("programMetadata")
    programs = programs if isinstance(programs, list) else None
    executables = None if programs is None else list(_executables(programs))
    parameters = task.get("deviceParameters")
    device = device or {}
    successful = _number(device.get("queraMetadata"), "numSuccessfulShots")
    return ResultMetadata(
        arn=arn,
        device_arn=_text(task, "deviceId"),
        shots=_number(task, "shots"),
        status=_text(task, "status"),
        created_at=_instant(task, "createdAt"),
        ended_at=_instant(task, "endedAt"),
        failure_reason=_text(task, "failureReason"),
        device_parameters=parameters if isinstance(parameters, str | None) else json.dumps(parameters),
        execution_duration_ms=_number(device.get("simulatorMetadata"), "executionDuration"),
        schema_name=_text(header, "name"),
        schema_version=_text(header, "version"),
        requested_shots=_number(task, "requestedShots"),
        successful_shots=_number(task, "successfulShots") if successful is None else successful,
        failed_executables=_number(task, "totalFailedExecutables"),
        program_count=None if programs is None else len(programs),
        executable_count=None if executables is None else len(executables),
        executables=executables,
        action_hash=_text(device, "action"),
    )


def _executables(programs: list[Any]) -> Iterator[dict[str, Any]]:
    """What became of each executable, in the order of the programs."""
    for program_index, program in enumerate(programs):
        told = program.get("executables") if isinstance(program, dict) else None
        for executable_index, each in enumerate(told if isinstance(told, list) else []):
            retryable = each.get("retryable") if isinstance(each, dict) else None
            yield {
                "program_index": program_index,
                "executable_index": executable_index,
                "outcome": _outcome(each),
                "failure_category": _text(each, "category"),
                "failure_reason": _text(each, "failureReason"),
                "is_retryable": retryable if isinstance(retryable, bool) else None,
            }


def _outcome(executable: Any) -> str | None:
    """Told by the members alone: one that succeeded has none."""
    if not isinstance(executable, dict):
        return None
    if executable.get("status") == "CANCELLED":
        return "cancelled"
    return "failed" if {"failureReason", "category"} & executable.keys() else "succeeded"


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
        except NamedNotOpened as named:
            return self._after_error(named.error, bucket, region)
        except (AwsProblem, boto.ClientError, boto.BotoCoreError, OSError, RuntimeError, ValueError) as error:
            return self._after_error(error, bucket, region)

    def _after_error(self, error: Exception, bucket: str, region: str) -> NoResult | Unreadable | Skipped:
        if isinstance(error, boto.ClientError):
            return self._after_error_response(error, bucket, region)
        problem = classify(error, account=self._account.name, region=region, operation="GetObject")
        reason = str(problem)
        if isinstance(problem, EndpointUnreachable):
            reason = self.unreachable.setdefault(region, reason)  # of many threads the first one tells it
        return Skipped(self._refuse(bucket, reason))

    def _read(self, bucket: str, key: str, region: str) -> Result:
        client = self._sessions.s3(self._account, region)
        directory = posixpath.dirname(key)

        def opened(key: str) -> BinaryIO:
            return cast("BinaryIO", client.get_object(Bucket=bucket, Key=key)["Body"])

        result: Result = Unreadable("not read")
        for _ in range(self._TRIES):
            # What was not read is not fetched; the connection goes with it.
            with closing(opened(key)) as body:
                self._open_buckets.add(bucket)
                result = read_metadata(body, lambda name: opened(posixpath.join(directory, name)))
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
