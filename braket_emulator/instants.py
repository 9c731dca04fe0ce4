"""Instants as the emulator computes with them: whole milliseconds since 1970-01-01 UTC.

Conversions only. Which instant it is belongs to `clock.py`; what happens at an instant to `records.py`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_MS = timedelta(milliseconds=1)


def milliseconds(instant: datetime) -> int:
    """Milliseconds since 1970 of an instant; one without a zone is taken as UTC."""
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _ONE_MS


def parsed(text: str) -> int:
    """Milliseconds since 1970 of an ISO-8601 text (UTC where it names no zone); ValueError if it is none."""
    return milliseconds(datetime.fromisoformat(text))


def iso(ms: int) -> str:
    """ISO-8601 in UTC with milliseconds and Z, as Braket writes its times."""
    seconds, rest = divmod(ms, SECOND)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


def http_date(ms: int) -> str:
    """The value of a `Date` header."""
    return formatdate(ms / SECOND, usegmt=True)
