"""sql/models as views: their order, their lineage and their creation.

A model is one SELECT in a file; the file name is its name. The comment on top says grain and meaning, then,
after an empty comment line, its group, its key (what no two rows have in common) and what each column is
(`-- cost_usd: what it cost`). What a model reads is found by parsing it, so no list of dependencies is kept by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from itertools import takewhile
from pathlib import Path

import duckdb

from braket_etl.package_files import packaged_sql
from braket_etl.tables.declaration import quoted
from braket_etl.warehouse.parsed import kept
from braket_etl.warehouse.statements import is_lake


@dataclass(frozen=True)
class Model:
    """One model: its name, key, its and its columns' meaning, its SELECT, and the tables and models it reads."""

    name: str
    group: str
    key: tuple[str, ...]
    description: str
    columns: Mapping[str, str]
    sql: str
    reads: frozenset[str]

    @property
    def file(self) -> Path:
        """Where its SELECT lies."""
        return packaged_sql("models") / f"{self.name}.sql"


@cache
def models() -> tuple[Model, ...]:
    """All models, each after those that it reads."""
    found = {path.stem: parsed(path.stem, path.read_text("utf-8")) for path in _files()}
    order = TopologicalSorter({name: sorted(model.reads & found.keys()) for name, model in found.items()})
    return tuple(found[name] for name in order.static_order())


def refresh_models(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every model as a view, and drop views of models that are gone."""
    for view in views(connection) - {model.name for model in models()}:
        connection.execute(f'DROP VIEW main."{view}"')
    for model in models():
        create_view(connection, model)


def views(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The names of the views that are there."""
    found = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main' "
        "AND database_name = current_database()"
    ).fetchall()
    return frozenset(view for (view,) in found)


def create_view(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Create or replace the view of one model, with its meaning as comment."""
    connection.execute(f'CREATE OR REPLACE VIEW main."{model.name}" AS {model.sql}')
    connection.execute(f'COMMENT ON VIEW main."{model.name}" IS {quoted(model.description)}')
    if is_lake(connection):  # comments on columns are for tables there
        return
    for column, meaning in model.columns.items():
        connection.execute(f'COMMENT ON COLUMN main."{model.name}"."{column}" IS {quoted(meaning)}')


def _files() -> list[Path]:
    return sorted(packaged_sql("models").glob("*.sql"))


def parsed(name: str, text: str) -> Model:
    """The model of a file's text; raises ValueError for a comment on top that is not as told above."""
    description, columns = _meaning(text)
    statement = text.strip().rstrip(";")
    group, key = columns.pop("group", "models"), tuple(filter(None, columns.pop("key", "").split(", ")))
    return Model(name, group, key, description, columns, statement, kept().tables_read(statement))


def _meaning(text: str) -> tuple[str, dict[str, str]]:
    """The description and the meanings of the columns, from the comment on top.

    A meaning that goes on in the next line is indented there. Raises ValueError for a line that is neither: a comment on
    the SQL that stands too high would be taken for what the last column means.
    """
    columns: dict[str, str] = {}
    comment = [line.removeprefix("--") for line in takewhile(lambda x: x.startswith("--"), text.splitlines())]
    head = next((place for place, line in enumerate(comment) if not line.strip()), len(comment))
    for line in filter(str.strip, comment[head:]):
        name, colon, meaning = line.strip().partition(": ")
        if colon and name.isidentifier():
            columns[name] = meaning
        elif line.startswith("  ") and columns:
            columns[next(reversed(columns))] += f" {line.strip()}"
        else:
            raise ValueError(f"the comment on top of a model says nothing of a column here: {line.strip()}")
    return " ".join(line.strip() for line in comment[:head]), columns
