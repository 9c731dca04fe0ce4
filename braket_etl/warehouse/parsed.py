"""What the statements of sql/ read, and what their columns are made of, without parsing them in each process.

Parsing all of them takes seconds of CPU, so what sqlglot finds is kept in sql/parsed.json, under a hash of the statement;
`make docs` writes it. A statement that is not there, being new or changed, is parsed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

from braket_etl.package_files import packaged_sql

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

    def columns_made_of(
        self, sql: str, columns: Mapping[str, Iterable[str]]
    ) -> Mapping[str, list[tuple[str, str | None]]]:
        """What each column of a SELECT is made of, by table and column, given the columns of the tables that it may read.

        Without a column the rows are counted. Names come in lower case. Empty where sqlglot cannot follow the statement.
        """

        def found() -> Mapping[str, list[tuple[str, str | None]]]:
            from braket_etl.warehouse.sql_parser import columns_made_of

            return columns_made_of(sql, columns)

        known = sorted((table, list(names)) for table, names in columns.items())
        made_of: Mapping[str, list[tuple[str, str | None]]] = self._kept(
            "made_of", _hash(sql, json.dumps(known)), found
        )
        return made_of

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


def _read() -> Mapping[str, Any]:
    try:
        content: Mapping[str, Any] = json.loads(FILE.read_text("utf-8"))
    except FileNotFoundError:  # in a checkout, before the first `make docs`
        return {}
    return content


#: What the file holds.
kept = Statements(_read())
