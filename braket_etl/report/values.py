"""Values as a reader wants them: the name of a column says what its values are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from braket_etl import display

#: The ARN of what Braket's console has a page of, and what that page is called.
_ARN = re.compile(
    r"arn:aws:braket:(?P<region>[a-z0-9-]*):\d*:(?P<kind>quantum-task|job|device)/[A-Za-z0-9_./-]+"
)
_CONSOLE = {"quantum-task": "tasks", "job": "jobs", "device": "devices"}
#: The Region whose console shows simulators, which are of no Region.
_HOME = "us-east-1"
#: Stands for NULL.
UNKNOWN = "—"
#: Longest text in a cell; the whole of it is in the title.
_LONGEST = 60
#: Text longer than this may be broken over lines.
_LONG = 32


@dataclass(frozen=True)
class Cell:
    """What is shown, the exact value where that says more, and what kind of value it is."""

    text: str
    exact: str
    kind: Literal["", "long", "number", "number money", "instant", "unknown", "number unknown"] = ""

    @property
    def is_cut(self) -> bool:
        """Whether what is shown is only a part of it."""
        return self.text.endswith("…") and self.text != self.exact

    @property
    def console(self) -> str:
        """Where AWS's console shows the task, job or device that it is the ARN of; empty for anything else."""
        if not (found := _ARN.fullmatch(self.exact)):
            return ""
        region = found["region"] or _HOME
        place = f"https://{region}.console.aws.amazon.com/braket/home?region={region}"
        return f"{place}#/{_CONSOLE[found['kind']]}/{self.exact}"

    @property
    def is_number(self) -> bool:
        """Whether it is set to the right."""
        return self.kind.startswith("number")

    @property
    def is_money(self) -> bool:
        """Whether it is in dollars."""
        return self.kind == "number money"


def cell(column: str, value: Any) -> Cell:
    """A value of a column: `…_usd` is money, `…_seconds` a duration, `…_share` a share, `…_at` an instant (UTC)."""
    exact = exact_text(value)
    if value is None:
        return Cell(UNKNOWN, exact, "number unknown" if is_number_column(column) else "unknown")
    if (form := display.formed(column, value)) is not None:
        if isinstance(value, bool):
            return Cell(form, exact)
        if isinstance(value, datetime):
            return Cell(form, exact, "instant")
        return Cell(form, exact, "number money" if column.endswith("_usd") else "number")
    if isinstance(value, date):
        return Cell(exact, exact, "instant")
    if isinstance(value, int | float | Decimal):
        return Cell(f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}", exact, "number")
    text = display.printable(str(value))
    short = short_arn(text) if column.endswith("arn") else shortened(text, _LONGEST)
    return Cell(short, exact, "long" if len(short) > _LONG else "")


def exact_text(value: Any) -> str:
    """The value with all its digits; NULL as SQL calls it."""
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(sep=" ")
    return f"{value:f}" if isinstance(value, Decimal) else display.printable(str(value))


def is_number_column(column: str) -> bool:
    """Whether the name of a column says that it holds numbers."""
    return column.endswith(("_usd", "_seconds")) or display.is_share(column) or column.startswith("n_")


def duration(seconds: float | None) -> str:
    """Seconds in the unit that a person would choose."""
    return UNKNOWN if seconds is None else display.duration(seconds)


def short_arn(arn: str) -> str:
    """What tells an ARN from others: the name at its end, of a long id its first block."""
    last = arn.rsplit("/", 1)[-1]
    return last.split("-", 1)[0] + "…" if len(last) == 36 and last.count("-") == 4 else shortened(last, 32)


def shortened(text: str, longest: int) -> str:
    """The text, cut where it is too long."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
