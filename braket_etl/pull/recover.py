"""Tasks that Braket has forgotten, from the results.json files that S3 or a folder still has.

Files are read side by side and taken in the order of the walk, so that one name says how far a killed run came.
What a file says becomes a body as the API writes it, and that a row by the one flattener; a row that the API gave
is never touched. Pulling and the run times of known tasks are other modules'.
"""

from __future__ import annotations

import json
import posixpath
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from braket_etl import stopping
from braket_etl.aws.errors import (
    AccessDenied,
    AwsProblem,
    BadConfiguration,
    EndpointUnreachable,
    ExpiredCredentials,
    MissingCredentials,
)
from braket_etl.aws.fetch import Fetched
from braket_etl.aws.operations import GET_TASK
from braket_etl.aws.results import (
    PROGRAM_SET_RESULT,
    NamedNotOpened,
    NotATask,
    Result,
    ResultMetadata,
    Unreadable,
    read_metadata,
)
from braket_etl.aws.walk import Found, walk
from braket_etl.crew import Crew
from braket_etl.display import safe_text
from braket_etl.pull.outcome import Outcome, Problem
from braket_etl.pull.results import PROGRAM_SET, result_row
from braket_etl.tables import QUANTUM_TASKS, TASK_RESULTS
from braket_etl.tables.declaration import Table
from braket_etl.tables.normalize import normalize, storable
from braket_etl.values import instant
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import Counts, replace_rows, upsert

S3 = "s3://"
#: A merge takes this many files at most, or what was read in this many seconds.
BATCH_FILES = 1_000
BATCH_SECONDS = 15.0
#: A run that was killed longer ago than this is begun anew: files may have come before the place it had reached.
RESUMABLE = timedelta(days=7)
_THREADS = 16
_AHEAD = 64  # files opened or read before the next in order is taken
_S3_TRIES = 3  # a connection that broke off looks like a file that was cut off
_REFUSALS = 10  # in a row: it is not the files, it is the bucket


@dataclass(slots=True)
class Tally:
    """What became of the files: each one read is exactly one of taken, already known, part of a set, not a task, unreadable.

    `not_opened` are files that were found but could not be had (forbidden, archived, gone meanwhile).
    """

    read: int = 0
    taken: int = 0
    already_known: int = 0
    part_of_a_set: int = 0
    not_a_task: int = 0
    unreadable: int = 0
    not_opened: int = 0


_Nothing = Literal["not_opened", "unreadable", "not_a_task"]


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A file that gave no task, and why."""

    file: str
    outcome: _Nothing
    reason: str


@dataclass(slots=True)
class Recovery:
    """What a run of `recover` did, also before it was killed and resumed after `resumed_after`.

    `not_taken` are the files that gave nothing, those of the killed run apart; `problem` is what ended the walk early.
    """

    tally: Tally = field(default_factory=Tally)
    results: Counts = field(default_factory=Counts)
    not_taken: list[NotTaken] = field(default_factory=list)
    resumed_after: str = ""
    problem: AwsProblem | OSError | None = None

    def outcome(self, source: Source) -> Outcome:
        """The recovery as a run's outcome: damaged files are a warning, what could not be had is a problem."""
        outcome = Outcome()
        outcome.counts[QUANTUM_TASKS.name] = Counts(new=self.tally.taken, unchanged=self.tally.already_known)
        outcome.counts[TASK_RESULTS.name] = self.results
        if self.tally.unreadable:
            outcome.warnings[f"{self.tally.unreadable} files could not be read"] = 1
        if self.tally.not_opened:
            message = f"{self.tally.not_opened} files could not be opened"
            outcome.problems[Problem("recover", source.path, "reading", message)] = 1
        if self.problem is not None:
            outcome.problems[Problem("recover", source.path, "walking", safe_text(self.problem))] = 1
        return outcome


