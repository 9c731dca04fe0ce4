"""The row of a run that is no Dagster run: opened before the work, closed with the published copy after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from braket_etl import stopping
from braket_etl.analysis.stored import compute_statistics
from braket_etl.pull.moved import unite_moved
from braket_etl.pull.outcome import Outcome
from braket_etl.warehouse import runs
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.door import STEP, let_run_through
from braket_etl.warehouse.errors import WarehouseError
from braket_etl.warehouse.publish import publish
from braket_etl.warehouse.results import Results


def open_run(warehouse: Warehouse, kind: str) -> str:
    """Begin a run in etl.runs, so that a killed one is seen as such; its id. Raises WarehouseError."""
    run_id = str(uuid4())
    with warehouse.writing(f"beginning {kind}") as connection:
        runs.note_step(connection, run_id, kind, kind, Outcome().summary())
    return run_id


def publish_what_came(warehouse: Warehouse, run_id: str, *, group: str | None = None) -> None:
    """Close a run that did not come to its end, and publish what it had stored by then. Raises WarehouseError."""
    with warehouse.writing("publishing what came") as connection:
        runs.close(connection, run_id, "failure")
        publish(warehouse, connection, group=group)


def what_came(warehouse: Warehouse, run_id: str, *, group: str | None = None) -> str:
    """Publish what a run had stored when it was told to stop, unless that was done; what became of it, in words."""
    try:
        if not _is_published(warehouse, run_id):
            publish_what_came(warehouse, run_id, group=group)
    except (WarehouseError, OSError) as error:
        return f"what had come by then is stored, but not published: {error}"
    return f"what had come by then is stored and published in {warehouse.place}"


@contextmanager
def publishing_when_stopped(warehouse: Warehouse, run_id: str, *, group: str | None = None) -> Iterator[None]:
    """Where the block is told to stop, publish what the run had stored, and say so by Stop."""
    try:
        yield
    except KeyboardInterrupt:
        with stopping.ending():
            told = what_came(warehouse, run_id, group=group)
            raise stopping.Stop(f"{told}; the next run goes on from there") from None


def _is_published(warehouse: Warehouse, run_id: str) -> bool:
    """Whether the published copy tells of the run's end."""
    with suppress(WarehouseError), warehouse.reading() as connection:
        return runs.has_ended(connection, run_id)
    return False


def close_run(
    warehouse: Warehouse, run_id: str, kind: str, outcome: Outcome, *, group: str | None = None
) -> None:
    """Note what a run did, close it and publish; `group` may read the copy. Raises WarehouseError.

    Where it stored something, the statistics are computed first, so that they are of the same records as all else.
    """
    with warehouse.writing("publishing") as connection:
        results = Results(connection, STEP)
        unite_moved(warehouse, connection, results, run_id)
        if any(counts.new or counts.changed for counts in outcome.counts.values()):
            compute_statistics(connection)
        runs.note_step(connection, run_id, kind, kind, outcome.summary())
        let_run_through(warehouse, connection, run_id, results)
        runs.finish(connection, run_id)
        publish(warehouse, connection, group=group, results=results)
