"""Sizes and times as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime


def megabytes(size: float) -> str:
    """A number of bytes in MB or GB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago an aware instant was, in its largest unit."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:,.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"
