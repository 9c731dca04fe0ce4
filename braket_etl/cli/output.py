"""What the command line prints: results on standard output, everything else on standard error.

Text from the API is untrusted: control characters, which could steer a terminal, are shown as escapes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: A pipe has no width to fit into; a name broken over two lines helps nobody there.
_PIPE_WIDTH = 10_000

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
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in str(text)
    )


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], note: str = "") -> None:
    """A table on standard output; numbers are set to the right."""
    table = Table(title=title or None, title_justify="left", caption=note or None, caption_justify="left")
    body = [[cell(value) for value in row] for row in rows]
    raw = list(zip(*body, strict=True)) if body else [() for _ in columns]
    for name, values in zip(columns, raw, strict=True):
        numeric = bool(values) and all(_is_number(value) for value in values if value)
        table.add_column(printable(name), justify="right" if numeric else "left", overflow="fold")
    for row in body:
        table.add_row(*(Text(value) for value in row))
    out.print(table)


def cell(value: Any) -> str:
    """A value as one line of a table."""
    if value is None:
        return ""
    return printable(plain(value)).replace("\n", "\\n")


def plain(value: Any) -> Any:
    """A decimal as its digits: zero dollars are 0.000000000000, not 0E-12."""
    return f"{value:f}" if isinstance(value, Decimal) else value


def duration(seconds: float | None) -> str:
    """Seconds in the unit that a person would choose; nothing for None."""
    if seconds is None:
        return ""
    if seconds == float("inf"):
        return "unknown"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} s"


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "").replace("$", ""))
    except ValueError:
        return False
    return True
