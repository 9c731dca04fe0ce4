"""`statement`: what each owner spent in a month or some days, from the published copy."""

from __future__ import annotations

import csv
import re
import sys
from calendar import monthrange
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
from pyarrow import parquet

from braket_etl.cli.output import by_ending, cell, check_output, drafted, is_terminal, plain, say, warn
from braket_etl.costs.owner_files import not_taken_over
from braket_etl.report.statement import Period, Statement, close_statement, nobodys, page, statement
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.tables.declaration import MONEY
from braket_etl.warehouse.closed_statements import closed
from braket_etl.warehouse.door import held_back, refusal
from braket_etl.warehouse.export import FORMULA
from braket_etl.warehouse.publish import publish

_ENDINGS = {".html": "html", ".htm": "html", ".csv": "csv", ".parquet": "parquet"}


def run_statement(
    key: str,
    month: str | None,
    first: date | None,
    last: date | None,
    style: str | None,
    output: Path | None,
    *,
    is_to_close: bool = False,
) -> int:
    """Write the statement to a file, or its lines to the screen; close it before, where that is asked for."""
    period = _period(month, first, last)
    style = style or ("csv" if output is None else by_ending(output, _ENDINGS))
    if output is None and style != "csv":
        raise SettingsError(f"{style} goes to a file: add --output FILE")
    check_output(output)
    runtime = Runtime()
    if is_to_close:
        _close(runtime, key, period)
    with runtime.warehouse.reading() as connection:
        made = statement(connection, key, period)
        settings = runtime.settings
        remarks = [*made.lacks, *not_taken_over(connection, settings.allocations_file, settings.budgets_file)]
        if made.total_usd and made.unallocated_usd == made.total_usd:
            remarks.append(nobodys(connection, key))
    if output is None:
        _write_csv(made, sys.stdout, cell if is_terminal() else plain)
    else:
        with drafted(output, 0o600 if style == "html" else 0o666) as file:
            _write(made, style, file)
    if held := held_back(runtime.warehouse):
        remarks.append(f"the statement is not of all that is stored. {refusal(runtime.warehouse, held)}")
    for remark in remarks:
        warn(remark)
    where = f"wrote {output}: " if output else ""
    closed = f", as closed on {made.closed_at:%Y-%m-%d %H:%M} UTC" if made.closed_at else ""
    say(
        f"{where}{period.first} to {period.last} by {key}: {made.total_usd:,.2f} USD, of which "
        f"{made.unallocated_usd:,.2f} USD have no owner{closed}"
    )
    if made.corrections.rows:
        say(
            f"earlier closed statements are corrected by {made.corrected_usd:,.2f} USD: the page lists it, and so does "
            f"`braket-etl sql @statement_corrections --param key={key} --param before={period.first}`"
        )
    return 0


def _close(runtime: Runtime, key: str, period: Period) -> None:
    """Keep the statement as it is by now, and show that to readers; raises StatementError where it cannot be."""
    with runtime.warehouse.writing("closing a statement") as connection:
        was_closed = closed(connection, key, period.first, period.last) is not None
        made = close_statement(connection, key, period)
        publish(runtime.warehouse, connection, group=runtime.settings.group)
    for lack in made.lacks:
        warn(lack)
    if was_closed:
        warn(f"it was closed on {made.closed_at:%Y-%m-%d %H:%M} UTC and stays as it was")


def _period(month: str | None, first: date | None, last: date | None) -> Period:
    if (month is None) == (first is None and last is None):
        raise SettingsError("give --month YYYY-MM, or --from DAY and --to DAY")
    if month is not None:
        try:
            begin = date.fromisoformat(f"{month}-01")
        except ValueError:
            raise SettingsError(f"--month: {month!r:.20} is no month; write it as 2026-10") from None
        return Period(begin, begin.replace(day=monthrange(begin.year, begin.month)[1]))
    if first is None or last is None:
        raise SettingsError("give both --from DAY and --to DAY")
    if last < first:
        raise SettingsError(f"--to {last} lies before --from {first}")
    return Period(first, last)


def _write(made: Statement, style: str, output: Path) -> None:
    if style == "html":
        output.write_text(page(made), "utf-8")
    elif style == "csv":
        with output.open("w", encoding="utf-8", newline="") as file:
            _write_csv(made, file, plain)
    else:
        parquet.write_table(_as_arrow(made), output, compression="zstd")


def _write_csv(made: Statement, stream: TextIO, text: Callable[[Any], str]) -> None:
    """The lines; a text that a spreadsheet would run gets an apostrophe, as in `export csv`."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(made.lines.columns)
    for row in made.lines.rows:
        writer.writerow(
            "'" + text(value) if isinstance(value, str) and re.match(FORMULA, value) else text(value)
            for value in row
        )


def _as_arrow(made: Statement) -> pa.Table:
    """The lines, with their types also where there are none."""
    columns = list(zip(*made.lines.rows, strict=True)) or [()] * len(made.lines.columns)
    types = [
        MONEY if name.endswith("_usd") else pa.int64() if name == "records" else pa.string()
        for name in made.lines.columns
    ]
    arrays = [pa.array(values, type=kind) for values, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, names=list(made.lines.columns))
