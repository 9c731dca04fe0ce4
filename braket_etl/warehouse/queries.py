"""The ready questions of sql/questions: what each asks, how to read its answer, and its parameters.

The comment on top of a file says it, one field a line; a line that is indented goes on with the field before it:

    -- title: Spending by tag
    -- question: Which team, project or other tag spent how much?
    -- read: (untagged) is what does not bear the key.
    -- param key (default team): the tag to add up by
    -- chapter: What it cost, 30

The chapter is that of the cookbook, with the question's place in it. Parameters are DuckDB variables with their default in
the SQL, `coalesce(getvariable('key'), 'team')`, so that a file runs as it stands in any DuckDB shell; one that has no
default changes nothing until it is set. What most questions can be limited to is named in one line, `LIMITS` says what it
means; names that a question had before go on working:

    -- limits: first, last, account, region, device, person, tag
    -- also: spending_by_tag

One that asks for nothing but what is still open says so, `-- only: open`, and needs no period. One whose answer is too wide
for a terminal names the columns that are shown there, `-- columns: device, cost_usd`. What a parameter can be is the
first column of another question where that is named, `-- param key (default team, of @tag_keys): the tag's key`; of
`@choices`, the values of its kind.

A question that stands on the page of the report says where, and how it is shown there:

    -- report: Spending, 30
    -- chart: cost_by_tag
    -- form: wide
    -- with: rows=10
    -- empty: No task or job bears a tag.

`report` is the section and the place in it, `chart` a function of report/charts.py, `form` figures (of one row) or wide,
`with` the page's own values of parameters, `empty` what stands there where no row is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from braket_etl.display import did_you_mean
from braket_etl.package_files import packaged_sql
from braket_etl.tables.declaration import quoted
from braket_etl.warehouse.statements import Connection

#: A value of a parameter. A mapping is one of tags.
Value = str | int | float | date | Mapping[str, str]

#: What a question can be limited to, all of it while the variable is not set.
LIMITS = {
    "first": "the first UTC day that counts, such as 2026-10-01; without it, all that came before count",
    "last": "the last UTC day that counts; without it, all that came after count",
    "account": "id of the account that counts, of several with commas between them; without it, all count",
    "region": "the Region that counts, of several with commas between them; without it, all count",
    "device": "name of the device that counts, such as Garnet, of several with commas between them; without it, all count",
    "person": "who created the records that count, one name as created_by has it, commas and all; without it, all count",
    "tag": "tag that a record has to bear, as key=value, of several as {key=value, key=value}; without it, all count",
}
#: The chapters of the cookbook, in the order in which a team comes to ask. Each question says which it stands in.
CHAPTERS = (
    "What it cost",
    "What it will cost",
    "Where money can be saved",
    "How long it waits",
    "What is not known",
)
_TAG, _PERSON = "tag", "person"
#: The question that lists what there is to choose from by kind, those of its kinds that limit others, and how many values
#: an error names.
_CHOICES, _CHOSEN, _MOST_NAMED = "choices", ("account", "region", "device", _PERSON), 20
#: The questions that list what tasks and jobs have; others list things by their names.
_OF_RECORDS = frozenset({_CHOICES, "tag_keys"})
#: What makes it list all people, of whom it leaves out some where there are many.
EVERYBODY = {"people": 1 << 40}
_FIELDS = "title|question|read|chapter|also|limits|only|columns|report|chart|form|with|empty"
_FIELD = re.compile(rf"({_FIELDS}|param\s+[^:]+):\s*(.*)")
_PARAMETER = re.compile(r"param\s+(\w+)(?:\s+\((?:default\s+(.*?))?(?:,?\s*of @(\w+))?\))?")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class QueryError(Exception):
    """A query or parameter that is not known, or a value that cannot be one; the message says what there is."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: `default` as it is written in the comment, empty where all counts that is not ruled out.

    `of` is the question that lists what it can be, empty where it can be anything.
    """

    name: str
    default: str
    meaning: str
    of: str = ""

    @property
    def is_limit(self) -> bool:
        """Whether it is one of those that most questions have."""
        return self.meaning == LIMITS.get(self.name)

    def value_of(self, text: str) -> Value:
        """What a text on the command line means: a number where the default is one, a tag, else the text itself."""
        if self.name == _TAG and self.is_limit:
            key, equals, value = text.partition("=")
            return {key: value} if equals and not text.startswith("{") else text
        if not _NUMBER.fullmatch(self.default):
            return text
        if not _NUMBER.fullmatch(text):
            raise QueryError(f"parameter {self.name} is a number, such as {self.default}, not {text!r}")
        return float(text) if "." in text else int(text)


@dataclass(frozen=True)
class OnPage:
    """Where a question stands on the page of the report, and how its answer is shown there; nowhere without a section."""

    section: str = ""
    place: int = 0
    chart: str = ""
    form: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    empty: str = "Nothing to show."


@dataclass(frozen=True)
class Answer:
    """The rows of a question, under the names of its columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


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
    also: tuple[str, ...] = ()
    page: OnPage = field(default_factory=OnPage)
    only: str = ""
    columns: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """The SQL without the comment on top."""
        return re.sub(r"\A(--.*\n)+", "", self.sql)

    def takes(self, *names: str) -> bool:
        """Whether it has all these parameters."""
        return {param.name for param in self.params}.issuperset(names)

    def with_values(self, values: Mapping[str, Value]) -> str:
        """What gives the same answer wherever it is copied to: the variables are set first."""
        return "\n".join([*(f"{each};" for each in assignments(values)), self.statement])

    def values_of(self, given: Mapping[str, str]) -> dict[str, Value]:
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


