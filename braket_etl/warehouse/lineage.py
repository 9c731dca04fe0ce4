"""Where each column of the warehouse comes from: a member of an API response, or columns of other tables and models.

Read from the declarations and from the SELECT of each model; nothing is kept by hand beside them. A column is made
of what enters its value, not of what only filters or joins. Neither a database nor a file is opened here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from braket_etl.tables import MAIN
from braket_etl.tables.declaration import Column, Table
from braket_etl.warehouse.models import models
from braket_etl.warehouse.parsed import Statements, kept
from braket_etl.warehouse.upstream import Lineage, Upstream


@cache
def column_lineage(statements: Statements | None = None) -> Mapping[str, Lineage]:
    """What each column of each table and model is made of, in the order of columns.

    Nothing, for a column that is the same in every row or that the warehouse itself fills. A model that sqlglot
    cannot follow has no columns here.
    """
    found: dict[str, Lineage] = {
        table.name: {column.name: made_of(table, column) for column in table.columns} for table in MAIN
    }
    known: dict[str, Iterable[str]] = {name: list(lineage) for name, lineage in found.items()}
    for model in models():
        spelled = {name.lower(): name for name in model.columns}
        lineage = (statements or kept()).columns_made_of(
            model.sql, {name: known[name] for name in model.reads if name in known}
        )
        found[model.name] = {spelled.get(name, name): upstreams for name, upstreams in lineage.items()}
        known[model.name] = list(found[model.name])
    return found


def made_of(table: Table, column: Column) -> tuple[Upstream, ...]:
    """What a declared column is made of: members of the response, or columns where the table has no operation."""
    if column.reads and table.operation is None:
        return tuple(Upstream(*read.split(".", 1)) for read in sorted(column.reads))
    members = {
        member
        for origin in (column, *(table.by_name[name] for name in _derived_from(column)))
        for member in origin.reads or _member_of(table, origin)
    }
    return tuple(Upstream(table.operation or "", member) for member in sorted(members))


def _member_of(table: Table, column: Column) -> Iterator[str]:
    if column.source and table.operation:
        yield f"{table.rows_in}.{column.source}" if table.rows_in else column.source


class _Asked(dict[str, Any]):
    """A row without values that notes which columns it was asked for."""

    def __missing__(self, column: str) -> None:
        self[column] = None

    def get(self, column: str, default: Any = None) -> Any:
        self[column] = None
        return default


def _derived_from(column: Column) -> Iterable[str]:
    """The columns that a derived one is computed from: those that its function asks a row for."""
    asked = _Asked()
    if column.derive:
        with suppress(AttributeError, TypeError, ValueError):  # what it makes of no values does not matter
            column.derive(asked)
    return asked
