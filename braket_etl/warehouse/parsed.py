"""What the statements of sql/ read, and what their columns are made of, without parsing them in each process.

Parsing all of them takes a second of CPU, so what sqlglot finds is kept in sql/parsed.json, under a hash of the statement;
`make docs` writes it. A statement that is not there, being new or changed, is parsed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

from braket_etl.package_files import packaged_sql
from braket_etl.warehouse.upstream import Lineage, Upstream

FILE = packaged_sql("parsed.json")


class Statements:
    """What is known of statements: read from a file's content or, where nothing is there, found by sqlglot."""

    def __init__(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        self._known = known
        self._told: dict[str, dict[str, Any]] = {"reads": {}, "made_of": {}}

    def tables_read(self, sql: str) -> frozenset[str]:
        """The tables and models that a statement reads: NAME, or SCHEMA.NAME outside schema main.

        Raises sqlglot's ParseError for what it cannot parse.
        """

        def found() -> list[str]:
            from braket_etl.warehouse.sql_parser import tables_read

            return sorted(tables_read(sql))

        return frozenset(self._kept("reads", _hash(sql), found))

    def columns_made_of(self, sql: str, columns: Mapping[str, Iterable[str]]) -> Lineage:
        """What each column of a SELECT is made of, given the columns of the tables that it may read.

        Names come in lower case. Empty where sqlglot cannot follow the statement.
        """

        def found() -> Lineage:
            from braket_etl.warehouse.sql_parser import columns_made_of

            return columns_made_of(sql, columns)

        known = json.dumps(sorted((table, list(names)) for table, names in columns.items()))
        lineage: Mapping[str, list[tuple[str, str | None]]] = self._kept("made_of", _hash(sql, known), found)
        return {name: tuple(Upstream(*made) for made in made_of) for name, made_of in lineage.items()}

    def _kept(self, what: str, key: str, found: Callable[[], Any]) -> Any:
        told = self._told[what]
        if key not in told:
            of_file = self._known.get(what, {})
            told[key] = of_file[key] if key in of_file else found()
        return told[key]

    def __str__(self) -> str:
        """Everything that was asked, as the file holds it."""
        return (
            json.dumps({what: dict(sorted(told.items())) for what, told in self._told.items()}, indent=0)
            + "\n"
        )


def _hash(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


@cache
def kept() -> Statements:
    """What the file holds; nothing in a checkout before the first `make docs`."""
    return Statements(json.loads(FILE.read_text("utf-8")) if FILE.exists() else {})
