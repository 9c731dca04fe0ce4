"""Small merges into large tables: a thousand changed rows, and a batch as a run merges it.

    python -m bench merging [--quick]

On copies of long histories (bench/long_history.py); the small and the large one take turns.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pyarrow as pa

from bench.line import Line
from bench.long_history import cached_home, scratch, warehouse_of
from bench.records import Answer, bodies
from braket_etl.aws.fetch import Fetched
from braket_etl.pull.merge import Batch, merge
from braket_etl.pull.puller import BATCH_RECORDS
from braket_etl.tables import QUANTUM_TASKS
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.statements import Connection, transaction
from braket_etl.warehouse.upsert import Counts, upsert

CHANGED = 1_000


def lines(quick: bool) -> Iterator[Line]:
    """What merges take, as the table shows it."""
    small, large = sizes(quick)
    rounds = 3 if quick else 9
    with ExitStack() as stack:
        warehouses = {n: stack.enter_context(copied_home(n)) for n in (small, large)}
        changed = _in_turn_changed(warehouses, rounds)
        yield Line(
            what=f"{CHANGED:,} changed tasks into {large:,}",
            ours=changed[large],
            against=f"into {small:,}",
            theirs=changed[small],
            at_most=1.5,
        )
        batches = _in_turn_batches(warehouses, rounds)
        yield Line(
            what=f"a run's merge of {BATCH_RECORDS} answers into {large:,}, open to close",
            ours=batches[large],
            against=f"into {small:,}",
            theirs=batches[small],
        )
        yield Line(what=f"… which is, into {small:,}", ours=BATCH_RECORDS / batches[small], unit="rows/s")
        yield Line(what=f"… and into {large:,}", ours=BATCH_RECORDS / batches[large], unit="rows/s")


def sizes(quick: bool) -> tuple[int, int]:
    """Tasks in the small history and in the large one."""
    return (2_000, 20_000) if quick else (1_000_000, 10_000_000)


@contextmanager
def copied_home(tasks: int) -> Iterator[Warehouse]:
    """The warehouse of a copy of a long history, which may be written to; gone at the end."""
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        yield warehouse_of(Path(shutil.copytree(cached_home(tasks), Path(folder) / "home")))


def _in_turn_changed(warehouses: dict[int, Warehouse], rounds: int) -> dict[int, float]:
    """Median seconds of a transaction that changes the newest rows; the first round only warms up."""
    seconds: dict[int, list[float]] = {n: [] for n in warehouses}
    with ExitStack() as stack:
        open_ones = {n: stack.enter_context(w.writing("bench")) for n, w in warehouses.items()}
        for number in range(rounds + 1):
            for n, connection in open_ones.items():
                seconds[n].append(_change(connection, number))
    return {n: median(taken[1:]) for n, taken in seconds.items()}


def _change(connection: Connection, number: int) -> float:
    newest = connection.sql(
        f"FROM quantum_tasks WHERE is_terminal AND expired_at IS NULL ORDER BY created_at DESC LIMIT {CHANGED}"
    ).to_arrow_table()
    index = newest.schema.get_field_index("failure_reason")
    rows = newest.set_column(index, "failure_reason", pa.array([f"changed {number}"] * CHANGED))
    began = time.perf_counter()
    with transaction(connection):
        done = upsert(connection, QUANTUM_TASKS, rows)
    seconds = time.perf_counter() - began
    assert done == Counts(changed=CHANGED), done
    return seconds


def _in_turn_batches(warehouses: dict[int, Warehouse], rounds: int) -> dict[int, float]:
    """Median seconds of the merge of a batch of new tasks, as a run does it: the file is opened and closed for each."""
    now = datetime.now(UTC)
    seconds: dict[int, list[float]] = {n: [] for n in warehouses}
    for number in range(rounds + 1):
        answers = [Answer(body, now) for body in bodies(number * BATCH_RECORDS, (number + 1) * BATCH_RECORDS)]
        fetched = [Fetched(a.operation, a.arn, _created_now(a.body, now), now) for a in answers]
        for n, warehouse in warehouses.items():
            began = time.perf_counter()
            merge(warehouse, Batch(fetched=list(fetched)), "bench", "bench")
            seconds[n].append(time.perf_counter() - began)
    return {n: median(taken[1:]) for n, taken in seconds.items()}


def _created_now(body: dict[str, object], now: datetime) -> dict[str, object]:
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**body, "createdAt": at, **({"endedAt": at} if "endedAt" in body else {})}