@dataclass(frozen=True, slots=True)
class Source:
    """Where to look: `s3://bucket/prefix`, or a folder or file as an absolute path.

    `copy_of` is the `s3://bucket/prefix` that a folder is a copy of, so that its tasks get the place of their
    results; without it their bucket is the empty text.
    """

    path: str
    copy_of: str = ""

    @classmethod
    def of(cls, path: str, copy_of: str = "") -> Source:
        """The source as a user names it; raises BadConfiguration for what can be none."""
        for place in filter(None, (path if path.startswith(S3) else "", copy_of)):
            if not place.startswith(S3) or not place.removeprefix(S3).partition("/")[0]:
                raise BadConfiguration(f"{safe_text(place)} is no place in S3: it must be s3://bucket/prefix")
        if path.startswith(S3):
            if copy_of:
                raise BadConfiguration("only a local folder is a copy of a bucket")
            return cls(path)
        local = Path(path).expanduser().absolute()
        if not local.exists():
            raise BadConfiguration(f"there is no file or folder {safe_text(path)}")
        return cls(str(local), copy_of.rstrip("/"))

    @property
    def is_s3(self) -> bool:
        """Whether it is a bucket."""
        return self.path.startswith(S3)

    def place_of(self, name: str) -> tuple[str, str]:
        """The bucket and the key prefix in which a file lies; the bucket of a mere folder is not known."""
        if self.is_s3:
            bucket, _, key = name.removeprefix(S3).partition("/")
            return bucket, posixpath.dirname(key)
        root = Path(self.path)
        below = Path(name).parent.relative_to(root if root.is_dir() else root.parent).as_posix()
        below = "" if below == "." else below
        bucket, _, prefix = self.copy_of.removeprefix(S3).partition("/")
        return bucket, posixpath.join(prefix, below).rstrip("/")


