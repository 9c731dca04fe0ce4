"""`sql`: one question to the published copy, read-only, in the format that the reader wants."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import duckdb

from braket_etl.cli.output import as_json, cell, err, fail, is_terminal, plain, say, show_table
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.queries import Query, QueryError, named_query, queries, set_variables
from braket_etl.warehouse.query_errors import explained

_TERMINAL_ROWS = 200
_ROWS_AT_A_TIME = 10_000


def run_sql(
    query: str | None, file: Path | None, params: Sequence[str], style: str | None, output: Path | None
) -> int:
    """Run the query and print its rows; 1 where it fails."""
    style = style or ("table" if is_terminal() and output is None else "csv")
    if style == "parquet" and output is None:
        raise SettingsError("Parquet goes to a file: add --output FILE")
    given = dict(_parameter(text) for text in params)
    named = _named(query) if query and file is None else None
    statement = named.sql if named else _statement(query, file)
    with Runtime().warehouse.reading() as connection:
        try:
            variables = {name: value for name, value in given.items() if not name.isdecimal()}
            set_variables(connection, named.values_of(given) if named else variables)
            if named and is_terminal():
                say(named.title, "bold")
                say(named.read[:1].upper() + named.read[1:])
            if (rows := _rows(connection, statement, given)) is not None:
                if style == "table":
                    _as_table(rows, output, as_in_report=named is not None)
                else:
                    _FORMATS[style](rows, output)
        except QueryError as error:
            raise SettingsError(str(error)) from None
        except duckdb.InterruptException:
            raise KeyboardInterrupt("the answer is not whole") from None
        except duckdb.Error as error:
            fail(explained(error, connection))
            return 1
    return 0


def run_list(style: str | None) -> int:
    """Print the ready questions with their parameters."""
    known = queries().values()
    if style == "json":
        print(json.dumps([asdict(query) for query in known], indent=2))
        return 0
    rows = [
        (
            ", also ".join(f"@{name}" for name in (query.name, *query.also)),
            query.question or query.title,
            _shown_params(query),
        )
        for query in known
    ]
    show_table("", ("query", "what it asks", "parameters"), rows)
    say("`braket-etl sql @cost_by_tag` asks one, `--param key=value` changes a parameter")
    return 0


def _shown_params(query: Query) -> str:
    return " ".join(
        f"{param.name}={param.default}" if param.default else param.name for param in query.params
    )


def _named(query: str) -> Query | None:
    """The ready question that is asked for as @name; None for a query of one's own."""
    if not query.startswith("@"):
        return None
    try:
        return named_query(query[1:].strip())
    except QueryError as error:
        raise SettingsError(str(error)) from None


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--param {text}: write it as name=value")
    return name.strip(), value


def _statement(query: str | None, file: Path | None) -> str:
    if (query is None) == (file is None):
        raise SettingsError("give one query: as an argument, as @name (see --list), or with --file")
    if file is not None:
        try:
            return file.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file} cannot be read as text: {error}") from None
    return sys.stdin.read() if query == "-" else str(query)


_ONLY_ROWS = [duckdb.ExpectedResultType.QUERY_RESULT]


@dataclass(frozen=True)
class _Rows:
    """The rows of a statement. Read from its result, since relations have no fetchmany() in DuckDB 2."""

    connection: Connection
    statement: duckdb.Statement
    parameters: Mapping[str, str] | None = None

    @cached_property
    def columns(self) -> list[str]:
        """Their names; asking for them runs the statement."""
        return [
            name for name, *_ in self.connection.execute(self.statement, self.parameters).description or ()
        ]

    @property
    def are_none(self) -> bool:
        """Whether the statement has no rows but the one that says that it was done."""
        return self.statement.expected_result_type != _ONLY_ROWS and self.columns in (["Success"], ["Count"])

    def pages(self, length: int = _ROWS_AT_A_TIME) -> Iterator[list[tuple[Any, ...]]]:
        """What has not been read yet, so many rows at a time."""
        while self.columns and (page := self.connection.fetchmany(length)):
            yield page


