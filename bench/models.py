"""How fast a large warehouse answers: every model and every ready question.

    python -m bench.models [FILE] [NAME…]

FILE is a published copy; without one, a history of a million tasks is made. A model is read whole, `SELECT count(*),
bit_xor(hash(COLUMNS(*)))`, so that each value is computed and none is stored; a question is fetched whole as Arrow
batches, in its order. Seconds are the median of three runs after one to warm up; CPU seconds of all threads stand
beside. What is kept of costs by day is read as it is kept; bench/settling.py has it beside what is computed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.line import Line, table_row
from bench.long_history import cached_home, warehouse_of
from bench.merging import sizes
from braket_etl.warehouse.models import models
from braket_etl.warehouse.queries import queries
from braket_etl.warehouse.settled import CHARGE_SUMS, KEPT_SUMS

LIMIT = 2.0
"""Seconds that anything may take on a million tasks and two cores."""


@dataclass(frozen=True)
class Time:
    """Seconds of the clock and of the processor, of all threads."""

    wall: float
    cpu: float


def taken(work: Callable[[], object], repetitions: int = 3) -> Time:
    """The median time of some runs, after one to warm up; of one run, what it takes at once."""
    if repetitions > 1:
        work()
    times = []
    for _ in range(repetitions):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        times.append(Time(time.perf_counter() - wall, time.process_time() - cpu))
    return Time(statistics.median(t.wall for t in times), statistics.median(t.cpu for t in times))


def opened(file: Path) -> duckdb.DuckDBPyConnection:
    """A connection that reads the file through today's models, whatever views the file holds."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET threads = 2")
    connection.execute(f"ATTACH '{file}' AS large (READ_ONLY); USE large")
    for model in models():
        sql = KEPT_SUMS if model.name == CHARGE_SUMS else model.sql
        connection.execute(f'CREATE TEMP VIEW "{model.name}" AS {sql}')
    return connection


def measured(
    connection: duckdb.DuckDBPyConnection, only: frozenset[str] = frozenset(), repetitions: int = 3
) -> Iterator[tuple[str, str, Time]]:
    """Kind, name and time of each model and each ready question, or of those that are named."""
    for model in models():
        if not only or model.name in only:
            sql = f'SELECT count(*), bit_xor(hash(COLUMNS(*))) FROM temp."{model.name}"'
            yield "model", model.name, taken(lambda sql=sql: connection.execute(sql).fetchall(), repetitions)
    for query in queries().values():
        if not only or f"@{query.name}" in only:
            yield (
                "question",
                f"@{query.name}",
                taken(lambda sql=query.sql: _read(connection, sql), repetitions),
            )


def _read(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Fetch all rows, batch by batch."""
    for _ in connection.sql(sql).to_arrow_reader(100_000):
        pass


def lines(quick: bool) -> Iterator[Line]:
    """The slowest models and questions, as the table shows them."""
    small, large = sizes(quick)
    repetitions = 1 if quick else 3
    with opened(warehouse_of(cached_home(small)).published) as connection:
        took = {name: time.wall for _, name, time in measured(connection, repetitions=repetitions)}
    slowest = sorted(took, key=took.__getitem__, reverse=True)
    for kind, is_kind in (("models", False), ("ready questions", True)):
        of_kind = [name for name in slowest if name.startswith("@") == is_kind]
        for place, name in enumerate(of_kind[:3], 1):
            yield Line(
                what=f"{name}, of {len(of_kind)} {kind} number {place} by time, {small:,} tasks",
                ours=took[name],
                at_most=LIMIT,
            )
    _seconds[small] = took
    with opened(warehouse_of(cached_home(large)).published) as connection:
        _seconds[large] = {name: time.wall for _, name, time in measured(connection, repetitions=1)}


#: What `lines` measured: by number of tasks, the seconds of each model and question.
_seconds: dict[int, dict[str, float]] = {}


def page() -> str:
    """Every model and question with its seconds, as a Markdown table; those of most tasks stand for one run."""
    sizes_measured = sorted(_seconds)
    rows = [
        ["model or @question", *(f"{tasks:,} tasks" for tasks in sizes_measured)],
        ["---", *("---:" for _ in sizes_measured)],
        *(
            [name, *(f"{_seconds[n][name]:.2f} s" for n in sizes_measured)]
            for name in _seconds[sizes_measured[0]]
        ),
    ]
    return "\n".join(["", *map(table_row, rows), ""])


def main(file: Path | None, only: frozenset[str]) -> None:
    """Print a line a model and question, the slowest ones marked."""
    with opened(file or warehouse_of(cached_home(1_000_000)).published) as connection:
        n = connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()[0][0]
        print(f"{n:,} tasks; limit {LIMIT:g} s at 1,000,000")
        print(f"{'':10}{'':26}{'s':>8}{'CPU s':>8}")
        for kind, name, took in measured(connection, only):
            mark = "  over the limit" if took.wall > LIMIT else ""
            print(f"{kind:10}{name:26}{took.wall:8.2f}{took.cpu:8.2f}{mark}", flush=True)


if __name__ == "__main__":
    FILE = Path(sys.argv[1]) if sys.argv[1:] else None
    main(FILE, frozenset(sys.argv[2:]))
