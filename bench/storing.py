"""Storing 100,000 responses in a table of a million, beside dlt and beside a bare INSERT; and storing them again.

    python -m bench storing [--quick]

Half of the batch is new, half replaces what is stored. Every measurement is a process of its own on a fresh copy of
the same table, from the records in memory to the committed and checkpointed file; ours and theirs take turns. The
peers are the scripts in bench/peers, in an environment beside that `make bench` makes; without it they are left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median

import duckdb
import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from bench.line import Line
from bench.long_history import scratch
from bench.records import NOW, Answer, bodies, changed, read_lines, write_lines
from braket_etl.tables import QUANTUM_TASKS, RECORD_CALLERS
from braket_etl.tables.bookkeeping import UNSETTLED_RECORDS
from braket_etl.tables.normalize import normalize
from braket_etl.warehouse.connection import STORAGE_VERSION, configured
from braket_etl.warehouse.statements import Connection, transaction
from braket_etl.warehouse.upsert import ROW_GROUP, upsert

PEERS = Path(__file__).with_name("peers")
CHECKOUT = Path(__file__).parents[1]
PEER_PYTHON = CHECKOUT / ".venv-bench" / "bin" / "python"
LATER = NOW + timedelta(hours=1)
#: Measurement of a peer → its script and options, and which of our inputs it takes.
DLT = {
    "dlt, dicts": ("dlt_dicts.py", "responses.jsonl"),
    "dlt, dicts as Parquet": ("dlt_dicts.py", "responses.jsonl", "--format", "parquet"),
    "dlt, Arrow": ("dlt_arrow.py", "rows.parquet"),
}


def lines(quick: bool) -> Iterator[Line]:
    """What storing takes, as the table shows it."""
    table, n, rounds = (20_000, 2_000, 1) if quick else (1_000_000, 100_000, 3)
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        inputs = _inputs(Path(folder), table, n)
        seconds = _in_turn(inputs, rounds)
    into = f"{n:,} tasks into {table:,}"
    for ours, theirs in {"dicts": ["dlt, dicts", "dlt, dicts as Parquet"], "Arrow": ["dlt, Arrow"]}.items():
        for peer in theirs:
            if peer in seconds:
                yield Line(
                    what=f"{_WHAT[ours]}: {into}",
                    ours=n / seconds[ours],
                    unit="rows/s",
                    against=peer,
                    theirs=n / seconds[peer],
                    at_least=4,
                )
    yield Line(
        what=f"{_WHAT['Arrow']}: {into}",
        ours=seconds["Arrow"],
        against="bare INSERT of the same Arrow",
        theirs=seconds["INSERT"],
        at_most=1.3,
    )
    yield Line(
        what=f"{_WHAT['dicts']}: {into}",
        ours=seconds["dicts"],
        against="the upsert in it",
        theirs=seconds["Arrow"],
    )
    yield from _again(n, rounds)


_WHAT = {"dicts": "normalise + upsert", "Arrow": "upsert"}


def _again(n: int, rounds: int) -> Iterator[Line]:
    """Records that are stored already, merged again."""
    rows, again = (rows_of(Answer(body, at) for body in bodies(0, n)) for at in (NOW, LATER))
    took: list[tuple[float, float]] = []
    grown = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            file = Path(folder) / "tasks.duckdb"
            with opened(file) as connection:
                first = _seconds_to_merge(connection, rows)
            before = file.stat().st_size
            with opened(file) as connection:
                took.append((first, _seconds_to_merge(connection, again)))
            grown = max(grown, file.stat().st_size - before)
    yield Line(
        what=f"upsert of {n:,} unchanged tasks",
        ours=median(again for _, again in took),
        against="of the same for the first time",
        theirs=median(first for first, _ in took),
        at_most=0.05,
    )
    yield Line(what=f"growth of the file by {n:,} unchanged tasks", ours=grown, unit="bytes", at_most=0)


def _seconds_to_merge(connection: Connection, rows: pa.Table) -> float:
    began = time.perf_counter()
    with transaction(connection):
        upsert(connection, QUANTUM_TASKS, rows)
    connection.execute("CHECKPOINT")
    return time.perf_counter() - began


def rows_of(answers: Iterable[Answer]) -> pa.Table:
    """The answers in Arrow, as the pipeline makes them."""
    found = normalize(QUANTUM_TASKS, list(answers), bookkeeping={"origin": "api"})
    assert not found.rejects
    return found.rows


@contextmanager
def opened(file: Path) -> Iterator[Connection]:
    """A DuckDB file with the tables of tasks and of what an upsert looks into, and with no more; checkpointed at the end."""
    with duckdb.connect(str(file), config={"storage_compatibility_version": STORAGE_VERSION}) as connection:
        configured(connection)
        connection.execute("CREATE SCHEMA IF NOT EXISTS etl")
        for table in (QUANTUM_TASKS, UNSETTLED_RECORDS, RECORD_CALLERS):
            connection.execute(table.create_statement())
        yield connection
        connection.execute("CHECKPOINT")


def _inputs(folder: Path, table: int, n: int) -> Path:
    """The folder with the batch in both forms, and the tables that it goes into."""
    batch = [
        *(changed(body) for body in bodies(table - n // 2, table)),
        *bodies(table, table + n - n // 2),
    ]
    write_lines(folder / "responses.jsonl", batch)
    pq.write_table(rows_of(Answer(body, LATER) for body in batch), folder / "rows.parquet")
    (folder / "base").symlink_to(_base(table))
    if PEER_PYTHON.exists():
        for peer in ("dicts", "Arrow"):
            (folder / f"base-{peer}").symlink_to(_peer_base(peer, table))
    return folder


def _base(rows: int) -> Path:
    """A file with so many tasks, made once; not to be written to."""
    file = scratch() / f"tasks-{rows}.duckdb"
    with filelock.FileLock(file.with_suffix(".lock")):
        if not file.exists():
            draft = file.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            with opened(draft) as connection, transaction(connection):
                for first in range(0, rows, ROW_GROUP):
                    part = rows_of(Answer(body) for body in bodies(first, min(rows, first + ROW_GROUP)))
                    connection.register("part", part)
                    connection.execute("INSERT INTO quantum_tasks SELECT * FROM part")
            draft.replace(file)
    return file


def _peer_base(form: str, rows: int) -> Path:
    """A folder with dlt's own file of so many tasks and its state, made once by dlt; not to be written to."""
    folder = scratch() / f"dlt-{form}-{rows}"
    with filelock.FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            draft = folder.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            if form == "dicts":
                source = draft / "responses.jsonl"
                write_lines(source, bodies(0, rows))
                command = ["dlt_dicts.py", "--format", "parquet"]
            else:
                source = draft / "rows.parquet"
                with opened(_base(rows)) as connection:
                    connection.execute(f"COPY quantum_tasks TO '{source}'")
                command = ["dlt_arrow.py"]
            _peer(command, source, draft)
            source.unlink()
            draft.replace(folder)
    return folder


