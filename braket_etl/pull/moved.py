"""Records that Braket moved to another time of creation after they had ended, and that were stored as new ones.

Belongs here: finding them where the check of keys finds something, one row of each, what is noted of it.
Does not belong here: rows that share a key for another reason, which hold publishing back (`warehouse.door`).
"""

from __future__ import annotations

from braket_etl.pull.merge import follow, store_drift
from braket_etl.tables import JOB_EVENTS
from braket_etl.tables.normalize import Drift
from braket_etl.warehouse.checks import Rows, blocking_checks, finds_nothing
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.repair import Moved, merge_moved
from braket_etl.warehouse.results import Results
from braket_etl.warehouse.statements import transaction


def unite_moved(
    warehouse: Warehouse, connection: Connection, results: Results, run_id: str, known: Rows | None = None
) -> list[Moved]:
    """Make one row of each record that moved, and note the move in etl.schema_drift; what moved.

    Runs under the writer lock, before what was pulled is checked. Where each key stands once, all it costs is the question,
    whose answer is left in `known` for the check that asks next.
    """
    known = {} if known is None else known
    if all(finds_nothing(results, check, known) for check in blocking_checks()):
        return []
    known.clear()
    with transaction(connection):
        moved = merge_moved(connection)
        for table in {each.table.name: each.table for each in moved}.values():
            follow(connection, table, [(m.arn, m.was, m.now) for m in moved if m.table is table])
            store_drift(connection, [Drift(table.name, "moved", "createdAt", None)], None, run_id)
        warehouse.note_fewer(connection)
    for name in {each.table.name for each in moved} | {JOB_EVENTS.name}:
        results.contents.forget(name)
    return moved
