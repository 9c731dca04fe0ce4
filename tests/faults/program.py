"""Runs of the program that can be watched and killed, readers of its published copy, and how two of them compare."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb

from tests.conftest import Program
from tests.forks import FORKS, Started, begun

#: What Braket has; every other table follows from these, and must be equal too.
RECORDS = ("quantum_tasks", "jobs", "job_events")
#: Which run brought a row is no part of it.
NOT_COMPARED = ("run_id",)

Contents = Mapping[str, Sequence[tuple[Any, ...]]]


class Forked(Program):
    """braket-etl in a home of its own, whose runs can be watched and killed."""

    def begin(
        self, *arguments: str, do: Callable[[], None] | None = None, env: Mapping[str, str] | None = None
    ) -> Started:
        """Run a verb, or with `do` something else, in this home's environment and `env`."""
        return begun(arguments, self.environment(env), do=do, daemon=True)


def observe() -> None:
    """The job that Dagster's schedule runs every five minutes; it has no verb."""
    from uuid import uuid4

    from braket_etl.orchestration.build import build_defs
    from braket_etl.orchestration.instance import process_tags, ready_instance
    from braket_etl.runtime import Runtime

    runtime, run_id = Runtime(), str(uuid4())
    instance = ready_instance(runtime.settings)
    job = build_defs(runtime=runtime).resolve_job_def("observe")
    sys.exit(not job.execute_in_process(run_id=run_id, instance=instance, tags=process_tags(run_id)).success)


@dataclass
class Reading:
    """What a reader saw that opened the published copy again and again."""

    opened: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def reader(path: Path, whole: Collection[dict[str, int]] = ()) -> Iterator[Reading]:
    """A process that opens the copy all the time and reads every row of it.

    It fails where the copy does not open, where rows are gone that were there before, where `etl.coverage` promises
    more than there is, or where the counts are none of `whole`.
    """
    reading = Reading()
    here, there = FORKS.Pipe()
    stop = FORKS.Event()
    process = FORKS.Process(target=_read, args=(path, list(whole), stop, there), daemon=True)
    process.start()
    try:
        yield reading
    finally:
        stop.set()
        reading.opened, reading.failures = here.recv() if here.poll(60) else (0, ["the reader has died"])
        process.join(30)


_PROMISED = """
    SELECT count(*) FROM etl.coverage AS promised
    WHERE promised.stored > CASE promised.table_name
        WHEN 'jobs' THEN (SELECT count(*) FROM jobs AS j WHERE j.region = promised.region
                          AND (j.created_at AT TIME ZONE 'UTC')::DATE = promised.day)
        ELSE (SELECT count(*) FROM quantum_tasks AS t WHERE t.region = promised.region AND t.created_date = promised.day)
        END
"""


def _read(path: Path, whole: Collection[dict[str, int]], stop: Event, pipe: Pipe) -> None:
    opened = 0
    failures: list[str] = []
    latest: dict[str, int] = {}
    while not stop.is_set():
        if path.exists():
            opened += 1
            try:
                counts, broken_promises = _read_once(path)
            except duckdb.Error as error:
                failures.append(str(error))
                continue
            shrunk = [name for name in RECORDS if counts[name] < latest.get(name, 0)]
            if shrunk or broken_promises or (whole and counts not in whole):
                failures.append(f"{shrunk=} {broken_promises=} {counts=} {latest=}")
            latest = counts
        stop.wait(0.05)
    pipe.send((opened, failures))


def _read_once(path: Path) -> tuple[dict[str, int], int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET threads = 1")
        connection.execute("SET TimeZone = 'UTC'")
        counts = {}
        for table in table_names(connection):
            # hashing whole rows reads every block, and DuckDB checks the checksum of each that it reads
            [(rows, _)] = connection.execute(
                f'SELECT count(*), bit_xor(hash(t)) FROM "{table}" AS t'
            ).fetchall()
            counts[table] = rows
        [(broken_promises,)] = connection.execute(_PROMISED).fetchall()
    return counts, broken_promises


def table_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of schema main."""
    found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
    return sorted(name for (name,) in found)


def counts_of(contents: Contents) -> dict[str, int]:
    """Rows by table."""
    return {name: len(rows) for name, rows in contents.items()}


def records_of(contents: Contents) -> int:
    """How many records of Braket's there are."""
    return sum(len(contents[name]) for name in RECORDS)


def coverage_of(program: Program) -> list[tuple[Any, ...]]:
    """What `etl.coverage` says, but for when and by which run, and the account id of a search that found nothing."""
    return program.rows(
        "SELECT account, region, table_name, day, listed, stored, rejected FROM etl.coverage ORDER BY ALL"
    )


def same_records(contents: Contents, expected: Contents) -> int:
    """How many of the expected records are there, equal in all that is compared."""
    return sum(
        (Counter(map(repr, contents[name])) & Counter(map(repr, expected[name]))).total() for name in RECORDS
    )


def different_tables(contents: Contents, expected: Contents) -> list[str]:
    """Tables that do not hold the same rows."""
    return sorted(name for name in {*contents, *expected} if contents.get(name, ()) != expected.get(name, ()))
