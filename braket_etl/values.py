"""Reading instants and numbers that others wrote: in Braket's answers, bills, price lists and files of users.

Whoever reads adds what else must hold there: that it is text, a limit, a sign, and where it stands.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from email.utils import parsedate_to_datetime
from functools import lru_cache


def instant(value: object) -> datetime:
    """The aware UTC instant of an ISO-8601 text or of a number: seconds since 1970.

    A text has a day, and may have a time and a zone; without a zone it is UTC, the only one that AWS writes. What is finer
    than a microsecond is cut off. Blanks around it, numbers as text and booleans are none. Raises ValueError.
    """
    try:
        if isinstance(value, str):
            return in_utc(datetime.fromisoformat(value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError(f"no instant: {value!r:.60}")


def in_utc(moment: datetime) -> datetime:
    """The same instant in UTC; a time without a zone is one of UTC. Raises ValueError where UTC's year is no year."""
    if moment.tzinfo is UTC:  # how AWS writes it
        return moment
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"no instant in UTC: {moment}") from None


@lru_cache(maxsize=256)
def http_date(value: str) -> datetime | None:
    """The aware UTC instant of HTTP's Date header, which is no ISO 8601 (`Fri, 20 Nov 2026 12:00:00 GMT`); or None."""
    try:
        return in_utc(parsedate_to_datetime(value))
    except (ValueError, OverflowError):
        return None


def decimal(value: object) -> Decimal:
    """The number that a text, an int or a float is, exactly as written: a float is not the binary fraction behind it.

    Blanks around a text are passed over. Finite, but of any size and any number of digits: whoever stores it asks first
    whether it fits. Booleans, NaN and infinities are none. Raises ValueError.
    """
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = Decimal(str(value).strip())
        except (InvalidOperation, ValueError):
            raise ValueError(f"no number: {value!r:.60}") from None
        if number.is_finite():
            return number
    raise ValueError(f"no number: {value!r:.60}")


def rounded(number: Decimal, decimals: int = 12) -> Decimal:
    """The number to so many decimals, half to even; exact for whatever a DECIMAL(38, ...) can hold.

    Python's own context has 28 digits, and refuses a larger result.
    """
    with localcontext(prec=90, rounding=ROUND_HALF_EVEN):
        return number.quantize(Decimal(1).scaleb(-decimals))