def recover(
    warehouse: Warehouse,
    source: Source,
    *,
    client: Any = None,
    restart: bool = False,
    most_named: int | None = None,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> Recovery:
    """Read every results file below the source and store the tasks that the warehouse does not know.

    A run that was killed in the last 7 days goes on where it was, unless `restart`. `client` is an S3 client;
    `most_named` is how many files of each kind that gave nothing are named (None: all), and
    `progress` is called after each file. What ends the walk early is in the answer, with what was stored by
    then. Raises WarehouseError.
    """
    desk = _Desk(warehouse, source, most_named)
    with warehouse.writing("looking up an earlier recovery") as connection:
        if not restart:
            desk.resume(connection)
    files = walk(source.path, client=client, start_after=desk.recovery.resumed_after)
    try:
        for name, answer in _answers(_until_problem(files, desk.recovery), _reader(source)):
            desk.take(name, answer)
            progress(desk.recovery.tally)
    except AwsProblem as problem:
        desk.recovery.problem = problem
    except BaseException as error:
        with stopping.ending(error), suppress(Exception):
            desk.flush()  # what has come is kept, also when the user interrupts
        raise
    desk.flush(is_last=desk.recovery.problem is None)
    progress(desk.recovery.tally)
    return desk.recovery


@dataclass(frozen=True, slots=True)
class _NotOpened:
    """A file that was found but could not be had; `problem` is what S3 said."""

    reason: str
    problem: AwsProblem | None = None

    @property
    def concerns_all(self) -> bool:
        """Whether every other file would fail as well."""
        return isinstance(
            self.problem, MissingCredentials | ExpiredCredentials | EndpointUnreachable | BadConfiguration
        )

    @property
    def may_concern_all(self) -> bool:
        """Whether the bucket may refuse all its files; an archived one speaks for itself only."""
        return isinstance(self.problem, AccessDenied) and self.problem.code != "InvalidObjectState"


_Answer = Result | _NotOpened


def _until_problem(files: Iterator[Found], recovery: Recovery) -> Iterator[Found]:
    """The files up to where the walk cannot go on; those before it are still taken, hence no exception."""
    try:
        yield from files
    except (AwsProblem, OSError) as problem:
        recovery.problem = problem


def _reader(source: Source) -> Callable[[Found], _Answer]:
    def read(found: Found) -> _Answer:
        result: Result = Unreadable("not read")
        for _ in range(_S3_TRIES if source.is_s3 else 1):
            try:
                with closing(found.opened()) as stream:
                    result = read_metadata(stream, found.beside)
            except NamedNotOpened as named:
                return _not_opened(named.error, f"{named.name}, which it names: ")
            except (AwsProblem, OSError) as error:
                return _not_opened(error)
            if not isinstance(result, Unreadable):
                break
        return result

    return read


def _not_opened(error: Exception, which: str = "") -> _NotOpened:
    if isinstance(error, AwsProblem):
        return _NotOpened(which + error.message, error)
    said = error.strerror if isinstance(error, OSError) else None
    return _NotOpened(which + (said or type(error).__name__))


def _answers(files: Iterable[Found], read: Callable[[Found], _Answer]) -> Iterator[tuple[str, _Answer]]:
    """What is in each file, in the order of the files; some are read ahead."""
    waiting: deque[tuple[str, Future[_Answer]]] = deque()
    with Crew(_THREADS, "recover") as crew:
        for found in files:
            waiting.append((found.name, crew.submit(read, found)))
            if len(waiting) >= _AHEAD:
                name, answer = waiting.popleft()
                yield name, answer.result()
        while waiting:
            name, answer = waiting.popleft()
            yield name, answer.result()


@dataclass
class _Desk:
    """The thread that owns the warehouse: it gathers what files say and merges it with how far the walk came."""

    warehouse: Warehouse
    source: Source
    most_named: int | None
    recovery: Recovery = field(default_factory=Recovery)
    named: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, tuple[pa.Table, pa.Table]] = field(default_factory=dict)
    """By ARN, the rows of quantum_tasks and of task_results that wait to be merged."""
    parts: list[tuple[str, str]] = field(default_factory=list)
    """Files of program sets, each with what it is, whose own results.json was not met yet."""
    set_folder: str | None = None
    """The folder of the program set whose results.json was met last."""
    after: str = ""
    waiting: int = 0
    refusals: int = 0
    since: float = field(default_factory=time.monotonic)

    def resume(self, connection: Connection) -> None:
        """Go on where a killed run was, with its counts."""
        found = connection.execute(
            "SELECT value FROM etl.properties WHERE name = ?", [self._property]
        ).fetchall()
        if not found:
            return
        noted = json.loads(found[0][0])
        if datetime.now(UTC) - instant(noted["at"]) < RESUMABLE:
            self.after = self.recovery.resumed_after = noted["after"]
            self.recovery.tally = Tally(**noted["tally"])

    def take(self, name: str, found: _Answer) -> None:
        """Sort a file's answer in; raises the AwsProblem for which the others would fail too."""
        tally = self.recovery.tally
        match found:
            case _NotOpened():
                self._note_not_opened(name, found)
            case ResultMetadata():
                self._gather(name, found)
            case NotATask(is_part=True, reason=reason):
                tally.part_of_a_set += 1
                if self.set_folder is None or not name.startswith(self.set_folder):
                    self.parts.append((name, reason))
            case NotATask(reason=reason):
                tally.not_a_task += 1
                self._note(name, "not_a_task", reason)
            case Unreadable(error=error):
                self._note_unreadable(name, error)
        if _may_lead_a_set(found):
            self._close_set(name)
        if not isinstance(found, _NotOpened):
            tally.read += 1
            self.refusals = 0
        if not self.refusals:
            self.after = name
        self.waiting += 1
        if self.waiting >= BATCH_FILES or time.monotonic() - self.since > BATCH_SECONDS:
            self.flush()

    def flush(self, *, is_last: bool = False) -> None:
        """Merge what was gathered and note how far the walk came; forget that after the last file."""
        if is_last:
            self._name_lost_parts()
        tally, counts = replace(self.recovery.tally), Counts()
        with self.warehouse.writing("merging recovered tasks") as connection, transaction(connection):
            if self.tasks:
                tasks, results = (
                    pa.concat_tables(rows).combine_chunks() for rows in zip(*self.tasks.values(), strict=True)
                )
                taken = upsert(connection, QUANTUM_TASKS, _unknown(connection, QUANTUM_TASKS, tasks)).new
                tally.taken += taken
                tally.already_known += len(self.tasks) - taken
                unread = _unknown(connection, TASK_RESULTS, results, "problem IS NULL")
                counts = replace_rows(connection, TASK_RESULTS, unread)
            self._note_place(connection, tally, is_last=is_last)
        self.recovery.tally = tally
        self.recovery.results += counts
        self.tasks, self.waiting, self.since = {}, 0, time.monotonic()

    @property
    def _property(self) -> str:
        return storable(f"recover {self.source.path} {self.source.copy_of}".rstrip())

    def _gather(self, name: str, metadata: ResultMetadata) -> None:
        if metadata.arn in self.tasks:  # a copy of a file that lies elsewhere too
            self.recovery.tally.already_known += 1
            return
        now = datetime.now(UTC)
        bucket, directory = self.source.place_of(name)
        body = task_body(metadata, storable(bucket), storable(directory))
        row = normalize(
            QUANTUM_TASKS,
            [Fetched(GET_TASK.name, metadata.arn, body, now)],
            bookkeeping={"origin": "results_file"},
        )
        try:
            result = result_row(metadata, now)
        except ValueError as error:
            self._note_unreadable(name, str(error))
            return
        if row.rejects:
            self._note_unreadable(name, row.rejects[0].error)
            return
        self.tasks[metadata.arn] = row.rows, result

    def _close_set(self, name: str) -> None:
        """The parts below a folder are those of the set whose results.json it holds."""
        self.set_folder = folder = f"{posixpath.dirname(name)}/"
        self.parts = [part for part in self.parts if not part[0].startswith(folder)]

    def _name_lost_parts(self) -> None:
        tally = self.recovery.tally
        for name, reason in self.parts:
            self._note(name, "not_a_task", f"{reason}, whose own results.json is not here")
        tally.part_of_a_set -= len(self.parts)
        tally.not_a_task += len(self.parts)
        self.parts = []

    def _note_not_opened(self, name: str, found: _NotOpened) -> None:
        just_before, self.refusals = self.refusals, self.refusals + 1 if found.may_concern_all else 0
        if found.problem is not None and (found.concerns_all or self.refusals >= _REFUSALS):
            self.recovery.tally.not_opened -= just_before  # they are tried again, as the place is before them
            raise found.problem
        self.recovery.tally.not_opened += 1
        self._note(name, "not_opened", found.reason)

    def _note_unreadable(self, name: str, reason: str) -> None:
        self.recovery.tally.unreadable += 1
        self._note(name, "unreadable", reason)

    def _note(self, name: str, outcome: _Nothing, reason: str) -> None:
        self.named[outcome] += 1
        if self.most_named is None or self.named[outcome] <= self.most_named:
            self.recovery.not_taken.append(NotTaken(safe_text(name), outcome, safe_text(reason)))

    def _note_place(self, connection: Connection, tally: Tally, *, is_last: bool) -> None:
        connection.execute("DELETE FROM etl.properties WHERE name = ?", [self._property])
        if self.after and not is_last:
            noted = {"after": self.after, "at": datetime.now(UTC).isoformat(), "tally": asdict(tally)}
            connection.execute(
                "INSERT INTO etl.properties VALUES (?, ?)", [self._property, json.dumps(noted)]
            )


