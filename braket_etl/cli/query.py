"""`sql`: one question to the published copy, read-only, in the format that the reader wants."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import duckdb

from braket_etl.cli.output import (
    as_json,
    by_ending,
    cell,
    check_output,
    drafted,
    err,
    fail,
    is_terminal,
    plain,
    say,
    show_table,
    warn,
)
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.tables.declaration import identifier, quoted
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.extensions import packaged_extension
from braket_etl.warehouse.queries import (
    Query,
    QueryError,
    named_query,
    queries,
    set_variables,
    unknown_values,
)
from braket_etl.warehouse.query_errors import explained
from braket_etl.warehouse.statements import asked

_TERMINAL_ROWS = 200
_ROWS_AT_A_TIME = 10_000


def run_sql(
    query: str | None,
    file: Path | None,
    params: Sequence[str],
    style: str | None,
    output: Path | None,
    *,
    all_columns: bool = False,
) -> int:
    """Run the query and print its rows; 1 where it fails."""
    style = style or (by_ending(output, _ENDINGS) if output else "table" if is_terminal() else "csv")
    if style in _IN_FILES and output is None:
        raise SettingsError(f"{style} goes to a file: add --output FILE")
    if style == "table" and output is not None:
        raise SettingsError(f"a table goes to the screen: choose --format {_any_of(_FORMATS)}")
    check_output(output)
    given = dict(_parameter(text) for text in params)
    named = _named(query) if query and file is None else None
    statement = named.sql if named else _statement(query, file)
    with Runtime().warehouse.reading() as connection:
        try:
            if named:
                values = named.values_of(given)
                for told in unknown_values(connection, named, values):
                    warn(told)
            else:
                values = {name: value for name, value in given.items() if not name.isdecimal()}
            set_variables(connection, values)
            if named and is_terminal():
                say(named.title, "bold")
                say(named.read[:1].upper() + named.read[1:])
            if (rows := _rows(connection, statement, given)) is not None:
                if style == "table":
                    _as_table(rows, named, is_whole=all_columns)
                elif output is None:
                    _FORMATS[style](rows, None)
                else:
                    with drafted(output) as file:
                        _FORMATS[style](rows, file)
                    err.print(f"wrote {output}", markup=False)
        except QueryError as error:
            raise SettingsError(str(error)) from None
        except duckdb.InterruptException:
            raise KeyboardInterrupt("the answer is not whole") from None
        except duckdb.Error as error:
            fail(explained(error, connection))
            return 1
    return 0


def _any_of(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"


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
        return asked(self.connection, self.statement, self.parameters)

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


def _as_table(rows: _Rows, named: Query | None, *, is_whole: bool) -> None:
    limit = _TERMINAL_ROWS if is_terminal() else None
    columns = rows.columns
    shown = next(rows.pages(limit + 1), []) if limit else [row for page in rows.pages() for row in page]
    show_table(
        "",
        columns,
        shown[:limit],
        as_in_report=named is not None,
        first=named.columns if named else (),
        is_whole=is_whole,
        rest="a file has all, `-o FILE.csv`" if is_whole else "`--all-columns` shows them",
    )
    if limit is not None and len(shown) > limit:
        say(f"the first {limit} rows; a file or a pipe gets all, `-o FILE.csv`")


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


def _as_xlsx(rows: _Rows, output: Path | None) -> None:
    """A sheet: amounts are numbers of 15 digits there, instants are UTC, and a text of more than it holds ends in "…".

    Raises SettingsError without the extension.
    """
    if rows.statement.type != duckdb.StatementType.SELECT:
        raise SettingsError("a sheet is made of the rows of a query: SELECT … or FROM …")
    _load_excel(rows.connection)
    query = f"({rows.statement.query.strip().rstrip(';')}\n)"
    described = rows.connection.execute(f"SELECT * FROM {query} LIMIT 0", rows.parameters).description or []
    names = [identifier(name) for name in distinct_names([name for name, *_ in described])]
    cells = (
        f"c{n} AS {name}" if str(kind).startswith(_IN_SHEETS) else f"{_as_text(f'c{n}::VARCHAR')} AS {name}"
        for n, (name, (_, kind, *_)) in enumerate(zip(names, described, strict=True))
    )
    columns = ", ".join(f"c{n}" for n in range(len(names)))
    rows.connection.execute(
        f"COPY (SELECT {', '.join(cells)} FROM {query} AS t({columns})) TO {quoted(str(output))} "
        "(FORMAT xlsx, HEADER true)",
        rows.parameters,
    )


def _as_text(value: str) -> str:
    whole = f"regexp_replace({value}, '{_NOT_IN_XML}', '\ufffd', 'g')"
    return f"CASE WHEN length({value}) > {_IN_A_CELL} THEN left({whole}, {_IN_A_CELL - 1}) || '…' ELSE {whole} END"


def _load_excel(connection: Connection) -> None:
    """Load DuckDB's extension from its package, or from where DuckDB keeps those it has downloaded before."""
    try:
        file = packaged_extension("excel")
    except ModuleNotFoundError:
        file = None
    try:
        connection.execute(f"LOAD {quoted(str(file)) if file else 'excel'}")
    except duckdb.Error:
        others = _any_of(name for name in _ENDINGS if name != ".xlsx")
        raise SettingsError(
            f"a sheet needs the extension excel of DuckDB {duckdb.__version__}, which is not here: "
            f"`pip install 'braket-etl[excel]'` brings that of DuckDB 1.5.5; or choose {others}"
        ) from None


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
    with output.open("w", encoding="utf-8", newline="") as file:
        yield file


_FORMATS: dict[str, Callable[[_Rows, Path | None], None]] = {
    "csv": _as_csv,
    "json": _as_json,
    "markdown": _as_markdown,
    "parquet": _as_parquet,
    "xlsx": _as_xlsx,
}
#: Kinds of values that a sheet has itself; all others are texts, and what XML has no way to write is shown as �.
_IN_SHEETS = (
    *("BOOLEAN", "DATE", "TIME", "DECIMAL", "DOUBLE", "FLOAT", "HUGEINT"),
    *("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT"),
)
_NOT_IN_XML = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
#: Characters that a cell of Excel holds; of a longer text it says that the file is damaged.
_IN_A_CELL = 32_767
_IN_FILES = ("parquet", "xlsx")
_ENDINGS = {**{f".{name}": name for name in _FORMATS}, ".md": "markdown"}
