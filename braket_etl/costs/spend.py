"""What was spent in a UTC day or month.

An open task counts, with what it will cost, on the day of its creation, and what runs with what it has cost so far on the
days on which it was seen running, as in daily_costs.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from braket_etl.warehouse.connection import Connection

_SPENT = """
SELECT coalesce(sum(net_usd), 0), coalesce(sum(committed_usd), 0), coalesce(sum(accrued_usd), 0),
    count(DISTINCT record_arn) FILTER (cost_status IN ('no_price', 'no_duration'))
FROM charges
WHERE charge_date BETWEEN $first AND $last
    AND ($account IS NULL OR account_id = $account) AND ($key IS NULL OR tags[$key] = $value)
"""


@dataclass(frozen=True, slots=True)
class Period:
    """A UTC day or month: its name (2026-11-20, 2026-11) and its first and last day."""

    name: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Spend:
    """What a period holds, in US dollars, by what is stored."""

    net_usd: Decimal
    """What ended, at list price less agreed discounts."""
    committed_usd: Decimal
    """What open tasks and coming reservations will cost."""
    accrued_usd: Decimal
    """What runs has cost so far, as far as it was seen running."""
    unknown: int
    """Records that ended and whose cost is not known."""

    @property
    def usd(self) -> Decimal:
        """Spent, committed and accrued together."""
        return self.net_usd + self.committed_usd + self.accrued_usd


def spend(connection: Connection, period: Period, *, account: str | None, tag: str | None) -> Spend:
    """The spend of a period, in one account (its id) or all, of what bears a tag (key=value) or of everything."""
    key, _, value = (tag or "").partition("=")
    net, committed, accrued, unknown = connection.execute(
        _SPENT,
        {"first": period.first, "last": period.last, "account": account, "key": key or None, "value": value},
    ).fetchall()[0]
    return Spend(net, committed, accrued, unknown)


def period_of(length: Literal["day", "month"], day: date) -> Period:
    """The day or month that a day belongs to."""
    if length == "day":
        return Period(day.isoformat(), day, day)
    return Period(f"{day:%Y-%m}", day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))
