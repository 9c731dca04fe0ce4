"""Where each column of the warehouse comes from: a member of an API response, or columns of other tables and models.

Read from the declarations and from the SELECT of each model; nothing is kept by hand beside them. A column is made
of what enters its value, not of what only filters or joins. Neither a database nor a file is opened here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from braket_etl.tables import MAIN
from braket_etl.tables.declaration import Column, Table
from braket_etl.warehouse.models import models, name_of


class Upstream(NamedTuple):
    """A column of a table or model, or a member of the response of an operation; None: its rows are counted."""

    table: str
    column: str | None

    def __str__(self) -> str:
        return f"{self.table}.{self.column}" if self.column else f"rows of {self.table}"


Lineage = Mapping[str, tuple[Upstream, ...]]


@cache
def column_lineage() -> Mapping[str, Lineage]:
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
        lineage = statement_lineage(model.tree, {name: known[name] for name in model.reads if name in known})
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


def statement_lineage(tree: exp.Expr, known: Mapping[str, Iterable[str]]) -> Lineage:
    """What each column of a SELECT is made of, given the columns of the tables that it may read.

    Names come in lower case, in which DuckDB compares them. Empty where sqlglot cannot follow the statement: it still
    runs.
    """
    schema: dict[str, object] = {table: dict.fromkeys(columns, "unknown") for table, columns in known.items()}
    try:
        qualified = qualify(tree.copy(), dialect="duckdb", schema=schema, quote_identifiers=False)
        scope = build_scope(qualified)
    except SqlglotError:
        return {}
    if scope is None:
        return {}
    spelled = {(table, column.lower()): column for table, columns in known.items() for column in columns}
    followed = _Followed(scope)
    return {
        name: tuple(
            Upstream(table, column and spelled.get((table, column), column))
            for table, column in sorted(followed.selected(scope, position), key=str)
        )
        for position, name in enumerate(_selects(scope))
    }


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


class _Followed:
    """One statement, qualified, whose columns are followed to the tables it reads."""

    def __init__(self, root: Scope) -> None:
        self._scopes = {id(scope.expression): scope for scope in root.traverse()}
        self._known: dict[tuple[int, int], frozenset[Upstream]] = {}
        self._names: dict[int, dict[str, int]] = {}

    def selected(self, scope: Scope, position: int) -> frozenset[Upstream]:
        """What the column at a position of a SELECT is made of; rows only where it is made of no column."""
        key = (id(scope.expression), position)
        if key not in self._known:
            if scope.set_operation_scopes:
                found = [self.selected(branch, position) for branch in scope.set_operation_scopes]
            else:
                found = [self._made_of(part) for part in _parts(scope, position)]
            everything = frozenset[Upstream]().union(*found)
            self._known[key] = frozenset(u for u in everything if u.column) or everything
        return self._known[key]

    def _made_of(self, expression: exp.Expr) -> frozenset[Upstream]:
        found: set[Upstream] = set()
        for node in expression.walk():
            if isinstance(node, exp.Column):
                found |= self._column(node)
            elif isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
                found |= self._rows(self._scope_of(node))
        return frozenset(found)

    def _column(self, column: exp.Column) -> frozenset[Upstream]:
        scope: Scope | None = self._scope_of(column)
        while scope and column.table not in scope.sources:  # of a correlated subquery
            scope = scope.parent
        if scope is None:
            return frozenset()
        source = scope.sources[column.table]
        if isinstance(source, exp.Table):
            return frozenset([Upstream(name_of(source), column.name)])
        position = self._positions(source).get(column.name)
        return frozenset() if position is None else self.selected(source, position)

    def _positions(self, scope: Scope) -> dict[str, int]:
        key = id(scope.expression)
        if key not in self._names:
            self._names[key] = {name: position for position, name in enumerate(_selects(scope))}
        return self._names[key]

    def _rows(self, scope: Scope) -> frozenset[Upstream]:
        found: set[Upstream] = set()
        for branch in scope.set_operation_scopes or [scope]:
            for _, source in branch.selected_sources.values():
                found |= (
                    {Upstream(name_of(source), None)} if isinstance(source, exp.Table) else self._rows(source)
                )
        return frozenset(found)

    def _scope_of(self, node: exp.Expr) -> Scope:
        around: exp.Expr | None = node
        while around is not None and id(around) not in self._scopes:
            around = around.parent
        return self._scopes[id(around)]


def _parts(scope: Scope, position: int) -> Iterator[exp.Expr]:
    """The expression of a column, and the named windows that it is computed over."""
    if not isinstance(scope.expression, exp.Select):
        return  # rows of VALUES
    column = scope.expression.selects[position]
    yield column
    windows = {window.name: window for window in scope.expression.args.get("windows") or ()}
    for window in column.find_all(exp.Window):
        if window.alias in windows:
            yield windows[window.alias]


def _selects(scope: Scope) -> Sequence[str]:
    return scope.expression.named_selects if isinstance(scope.expression, exp.Query) else ()
