"""Mistakes in names and in SQL, told in a line or two, with what was probably meant."""

from __future__ import annotations

import re

import duckdb

from braket_etl.display import did_you_mean

_COLUMN = re.compile(
    r'(?:Referenced column|does not have a column named|^Binder Error: Column) "([^"]+)"', re.MULTILINE
)
_TABLE = re.compile(r'Table with name "?([^"\s]+)"? does not exist')
_HEAD = re.compile(r"^[A-Z][A-Za-z ]*Error: ")
_WRITES = re.compile(r"attached in read-only mode")
_LONGEST = 3  # lines


def explained(error: duckdb.Error, connection: duckdb.DuckDBPyConnection) -> str:
    """What is wrong with a query, in at most three lines, with the columns or tables that were probably meant."""
    said = str(error).strip()
    if column := _COLUMN.search(said):
        return _unknown_column(column[1], said, connection)
    if table := _TABLE.search(said):
        hint = did_you_mean(table[1], _tables(connection)) or "`braket-etl sql 'show all tables'` lists them"
        return f"there is no table {table[1]}: {hint}"
    if _WRITES.search(said):
        return "the published warehouse is read-only: this statement would change it"
    lines = [line for line in _HEAD.sub("", said).splitlines() if line.strip()]
    return "\n".join(lines[:_LONGEST])


def _unknown_column(name: str, said: str, connection: duckdb.DuckDBPyConnection) -> str:
    """Columns spelled alike in what the query reads, as DuckDB found them, and tables that do have the column."""
    _, _, rest = said.partition("Candidate bindings:")
    here = re.findall(r'"([^"]+)"', rest.split("\n\n")[0])
    elsewhere = [
        table
        for (table,) in connection.execute(
            "SELECT DISTINCT table_name FROM duckdb_columns() WHERE NOT internal AND lower(column_name) = lower(?) "
            "ORDER BY 1",
            [name],
        ).fetchall()
    ]
    hint = did_you_mean(name.rpartition(".")[2], [each.rpartition(".")[2] for each in here])
    lines = [f"there is no column {name} in what this query reads" + (f": {hint}" if hint else "")]
    if elsewhere:
        lines.append(f"{name} is a column of {', '.join(elsewhere)}")
    elif here and not hint:
        lines.append(f"nearest: {', '.join(here)}")
    return "\n".join(lines)


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [
        f"{schema}.{table}" if schema != "main" else table
        for schema, table in connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal "
            "UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    ]
