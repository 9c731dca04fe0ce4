"""What the command line prints: results on standard output, everything else on standard error.

Text from the API is untrusted: control characters, which could steer a terminal, are shown as escapes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from braket_etl import display
from braket_etl.display import as_json as as_json
from braket_etl.display import plain

#: A pipe has no width to fit into; a name broken over two lines helps nobody there.
_PIPE_WIDTH = 10_000
#: Characters to which a column of texts may be folded before a table is no table any more.
_FOLDED = 12

err = Console(stderr=True, highlight=False)
out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def is_quiet() -> bool:
    """Whether only results and errors are wanted."""
    return bool(os.environ.get("BRAKET_ETL_QUIET"))


def say(message: str, style: str = "") -> None:
    """A line for the user, not part of the result."""
    if not is_quiet():
        err.print(Text(printable(message), style=style), soft_wrap=True)


def warn(message: str) -> None:
    """A line that wants a look."""
    err.print(Text(f"warning: {printable(message)}", style="yellow"), soft_wrap=True)


def fail(message: str) -> None:
    """A line that says what went wrong and what to do."""
    err.print(Text(f"error: {printable(message)}", style="bold red"), soft_wrap=True)


def printable(text: object) -> str:
    """The text with every control character but the line feed as an escape, so that none reaches a terminal."""
    return display.printable(str(text), but="\n")


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    note: str = "",
    *,
    as_in_report: bool = False,
) -> None:
    """A table on standard output; numbers are set to the right and rounded to what a person reads.

    Money and lengths of time stand in the form that the report gives them; with `as_in_report` so does all else, and the
    names of columns are words. Where it is too wide for the terminal, each row is shown over several lines instead.
    """
    body = [
        [
            (as_in_report and display.formed(name, value)) or _shown(name, value)
            for name, value in zip(columns, row, strict=True)
        ]
        for row in rows
    ]
    raw = list(zip(*body, strict=True)) if body else [() for _ in columns]
    numeric = [
        bool(values) and (display.is_amount(name) or all(_is_number(value) for value in values if value))
        for name, values in zip(columns, raw, strict=True)
    ]
    columns = [display.heading(name) for name in columns] if as_in_report else columns
    if body and _least_width(columns, raw, numeric) > out.width:
        if title:
            out.print(Text(title))
        _show_records(columns, body)
        if note:
            out.print(Text(note))
        return
    table = Table(title=title or None, title_justify="left", caption=note or None, caption_justify="left")
    for name, is_number in zip(columns, numeric, strict=True):
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(printable(name), justify=justify, overflow="fold", no_wrap=is_number)
    for row in body:
        table.add_row(*(Text(value) for value in row))
    out.print(table)


def _least_width(columns: Sequence[str], values: Sequence[Sequence[str]], numeric: Sequence[bool]) -> int:
    """How wide a table is at least: numbers are never broken, texts and names not below a few characters."""
    widths = [
        max(
            [
                min(len(name), _FOLDED),
                *(len(each) if is_number else min(len(each), _FOLDED) for each in cells),
            ]
        )
        for name, cells, is_number in zip(columns, values, numeric, strict=True)
    ]
    return sum(widths) + 3 * len(widths) + 1


def _show_records(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(rows, 1):
        show_columns(
            [(name, value) for name, value in zip(columns, row, strict=True) if value], f"row {number}"
        )


def show_columns(
    rows: Iterable[Sequence[str | Text]], title: str | None = None, *, numbers: Collection[int] = ()
) -> None:
    """Rows without lines around them on standard output, folded to its width; `numbers` are set to the right.

    A title, also an empty one, stands apart from what comes before.
    """
    body = [[each if isinstance(each, Text) else Text(printable(each)) for each in row] for row in rows]
    grid = Table.grid(padding=(0, 2))
    for place in range(max(map(len, body), default=0)):
        grid.add_column(overflow="fold", justify="right" if place in numbers else "left")
    for row in body:
        grid.add_row(*row)
    if title is not None:
        out.print()
    if title:
        out.print(Text(title, style="bold"))
    out.print(grid)


def cell(value: Any) -> str:
    """A value as one line of a table."""
    if value is None:
        return ""
    return printable(plain(value)).replace("\n", "\\n")


def _shown(column: str, value: Any) -> str:
    """A value in a table for people: amounts as in the report, small prices to six digits, no idle zeros."""
    if (amount := display.amount(column, value)) is not None:
        return amount
    if not isinstance(value, Decimal) or not value.is_finite():
        return cell(value)
    places = max(4, 5 - value.adjusted())
    digits = f"{value:.{places}f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def duration(seconds: float | None) -> str:
    """Seconds in the unit that a person would choose; nothing for None."""
    if seconds is None:
        return ""
    if seconds == float("inf"):
        return "unknown"
    return display.duration(seconds)


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "").replace("$", "").removesuffix("%"))
    except ValueError:
        return False
    return True
