"""What the command line prints: results on standard output, everything else on standard error.

Text from the API is untrusted: control characters, which could steer a terminal, are shown as escapes.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from braket_etl import display
from braket_etl.display import as_json as as_json
from braket_etl.display import plain
from braket_etl.settings import SettingsError

#: A pipe has no width to fit into; a name broken over two lines helps nobody there.
_PIPE_WIDTH = 10_000
#: Characters to which a column of texts may be folded before a table is no table any more.
_FOLDED = 12
#: So few rows are shown over several lines where they are too wide, rather than not whole; and the most that ever are.
_FEW, _RECORDS = 3, 10

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


def check_output(output: Path | None) -> None:
    """Raise SettingsError where no file can be written there."""
    if output is None:
        return
    if not output.absolute().parent.is_dir():
        raise SettingsError(f"--output {output}: there is no folder {output.absolute().parent}")
    if output.is_dir():
        raise SettingsError(f"--output {output} is a folder; name a file in it")


def by_ending(output: Path, endings: Mapping[str, str]) -> str:
    """The format that a file's name ends with; raises SettingsError for one that is none."""
    style = endings.get(output.suffix.lower())
    if style is None:
        *others, last = endings
        raise SettingsError(
            f"--output {output}: its ending says no format: choose {', '.join(others)} or {last}, or --format"
        )
    return style


@contextmanager
def drafted(output: Path, mode: int = 0o666) -> Iterator[Path]:
    """A file beside it to write to, which takes its place when all is written, and else is gone.

    A file that is there keeps its mode; a new one has `mode`, less the umask. A link, such as /dev/stdout, and what is
    no file are written to as they stand. Raises SettingsError where it cannot be written.
    """
    is_plain = not output.is_symlink() and (output.is_file() or not output.exists())
    draft = output.with_name(f".{os.getpid()}.{output.name}") if is_plain else output
    try:
        if is_plain:
            draft.touch(mode)
            if output.exists():
                shutil.copymode(output, draft)
            mode = draft.stat().st_mode
        yield draft
        if is_plain:
            draft.chmod(mode)  # DuckDB writes a file of its own in its place
            draft.replace(output)
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}") from None
    finally:
        if is_plain:
            draft.unlink(missing_ok=True)


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
    first: Sequence[str] = (),
    is_whole: bool = False,
    rest: str = "a wider terminal shows them",
) -> None:
    """A table on standard output; numbers are set to the right and rounded to what a person reads.

    Money and lengths of time stand in the form that the report gives them; with `as_in_report` so does all else, and the
    names of columns are words. Where it is too wide for the terminal, columns are left out, at first those that are not
    among `first`, and named on standard error with what shows the `rest`. A few rows, or the first ten where it has to be
    `is_whole`, are shown over several lines instead.
    """
    body = [
        [
            (as_in_report and display.formed(name, value)) or _shown(name, value)
            for name, value in zip(columns, row, strict=True)
        ]
        for row in rows
    ]
    shown = [
        _column(name, values, as_in_report)
        for name, values in zip(columns, _turned(body, columns), strict=True)
    ]
    if title:
        out.print(Text(title))
    fitting = _fitting(shown, first, out.width)
    if len(fitting) == len(shown) or (len(body) > _FEW and not is_whole):
        _print_table(fitting, len(body))
        if left := [each.heading for each in shown if each not in fitting]:
            say(f"left out for want of room: {', '.join(left)}; {rest}")
    else:
        names = [each.heading for each in shown]
        _show_records(names, body[:_RECORDS])
        if len(body) > _RECORDS:
            say(f"the first {_RECORDS} rows; {rest}")
    if note:
        out.print(Text(note))


@dataclass(frozen=True, eq=False)
class _Column:
    """A column as it is printed; numbers are never broken over lines, texts and headings not below a few characters."""

    name: str
    heading: str
    values: Sequence[str]
    is_number: bool

    @property
    def widest(self) -> int:
        return max([len(self.heading), *map(len, self.values)])

    @property
    def least(self) -> int:
        words = [min(len(word), _FOLDED) for word in self.heading.split()]
        values = (len(each) if self.is_number else min(len(each), _FOLDED) for each in self.values)
        return max([1, *words, *values])

    @property
    def tells_what_is_not_known(self) -> bool:
        return self.name == "n_unknown" and any(each.strip("0") for each in self.values)


def _turned(body: Sequence[Sequence[str]], columns: Sequence[str]) -> list[Sequence[str]]:
    return list(zip(*body, strict=True)) if body else [() for _ in columns]


def _column(name: str, values: Sequence[str], as_in_report: bool) -> _Column:
    is_number = bool(values) and (
        display.is_amount(name) or all(_is_number(value) for value in values if value)
    )
    return _Column(name, printable(display.heading(name) if as_in_report else name), values, is_number)


def _fitting(columns: Sequence[_Column], first: Sequence[str], room: int) -> list[_Column]:
    """All columns where they fit; else as many as do, but for those that are not among `first` where any is named.

    What tells that something is not known is never left out, and so is not what comes first.
    """
    if _least_width(columns) <= room:
        return list(columns)
    named = {each.name: each for each in columns}
    order = [named[name] for name in first if name in named] or list(columns)
    order += [each for each in columns if each.tells_what_is_not_known and each not in order]
    kept: list[_Column] = []
    for each in sorted(order, key=lambda one: (one is not order[0], not one.tells_what_is_not_known)):
        if not kept or _least_width([*kept, each]) <= room:
            kept.append(each)
    return [each for each in order if each in kept]


def _least_width(columns: Sequence[_Column]) -> int:
    return sum(each.least for each in columns) + _lines_between(columns)


def _lines_between(columns: Sequence[_Column]) -> int:
    return 3 * len(columns) + 1


def _print_table(columns: Sequence[_Column], n_rows: int) -> None:
    table = Table()
    for each, width in zip(columns, _widths(columns, out.width), strict=True):
        justify: Literal["left", "right"] = "right" if each.is_number else "left"
        table.add_column(each.heading, justify=justify, overflow="fold", width=width)
    for place in range(n_rows):
        table.add_row(*(Text(each.values[place]) for each in columns))
    out.print(table)


def _widths(columns: Sequence[_Column], room: int) -> list[int]:
    """The least width of each column, and what is left of the room for those that want more, the narrowest first."""
    widths = [each.least for each in columns]
    wanted = [each.widest for each in columns]
    for _ in range(room - _least_width(columns)):
        want = [place for place, width in enumerate(widths) if width < wanted[place]]
        if not want:
            break
        widths[min(want, key=lambda place: widths[place])] += 1
    return widths


def _show_records(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(rows, 1):
        show_columns(
            [(name, value) for name, value in zip(columns, row, strict=True) if value],
            f"row {number}" if len(rows) > 1 else None,
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
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC) if value.tzinfo else value:%Y-%m-%d %H:%M:%S}"
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
