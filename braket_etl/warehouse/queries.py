"""The ready questions of sql/questions: what each asks, how to read its answer, and its parameters.

The comment on top of a file says it, one field a line; a line that is indented goes on with the field before it:

    -- title: Spending by tag
    -- question: Which team, project or other tag spent how much?
    -- read: (untagged) is what does not bear the key.
    -- param key (default team): the tag to add up by
    -- chapter: What it cost, 30

The chapter is that of the cookbook, with the question's place in it. Parameters are DuckDB variables with their default in
the SQL, `coalesce(getvariable('key'), 'team')`, so that a file runs as it stands in any DuckDB shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path

from braket_etl.packaged import packaged_sql
from braket_etl.shown import did_you_mean
from braket_etl.warehouse.connection import Connection

_FIELD = re.compile(r"(title|question|read|chapter|param\s+[^:]+):\s*(.*)")
_PARAMETER = re.compile(r"param\s+(\w+)(?:\s+\(default\s+(.*)\))?")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class QueryError(Exception):
    """A query or parameter that is not known, or a value that cannot be one; the message says what there is."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: `default` as it is written in the comment, empty where there is none."""

    name: str
    default: str
    meaning: str

    def value_of(self, text: str) -> str | int | float:
        """What a text on the command line means: a number where the default is one, else the text itself."""
        if not _NUMBER.fullmatch(self.default):
            return text
        if not _NUMBER.fullmatch(text):
            raise QueryError(f"parameter {self.name} is a number, such as {self.default}, not {text!r}")
        return float(text) if "." in text else int(text)


@dataclass(frozen=True)
class Query:
    """One ready question; `sql` is the file's text without its last semicolon, `place` its place in the chapter."""

    name: str
    title: str
    question: str
    read: str
    params: tuple[Parameter, ...]
    sql: str
    chapter: str = ""
    place: int = 0

    def values_of(self, given: Mapping[str, str]) -> dict[str, str | int | float]:
        """The parameters that were given, as values; raises QueryError for one that the query has not."""
        known = {param.name: param for param in self.params}
        for name in given:
            if name not in known:
                there = f"{self.name} takes {', '.join(known)}" if known else f"{self.name} takes none"
                raise QueryError(f"there is no parameter {name}: {did_you_mean(name, known) or there}")
        return {name: known[name].value_of(text) for name, text in given.items()}


@cache
def queries() -> Mapping[str, Query]:
    """All ready questions by name, in the order of their names."""
    return {path.stem: query_from(path) for path in sorted(packaged_sql("questions").glob("*.sql"))}


def named_query(name: str) -> Query:
    """The query of that name; raises QueryError, which offers those that are spelled alike."""
    found = queries().get(name)
    if found is None:
        hint = did_you_mean(name, queries(), before="@") or "`braket-etl sql --list` shows all"
        raise QueryError(f"there is no query @{name}: {hint}")
    return found


def set_variables(connection: Connection, values: Mapping[str, str | int | float]) -> None:
    """Give the connection the variables that `getvariable` reads; raises QueryError for what is no name."""
    for name, value in values.items():
        if not name.isidentifier():
            raise QueryError(f"{name!r} is no name of a parameter")
        connection.execute(f'SET VARIABLE "{name}" = ?', [value])


def query_from(path: Path) -> Query:
    """The query that a file holds."""
    text = path.read_text("utf-8").strip().rstrip(";")
    said: dict[str, str] = {}
    for field, value in _fields(text):
        said[field] = f"{said[field]} {value}" if field in said else value
    params = tuple(_parameter(field, value) for field, value in said.items() if field.startswith("param"))
    chapter, _, place = said.get("chapter", "").rpartition(", ")
    return Query(
        path.stem,
        said.get("title") or path.stem.replace("_", " ").capitalize(),
        said.get("question", ""),
        said.get("read", ""),
        params,
        text,
        chapter,
        int(place or 0),
    )


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """The fields of the comment on top and their lines, in order; a plain comment is how to read the answer."""
    field = "read"
    for line in takewhile(lambda x: x.startswith("--"), text.splitlines()):
        content = line.removeprefix("--").strip()
        if found := _FIELD.fullmatch(content):
            field, content = found[1], found[2]
        if content:
            yield field, content


def _parameter(field: str, meaning: str) -> Parameter:
    found = _PARAMETER.fullmatch(field)
    if found is None:
        raise ValueError(f"not a parameter's head: {field!r}")
    return Parameter(found[1], found[2] or "", meaning)
