"""Letting readers see what was stored, once the checks that block were asked."""

from __future__ import annotations

import grp

from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.door import let_through
from braket_etl.warehouse.errors import WarehouseError
from braket_etl.warehouse.results import Results


def publish(
    warehouse: Warehouse,
    connection: Connection,
    *,
    group: str | None = None,
    results: Results | None = None,
) -> dict[str, int]:
    """Let readers see what is stored; the rows in each table of schema main.

    Runs under the writer lock, on its connection. Raises HeldBackError where a check that blocks finds something,
    NoSpaceError, and DamagedError or LakeError where what would be shown is not what was stored; readers go on with what
    they saw before, then. `results` are those that the door was asked with before, on this connection.
    """
    let_through(warehouse, connection, results)
    return warehouse.show(connection, group)


def check_group(group: str | None) -> None:
    """Raise WarehouseError where this machine has no such group to give the published copy to."""
    if group is not None:
        try:
            grp.getgrnam(group)
        except KeyError:
            raise WarehouseError(f"BRAKET_ETL_GROUP: this machine has no group {group!r}") from None