def _rows(connection: Connection, text: str, given: Mapping[str, str]) -> _Rows | None:
    """The rows of the last statement, None where it has none; those before it (SET, ATTACH, …) are run first.

    Each gets the parameters that it names as `$name`; `getvariable` reads them too. Raises QueryError for one that was
    not given, and where a statement before the last has rows too, since those would be lost.
    """
    statements = connection.extract_statements(text)
    if any(statement.expected_result_type == _ONLY_ROWS for statement in statements[:-1]):
        raise QueryError(
            f"there are {len(statements)} statements, and one before the last has rows, which would be lost: "
            "ask one question at a time"
        )
    for statement in statements[:-1]:
        connection.execute(statement, _parameters_of(statement, given)).fetchall()
    if not statements:
        return None
    rows = _Rows(connection, statements[-1], _parameters_of(statements[-1], given))
    return None if rows.are_none else rows


def _parameters_of(statement: duckdb.Statement, given: Mapping[str, str]) -> dict[str, str] | None:
    """The parameters that a statement names, as texts, which DuckDB reads as what each is compared or added to."""
    if missing := sorted(set(statement.named_parameters) - given.keys()):
        wanted = " ".join(f"--param {name}=…" for name in missing)
        raise QueryError(f"the query names {', '.join(f'${name}' for name in missing)}: add {wanted}")
    return {name: given[name] for name in statement.named_parameters} or None


def _as_table(rows: _Rows, output: Path | None, *, as_in_report: bool) -> None:
    if output is not None:
        raise SettingsError("a table goes to the screen: choose --format csv, json, markdown or parquet")
    limit = _TERMINAL_ROWS if is_terminal() else None
    columns = rows.columns
    shown = next(rows.pages(limit + 1), []) if limit else [row for page in rows.pages() for row in page]
    show_table("", columns, shown[:limit], as_in_report=as_in_report)
    if limit is not None and len(shown) > limit:
        say(f"the first {limit} rows; `--format csv` or a pipe gives all")


def _as_csv(rows: _Rows, output: Path | None) -> None:
    # a file and a pipe get the data as they are; a terminal would obey control characters in them
    text = cell if output is None and is_terminal() else plain
    with _stream(output) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(map(text, rows.columns))
        for page in rows.pages():
            writer.writerows([text(value) for value in row] for row in page)


def _as_json(rows: _Rows, output: Path | None) -> None:
    names = distinct_names(rows.columns)
    with _stream(output) as stream:
        separator = "[\n"
        for page in rows.pages():
            for row in page:
                stream.write(separator + as_json(dict(zip(names, row, strict=True))))
                separator = ",\n"
        stream.write("[]\n" if separator == "[\n" else "\n]\n")


def _as_markdown(rows: _Rows, output: Path | None) -> None:
    with _stream(output) as stream:
        stream.write(_markdown_row(rows.columns))
        stream.write("|" + " --- |" * len(rows.columns) + "\n")
        for page in rows.pages():
            stream.writelines(map(_markdown_row, page))


def _as_parquet(rows: _Rows, output: Path | None) -> None:
    rows.connection.sql(rows.statement, params=rows.parameters).write_parquet(str(output), compression="zstd")
    err.print(f"wrote {output}", markup=False)


def distinct_names(columns: Sequence[str]) -> list[str]:
    """The names of columns, each once: a second `a` is `a_1`, as DuckDB itself calls it in a table."""
    names: list[str] = []
    for column in columns:
        name, count = column, 0
        while name in names or (count and name in columns):
            count += 1
            name = f"{column}_{count}"
        names.append(name)
    return names


def _markdown_row(values: Sequence[Any]) -> str:
    # Markdown lets HTML through
    return (
        "| " + " | ".join(cell(value).replace("|", "\\|").replace("<", "&lt;") for value in values) + " |\n"
    )


@contextmanager
def _stream(output: Path | None) -> Iterator[TextIO]:
    """The file to write to, or standard output, which is not closed."""
    if output is None:
        yield sys.stdout
        return
    try:
        file = output.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}") from None
    with file:
        yield file
    err.print(f"wrote {output}", markup=False)


_FORMATS: dict[str, Callable[[_Rows, Path | None], None]] = {
    "csv": _as_csv,
    "json": _as_json,
    "markdown": _as_markdown,
    "parquet": _as_parquet,
}
