"""What people see alike on a terminal and on a page: a length of time, and text without anything hidden in it."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds in the unit that a person would choose."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} s"


def printable(text: str, *, but: str = "") -> str:
    """The text with each character that cannot be seen as an escape, `but` those in there."""
    return "".join(
        c if c.isprintable() or c in but else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text
    )
