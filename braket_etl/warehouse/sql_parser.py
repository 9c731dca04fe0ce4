"""What a statement reads and what its columns are made of, as sqlglot parses it.

Whoever runs asks `parsed`, which knows it of every statement of sql/ without loading sqlglot. Neither a file nor a database
is opened here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from braket_etl.warehouse.upstream import Lineage, Upstream


def tables_read(sql: str) -> frozenset[str]:
    """The tables and models that a statement reads: NAME, or SCHEMA.NAME outside schema main."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    named_inside = {cte.alias for cte in tree.find_all(exp.CTE)}
    return frozenset(
        name_of(table)
        for table in tree.find_all(exp.Table)
        if table.name and (table.db or table.name not in named_inside)
    )


def columns_made_of(sql: str, known: Mapping[str, Iterable[str]]) -> Lineage:
    """What each column of a SELECT is made of, given the columns of the tables that it may read.

    Names come in lower case, in which DuckDB compares them. Empty where sqlglot cannot follow the statement: it still
    runs.
    """
    schema: dict[str, object] = {table: dict.fromkeys(columns, "unknown") for table, columns in known.items()}
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
        scope = build_scope(qualify(tree, dialect="duckdb", schema=schema, quote_identifiers=False))
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


def name_of(table: exp.Table) -> str:
    """The name of a table as a statement writes it, with its schema unless that is main."""
    return f"{table.db}.{table.name}" if table.db and table.db != "main" else table.name


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