def _peer(command: list[str], source: Path, folder: Path) -> float:
    script, *options = command
    return _told(
        [
            str(PEER_PYTHON),
            str(PEERS / script),
            str(source),
            str(folder / "tasks.duckdb"),
            str(folder / "state"),
            *options,
        ]
    )


def _in_turn(inputs: Path, rounds: int) -> dict[str, float]:
    """The median seconds of each measurement; those of a round follow each other. dlt's slowest way is tried once."""
    seconds: dict[str, list[float]] = {}
    for number in range(rounds):
        for ours in ("dicts", "Arrow", "INSERT"):
            seconds.setdefault(ours, []).append(_ours(inputs, ours))
        for peer, command in DLT.items() if PEER_PYTHON.exists() else ():
            if number == 0 or peer != "dlt, dicts":
                seconds.setdefault(peer, []).append(_theirs(inputs, command))
    return {what: median(taken) for what, taken in seconds.items()}


def _ours(inputs: Path, what: str) -> float:
    with tempfile.TemporaryDirectory(dir=inputs) as folder:
        file = shutil.copyfile(inputs / "base", Path(folder) / "tasks.duckdb")
        return _told([sys.executable, "-m", "bench.storing", what, str(inputs), str(file)])


def _theirs(inputs: Path, command: tuple[str, ...]) -> float:
    script, source, *options = command
    form = "Arrow" if source.endswith("parquet") else "dicts"
    with tempfile.TemporaryDirectory(dir=inputs) as folder:
        own = shutil.copytree(inputs / f"base-{form}", Path(folder) / "dlt")
        return _peer([script, *options], inputs / source, own)


def _told(command: list[str]) -> float:
    """The seconds that a program of ours or a peer prints at its end."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)
    if done.returncode:
        raise RuntimeError(f"{Path(command[1]).name} ended with {done.returncode}: {done.stderr[-1_000:]}")
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def _measured_here(what: str, inputs: Path, file: Path) -> float:
    """Seconds of one of ours on the file, in this process."""
    answers = (
        [Answer(body, LATER) for body in read_lines(inputs / "responses.jsonl")] if what == "dicts" else []
    )
    rows = (
        None if what == "dicts" else pq.read_table(inputs / "rows.parquet", schema=QUANTUM_TASKS.arrow_schema)
    )
    began = time.perf_counter()
    with opened(file) as connection, transaction(connection):
        if what == "INSERT":
            connection.register("rows", rows)
            connection.execute("INSERT INTO quantum_tasks SELECT * FROM rows")
        else:
            upsert(connection, QUANTUM_TASKS, rows_of(answers) if rows is None else rows)
    return time.perf_counter() - began


def main() -> None:
    """One measurement of ours, for `_ours`."""
    parser = argparse.ArgumentParser(description="One measurement; `python -m bench storing` takes them all.")
    parser.add_argument("what", choices=["dicts", "Arrow", "INSERT"])
    parser.add_argument("inputs", type=Path)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    print(json.dumps({"seconds": _measured_here(options.what, options.inputs, options.file)}))


if __name__ == "__main__":
    main()