def _may_lead_a_set(found: _Answer) -> bool:
    if isinstance(found, ResultMetadata):
        return found.schema_name == PROGRAM_SET_RESULT
    return not isinstance(found, NotATask)


def task_body(metadata: ResultMetadata, bucket: str, directory: str) -> dict[str, Any]:
    """What the API would have said, as far as the file knows it; `bucket` and `directory` hold the file."""
    body: dict[str, Any] = {
        "quantumTaskArn": metadata.arn,
        "deviceArn": metadata.device_arn,
        "status": metadata.status,
        "shots": metadata.requested_shots if metadata.shots is None else metadata.shots,
        "numSuccessfulShots": metadata.successful_shots,
        "createdAt": metadata.created_at and metadata.created_at.isoformat(),
        "endedAt": metadata.ended_at and metadata.ended_at.isoformat(),
        "failureReason": metadata.failure_reason,
        "deviceParameters": metadata.device_parameters,
        "outputS3Bucket": bucket,
        "outputS3Directory": directory,
    }
    if metadata.schema_name == PROGRAM_SET_RESULT or metadata.program_count is not None:
        body["actionMetadata"] = {
            "actionType": PROGRAM_SET,
            "programCount": metadata.program_count,
            "executableCount": metadata.executable_count,
        }
    return body


def _unknown(connection: Connection, table: Table, rows: pa.Table, condition: str = "true") -> pa.Table:
    """The rows whose key is not stored yet (in a row that meets the condition), found by the key alone.

    Not by created_at as well, as a merge does it: the file and the API may tell it with different precision.
    """
    key = table.key[0]
    connection.register("found_rows", rows)
    unknown = connection.sql(
        f"SELECT {key} FROM found_rows ANTI JOIN (SELECT {key} FROM {table.qualified_name} WHERE {condition}) "
        f"USING ({key})"
    ).fetchall()
    connection.unregister("found_rows")
    wanted = pa.array([arn for (arn,) in unknown], pa.string())
    return rows.filter(pc.is_in(rows.column(key), wanted))
