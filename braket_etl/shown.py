"""What people see alike on a terminal and on a page: a length of time, text without anything hidden in
it, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_SECRETS = (
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{8,}\b"), "<access key>"),
    (re.compile(r"//[^/@\s]+@"), "//<credentials>@"),
    (re.compile(r"(?i)(signature|security-token|credential)=[^\s&,]+"), r"\1=<hidden>"),
)
_LONGEST_MESSAGE = 500


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


def safe_text(value: object) -> str:
    """One short printable line of a text that came from elsewhere, with credentials struck out."""
    text = " ".join(str(value).split())
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def did_you_mean(name: str, known: Iterable[str], *, before: str = "") -> str:
    """`did you mean …?` with up to three names that are spelled alike; empty where there is none."""
    lower = {each.lower(): each for each in known}
    alike = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(before + lower[each] for each in alike)}?" if alike else ""
