"""Which days are due: what `day_coverage` does not show as seen, joined to as few searches as possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from braket_etl.aws.search import Window
from braket_etl.warehouse.connection import Connection

DAY = timedelta(days=1)
#: How long before Braket forgets an incomplete day it is worth a warning.
NOTICE = timedelta(days=10)


def days_between(first: date, last: date) -> list[date]:
    """Every day from the first to the last, both in."""
    return [first + DAY * n for n in range((last - first).days + 1)]


def due_days(
    connection: Connection,
    account: str,
    region: str,
    table: str,
    wanted: Sequence[date],
    now: datetime,
    principal: str | None,
) -> list[date]:
    """The wanted days that are still to be seen, and of today and yesterday those that are wanted.

    What was searched under the same name with credentials of another account does not count.
    """
    seen = whole_days(connection, account, region, table, principal)
    always = {now.date(), now.date() - DAY}
    return [day for day in wanted if day in always or day not in seen]


def whole_days(
    connection: Connection, account: str, region: str, table: str, principal: str | None
) -> set[date]:
    """The days that were seen whole with these credentials, or are lost."""
    return {
        day
        for (day,) in connection.execute(
            "SELECT day FROM day_coverage WHERE account = ? AND region = ? AND table_name = ? "
            "AND principal IS NOT DISTINCT FROM ? AND NOT is_due",
            [account, region, table, principal],
        ).fetchall()
    }


def windows(days: Iterable[date]) -> list[Window]:
    """Contiguous days as one search window each, oldest first."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and day == found[-1][1] + DAY:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return [Window(midnight(first), midnight(last + DAY)) for first, last in found]


def slices(window: Window, records_per_day: float, target: int) -> list[Window]:
    """A long window as windows of whole days with about `target` records each, oldest first."""
    length = max(1, int(target / max(records_per_day, 0.001)))
    starts = days_between(window.start.date(), (window.end - DAY).date())[::length]
    edges = [midnight(day) for day in starts] + [window.end]
    return [Window(start, end) for start, end in pairwise(edges)]


def days_of(window: Window) -> list[date]:
    """The UTC days of a window that begins and ends at midnight."""
    return days_between(window.start.date(), (window.end - DAY).date())


def midnight(day: date) -> datetime:
    """The beginning of a UTC day."""
    return datetime.combine(day, time.min, UTC)
