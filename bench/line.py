"""One line of the table that `make bench` prints: our figure, what it is held against, the goal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A measured figure. Goals bound the ratio of our figure to the other one, or our figure where there is no other.

    `unit` is of both figures: 's', 'rows/s', 'MB', 'bytes'. `against` says whose or what the other figure is.
    """

    what: str
    ours: float
    unit: str = "s"
    against: str = ""
    theirs: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Our figure over the other one; None where there is no other."""
        return None if not self.theirs else self.ours / self.theirs

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        bounded = self.ours if self.theirs is None else self.ratio
        if bounded is None or (self.at_most is None and self.at_least is None):
            return None
        return (self.at_most is None or bounded <= self.at_most) and (
            self.at_least is None or bounded >= self.at_least
        )

    @property
    def goal(self) -> str:
        """The goal in words: '≤ 1.5 times' the other figure, '≤ 2 s' of our own."""
        sign, bound = ("≤", self.at_most) if self.at_most is not None else ("≥", self.at_least)
        if bound is None:
            return ""
        return f"{sign} {bound:g} {'times' if self.theirs is not None else self.unit}"

    def cells(self) -> list[str]:
        """What, ours, other, whose it is, ratio, goal, whether it is met, as text."""
        return [
            self.what,
            f"{figure(self.ours)} {self.unit}",
            "" if self.theirs is None else f"{figure(self.theirs)} {self.unit}",
            self.against,
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self.goal,
            {True: "yes", False: "NO", None: ""}[self.met],
        ]


def figure(value: float) -> str:
    """A number with three digits that count, and commas."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table_row(cells: Iterable[str]) -> str:
    """The cells as a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
