"""What people see alike on a terminal and on a page: a length of time, money, text without anything hidden in
it, and what was probably meant."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

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


def money(dollars: Decimal | float) -> str:
    """Dollars with two decimals, and what is less than a cent as such."""
    if dollars and abs(float(dollars)) < 0.005:
        return "< 0.01" if dollars > 0 else "> -0.01"
    return f"{dollars:,.2f}"


def is_amount(column: str) -> bool:
    """Whether the name of a column says that it holds money or lengths of time. A price is none: each digit counts."""
    is_price = column.endswith("price_usd") or column in ("before_usd", "after_usd")
    return column.endswith(("_usd", "_seconds")) and not is_price


def amount(column: str, value: Any) -> str | None:
    """A value of a column `…_usd` as money, of one `…_seconds` as a length of time; None for any other."""
    if not is_amount(column) or isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return money(value) if column.endswith("_usd") else duration(float(value))


def is_share(column: str) -> bool:
    """Whether the name of a column says that it holds shares of a whole."""
    return column == "share" or column.endswith("_share")


def heading(column: str) -> str:
    """The name of a column in words, with its unit."""
    for ending, unit in (("_usd", ", $"), ("_seconds", ""), ("_at", ", UTC"), ("_share", "")):
        if column.endswith(ending):
            return column.removesuffix(ending).replace("_", " ") + unit
    return column.removeprefix("n_").removesuffix("_arn").replace("_", " ")


def formed(column: str, value: Any) -> str | None:
    """A value in the form that a person reads, by the name of its column; None where that says nothing of the form.

    Money and lengths of time as `amount`, shares in per cent, instants to the minute of UTC, yes and no.
    """
    if (told := amount(column, value)) is not None:
        return told
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_share(column) and isinstance(value, int | float | Decimal):
        return f"{value:.1%}"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    return None


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


def plain(value: Any) -> Any:
    """A value of a CSV file: decimals as their digits (zero dollars are 0.000000000000 and not 0E-12), yes and no as SQL
    writes them, instants as `instant`; maps, lists and structures as JSON."""
    if isinstance(value, Mapping | list | tuple):
        return as_json(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return instant(value)
    return f"{value:f}" if isinstance(value, Decimal) else value


def instant(value: datetime) -> str:
    """An instant as ISO 8601 in UTC, with no more digits than it has: 2026-11-20T12:00:00Z; one without a zone as it is."""
    aware = value.tzinfo is not None
    text = (value.astimezone(UTC) if aware else value).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + ("Z" if aware else "")


def as_json(value: Any, *, indent: int | None = None) -> str:
    """The value as JSON: decimals as texts with all their digits, instants as ISO 8601, no infinity."""
    return json.dumps(_jsonable(value), indent=indent, default=_json_text)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return instant(value)
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
