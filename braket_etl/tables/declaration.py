"""How a table is declared: its columns, types, meaning and where in an API response each comes from.

One declaration a table is the single source for the Arrow schema, the DDL with its comments, the flattening
of responses, the column metadata in Dagster and the data dictionary. No I/O and no SQL execution belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

Row = Mapping[str, Any]

TIMESTAMP = pa.timestamp("us", tz="UTC")
STRING_MAP = pa.map_(pa.string(), pa.string())
#: Money and rates. 38 digits in all, 12 of them behind the point: a hostile number must not overflow a model.
MONEY = pa.decimal128(38, 12)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    `source` is the path of the member in the API's own spelling (`instanceConfig.instanceType`); `derive`
    computes the value from the columns with a source instead. A column with neither is filled by the
    warehouse or by the code that builds the rows. `values` are the enum values that the API documents: others are
    stored too and noted as drift. `content` says whether the column takes part in the row hash, that
    is, whether a change of it is a change of the record. `reads` is for lineage alone, where `source` and `derive`
    do not tell: members of the response, or `table.column` where the table has no operation. `side` says that
    neither money nor a wait depends on the column: a value that cannot be read leaves it NULL, is kept in `extra` and
    noted as drift, and the record is stored.
    """

    name: str
    type: pa.DataType
    description: str
    source: str | None = None
    derive: Callable[[Row], Any] | None = None
    values: tuple[str, ...] = ()
    required: bool = False
    wide: bool = False
    content: bool = True
    reads: tuple[str, ...] = ()
    side: bool = False

    @property
    def member_path(self) -> tuple[str, ...]:
        """The members that lead to the value, outermost first; empty for a column without a source."""
        return tuple(self.source.split(".")) if self.source else ()


@dataclass(frozen=True, eq=False)
class Table:
    """A table of the warehouse: its grain (`key`), its meaning and its columns, in order.

    `operation` and `members_elsewhere` are set for tables whose rows are API responses: the operation (or the kind
    of event or file) that yields one row, and the response's members that live in another table, each with its
    inner members where unknown ones among those are still this table's `extra`. `lists_elsewhere` are those of them that
    are lists: anything else in their place is this table's `extra` too. `rows_in` is the list in the response whose
    items are the rows, where one response has several.
    """

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    schema: str = "main"
    operation: str | None = None
    rows_in: str | None = None
    members_elsewhere: tuple[tuple[str, tuple[str, ...] | None], ...] = ()
    lists_elsewhere: tuple[str, ...] = ()
    immutable: str | None = None
    """A column that never changes for a key and grows with time: it narrows a merge to few row groups."""
    terminal_statuses: frozenset[str] = field(default_factory=frozenset)
    only_grows: bool = False
    """Whether a row, once committed, is never removed: fewer rows than were committed mean damage."""

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The columns as an Arrow schema, in declared order."""
        return pa.schema([pa.field(c.name, c.type, nullable=not c.required) for c in self.columns])

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    @property
    def qualified_name(self) -> str:
        """The name with its schema, quoted for SQL."""
        return f'{self.schema}."{self.name}"'

    def has(self, column: str) -> bool:
        """Whether the table declares such a column."""
        return column in self.by_name

    def create_statement(self, *, compression: bool = True) -> str:
        """The CREATE TABLE statement; without `compression` it holds nothing that DuckLake refuses."""
        lines = [column_definition(column, compression=compression) for column in self.columns]
        return f"CREATE TABLE IF NOT EXISTS {self.qualified_name} (\n  " + ",\n  ".join(lines) + "\n)"

    def comment_statements(self) -> list[str]:
        """COMMENT ON statements for the table and each of its columns."""
        statements = [f"COMMENT ON TABLE {self.qualified_name} IS {quoted(self.description)}"]
        for column in self.columns:
            statements.append(
                f'COMMENT ON COLUMN {self.qualified_name}."{column.name}" IS {quoted(column.description)}'
            )
        return statements


def column_definition(column: Column, *, compression: bool) -> str:
    """A column as it stands in CREATE TABLE."""
    definition = f'"{column.name}" {duckdb_type(column.type)}'
    if column.required:
        definition += " NOT NULL"
    if column.wide and compression:
        definition += " USING COMPRESSION zstd"
    return definition


def duckdb_type(arrow_type: pa.DataType) -> str:
    """The DuckDB type in which a value of the Arrow type is stored.

    Raises TypeError for a type that no declaration uses yet.
    """
    if pa.types.is_map(arrow_type):
        return f"MAP({duckdb_type(arrow_type.key_type)}, {duckdb_type(arrow_type.item_type)})"
    if pa.types.is_list(arrow_type):
        return f"{duckdb_type(arrow_type.value_type)}[]"
    if pa.types.is_struct(arrow_type):
        members = (f'"{member.name}" {duckdb_type(member.type)}' for member in arrow_type)
        return f"STRUCT({', '.join(members)})"
    if pa.types.is_decimal(arrow_type):
        return f"DECIMAL({arrow_type.precision}, {arrow_type.scale})"
    simple = {
        pa.string(): "VARCHAR",
        pa.int64(): "BIGINT",
        pa.int32(): "INTEGER",
        pa.float64(): "DOUBLE",
        pa.bool_(): "BOOLEAN",
        pa.date32(): "DATE",
        TIMESTAMP: "TIMESTAMPTZ",
    }
    try:
        return simple[arrow_type]
    except KeyError:
        raise TypeError(f"no DuckDB type is declared for the Arrow type {arrow_type}") from None


def quoted(text: str) -> str:
    """The text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def flag(name: str, description: str, **options: Any) -> Column:
    """A BOOLEAN column."""
    return Column(name, pa.bool_(), description, **options)


def text(name: str, description: str, source: str | None = None, **options: Any) -> Column:
    """A VARCHAR column."""
    return Column(name, pa.string(), description, source, **options)


def integer(name: str, description: str, source: str | None = None, **options: Any) -> Column:
    """A BIGINT column."""
    return Column(name, pa.int64(), description, source, **options)


def instant(name: str, description: str, source: str | None = None, **options: Any) -> Column:
    """A TIMESTAMPTZ column."""
    return Column(name, TIMESTAMP, description, source, **options)


def day(name: str, description: str, **options: Any) -> Column:
    """A DATE column; its days are UTC days."""
    return Column(name, pa.date32(), description, **options)


def money(name: str, description: str, **options: Any) -> Column:
    """A DECIMAL(38,12) column in US dollars."""
    return Column(name, MONEY, description, **options)


def string_map(name: str, description: str, source: str | None = None, **options: Any) -> Column:
    """A MAP(VARCHAR, VARCHAR) column."""
    return Column(name, STRING_MAP, description, source, **options)
