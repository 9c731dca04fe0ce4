"""Putting what analysis computes into its tables, each of which is always written as a whole."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from braket_etl.tables.declaration import Table


def replace_table(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> int:
    """Make the rows all that the table holds; their number. Runs inside the caller's transaction."""
    connection.execute(f"DELETE FROM {table.qualified_name}")
    connection.register("computed_rows", rows)
    connection.execute(f"INSERT INTO {table.qualified_name} BY NAME SELECT * FROM computed_rows")
    connection.unregister("computed_rows")
    return int(rows.num_rows)
