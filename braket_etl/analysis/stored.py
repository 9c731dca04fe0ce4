"""The statistics that are stored as tables: each is computed by a function and always written as a whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import duckdb
import pyarrow as pa

from braket_etl.analysis import forecast, open_tasks, wait_quantiles
from braket_etl.tables import OPEN_TASK_FORECAST, QUEUE_WAIT_QUANTILES, WAIT_FORECAST
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.statements import Connection, transaction

#: By name, the table and what computes its rows.
STATISTICS: dict[str, tuple[Table, Callable[[Connection], pa.Table]]] = {
    QUEUE_WAIT_QUANTILES.name: (QUEUE_WAIT_QUANTILES, lambda c: wait_quantiles.compute(c, now=as_of(c))),
    WAIT_FORECAST.name: (WAIT_FORECAST, lambda c: forecast.compute(c, now=as_of(c))),
    OPEN_TASK_FORECAST.name: (OPEN_TASK_FORECAST, lambda c: open_tasks.compute(c, now=as_of(c))),
}


def as_of(connection: Connection) -> datetime | None:
    """The instant of the newest answer: a statistic is of what is stored, whenever it is computed."""
    newest: datetime | None = connection.execute("SELECT max(fetched_at) FROM quantum_tasks").fetchall()[0][0]
    return newest


def compute_statistics(connection: Connection) -> None:
    """Compute each anew, from the models as they are."""
    for name in STATISTICS:
        compute_statistic(connection, name)


def compute_statistic(connection: Connection, name: str) -> int:
    """Compute one anew; the number of its rows."""
    table, compute = STATISTICS[name]
    rows = compute(connection)
    with transaction(connection):
        return replace_table(connection, table, rows)


def replace_table(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> int:
    """Make the rows all that the table holds; their number. Runs inside the caller's transaction."""
    connection.execute(f"DELETE FROM {table.qualified_name}")
    connection.register("computed_rows", rows)
    connection.execute(f"INSERT INTO {table.qualified_name} BY NAME SELECT * FROM computed_rows")
    connection.unregister("computed_rows")
    return int(rows.num_rows)
