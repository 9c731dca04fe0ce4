"""`sql`: one statement on the published copy, read-only, in the format that the reader wants."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from braket_etl.cli.output import cell, err, fail, is_terminal, plain, say, show_table
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError

_TERMINAL_ROWS = 200


def run_sql(query: str | None, file: Path | None, style: str | None, output: Path | None) -> int:
    """Run the statement and print its rows; 1 where it fails."""
    statement = _statement(query, file)
    style = style or ("table" if is_terminal() and output is None else "csv")
    with Runtime().warehouse.reading() as connection:
        try:
            relation: Any = connection.sql(
                statement
            )  # None for a statement without rows, whatever its stub says
            if relation is not None:
                _FORMATS[style](relation, output)
        except duckdb.Error as error:
            fail(str(error).strip())
            return 1
    return 0


def _statement(query: str | None, file: Path | None) -> str:
    if (query is None) == (file is None):
        raise SettingsError("give one statement, as an argument or with --file")
    if file is not None:
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file} cannot be read as text: {error}") from None
    return sys.stdin.read() if query == "-" else str(query)


def _as_table(relation: Any, output: Path | None) -> None:
    limit = _TERMINAL_ROWS if is_terminal() and output is None else None
    rows = (relation.limit(limit + 1) if limit else relation).fetchall()
    cut = limit is not None and len(rows) > limit
    show_table("", relation.columns, rows[:limit])
    if cut:
        say(f"the first {limit} rows; `--format csv` or a pipe gives all")


def _as_csv(relation: Any, output: Path | None) -> None:
    with _stream(output) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(relation.columns)
        while rows := relation.fetchmany(10_000):
            writer.writerows([plain(value) for value in row] for row in rows)


def _as_json(relation: Any, output: Path | None) -> None:
    with _stream(output) as stream:
        separator = "["
        while rows := relation.fetchmany(10_000):
            for row in rows:
                stream.write(
                    separator
                    + "\n"
                    + json.dumps(
                        {n: jsonable(v) for n, v in zip(relation.columns, row, strict=True)}, default=str
                    )
                )
                separator = ","
        stream.write("[]\n" if separator == "[" else "\n]\n")


def _as_markdown(relation: Any, output: Path | None) -> None:
    with _stream(output) as stream:
        stream.write("| " + " | ".join(map(_markdown_cell, relation.columns)) + " |\n")
        stream.write("|" + " --- |" * len(relation.columns) + "\n")
        for row in relation.fetchall():
            stream.write("| " + " | ".join(map(_markdown_cell, row)) + " |\n")


def _as_parquet(relation: Any, output: Path | None) -> None:
    if output is None:
        raise SettingsError("Parquet goes to a file: add --output FILE")
    relation.write_parquet(str(output), compression="zstd")


def jsonable(value: Any) -> Any:
    """A value that JSON has: a decimal as text with all its digits, no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return plain(value)


def _markdown_cell(value: Any) -> str:
    return cell(value).replace("|", "\\|")


class _stream:  # noqa: N801 - used as a function
    """The file to write to, or standard output, which is not closed."""

    def __init__(self, output: Path | None) -> None:
        try:
            self._file = output.open("w", encoding="utf-8", newline="") if output else None
        except OSError as error:
            raise SettingsError(f"{output} cannot be written: {error.strerror}") from None

    def __enter__(self) -> Any:
        return self._file or sys.stdout

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
            err.print(f"wrote {self._file.name}", markup=False)


_FORMATS: dict[str, Callable[[Any, Path | None], None]] = {
    "table": _as_table,
    "csv": _as_csv,
    "json": _as_json,
    "markdown": _as_markdown,
    "parquet": _as_parquet,
}