def chapters() -> dict[str, list[Query]]:
    """The questions by the chapter in which they stand, in order; raises ValueError for one that stands in none."""
    known = sorted(queries().values(), key=lambda query: (query.place, query.name))
    if lost := [query.name for query in known if query.chapter not in CHAPTERS]:
        raise ValueError(f"{', '.join(lost)} of sql/questions stand in no chapter of {', '.join(CHAPTERS)}")
    return {chapter: [query for query in known if query.chapter == chapter] for chapter in CHAPTERS}


def named_query(name: str) -> Query:
    """The query of that name, also one that it had before; raises QueryError, which offers those spelled alike."""
    known = dict(queries()) | {former: query for query in queries().values() for former in query.also}
    if name not in known:
        hint = did_you_mean(name, known, before="@") or "`braket-etl sql --list` shows all"
        raise QueryError(f"there is no query @{name}: {hint}")
    return known[name]


def set_variables(connection: Connection, values: Mapping[str, Value]) -> None:
    """Give the connection the variables that `getvariable` reads; raises QueryError for what is no name."""
    for statement in assignments(values):
        connection.execute(statement)


def answer(
    connection: Connection,
    query: Query,
    values: Mapping[str, Value] | None = None,
    at_most: int | None = None,
) -> Answer:
    """The rows of a question, or its first, with these values of its parameters, which the connection does not keep."""
    with _variables(connection, values or {}):
        cursor = connection.execute(query.sql)
        rows = cursor.fetchall() if at_most is None else cursor.fetchmany(at_most)
        return Answer([column for column, *_ in cursor.description or ()], rows)


def unknown_values(connection: Connection, query: Query, values: Mapping[str, Value]) -> Iterator[str]:
    """What to say of each value that is not there, given or by default, such as of a device or a tag's key."""
    for param in query.params:
        value = values.get(param.name, param.default)
        if not param.of or not isinstance(value, str) or value in ("", "all"):
            continue
        known = _known(connection, param)
        for each in _listed(value) if param.is_limit and param.name != _PERSON else [value]:
            if each not in known:
                yield f"parameter {param.name}: {_there_is_none(param, each, known)}"


def _there_is_none(param: Parameter, value: str, known: Sequence[str]) -> str:
    more = len(known) - _MOST_NAMED
    there = ", ".join(known[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    meant = did_you_mean(value, known)
    none = "no task or job has" if param.of in _OF_RECORDS else f"no {param.name} is called"
    return f"{none} {value}{f', {meant}' if meant else ''}; there is {there or 'none yet'}"


def _known(connection: Connection, param: Parameter) -> list[str]:
    """What a parameter can be, those of most records first."""
    found = answer(connection, named_query(param.of), EVERYBODY if param.of == _CHOICES else None).rows
    if param.of == _CHOICES:
        return [value for kind, value, *_ in found if kind == param.name]
    return [str(value) for value, *_ in found]


@contextmanager
def _variables(connection: Connection, values: Mapping[str, Value]) -> Iterator[None]:
    set_variables(connection, values)
    try:
        yield
    finally:
        for name in values:
            connection.execute(f'RESET VARIABLE "{name}"')


def assignments(values: Mapping[str, Value]) -> list[str]:
    """Statements that set variables; raises QueryError for what is no name."""
    if wrong := [name for name in values if not name.isidentifier()]:
        raise QueryError(f"{wrong[0]!r} is no name of a parameter")
    return [f'SET VARIABLE "{name}" = {_literal(value)}' for name, value in values.items()]


def _literal(value: Value) -> str:
    """A value as SQL, whatever is in its texts."""
    if isinstance(value, Mapping):
        return f"MAP {{{', '.join(f'{quoted(key)}: {quoted(each)}' for key, each in value.items())}}}"
    if isinstance(value, date):
        return f"DATE '{value}'"
    return quoted(value) if isinstance(value, str) else str(value)


def query_from(path: Path) -> Query:
    """The query that a file holds."""
    text = path.read_text("utf-8").strip().rstrip(";")
    said: dict[str, str] = {}
    for name, value in _fields(text):
        said[name] = f"{said[name]} {value}" if name in said else value
    params = (
        *(
            Parameter(name, "", LIMITS[name], _CHOICES if name in _CHOSEN else "")
            for name in _listed(said.get("limits", ""))
        ),
        *(_parameter(name, value) for name, value in said.items() if name.startswith("param")),
    )
    chapter, place = _placed(said.get("chapter", ""))
    return Query(
        path.stem,
        said.get("title") or path.stem.replace("_", " ").capitalize(),
        said.get("question", ""),
        said.get("read", ""),
        params,
        text,
        chapter,
        place,
        tuple(_listed(said.get("also", ""))),
        _on_page(said, params) if "report" in said else OnPage(),
        said.get("only", ""),
        tuple(_listed(said.get("columns", ""))),
    )


def _on_page(said: Mapping[str, str], params: Iterable[Parameter]) -> OnPage:
    known = {param.name: param for param in params}
    given = (each.partition("=") for each in _listed(said.get("with", "")))
    return OnPage(
        *_placed(said["report"]),
        said.get("chart", ""),
        said.get("form", ""),
        {name: known[name].value_of(text) for name, _, text in given},
        said.get("empty", OnPage.empty),
    )


def _placed(text: str) -> tuple[str, int]:
    """What stands before the last comma, and the place after it."""
    where, _, place = text.rpartition(", ")
    return where, int(place or 0)


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


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
    return Parameter(found[1], found[2] or "", meaning, found[3] or "")
