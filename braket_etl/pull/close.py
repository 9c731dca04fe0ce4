"""The row of a run that is no Dagster run: opened before the work, closed with the published copy after it."""

from __future__ import annotations

from uuid import uuid4

from braket_etl.analysis.stored import compute_statistics
from braket_etl.pull.outcome import Outcome
from braket_etl.warehouse import runs
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.door import STEP, let_run_through
from braket_etl.warehouse.publish import publish
from braket_etl.warehouse.results import Results


def open_run(warehouse: Warehouse, kind: str) -> str:
    """Begin a run in etl.runs, so that a killed one is seen as such; its id. Raises WarehouseError."""
    run_id = str(uuid4())
    with warehouse.writing(f"beginning {kind}") as connection:
        runs.note_step(connection, run_id, kind, kind, Outcome().summary())
    return run_id


def close_run(
    warehouse: Warehouse, run_id: str, kind: str, outcome: Outcome, *, group: str | None = None
) -> None:
    """Note what a run did, close it and publish; `group` may read the copy. Raises WarehouseError.

    Where it stored something, the statistics are computed first, so that they are of the same records as all else.
    """
    with warehouse.writing("publishing") as connection:
        if any(counts.new or counts.changed for counts in outcome.counts.values()):
            compute_statistics(connection)
        runs.note_step(connection, run_id, kind, kind, outcome.summary())
        results = Results(connection, STEP)
        let_run_through(warehouse, connection, run_id, results)
        runs.finish(connection, run_id)
        publish(warehouse, connection, group=group, results=results)
