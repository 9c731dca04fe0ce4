"""What was spent in a day or month, beside the amounts that someone wants to be told about.

Days and months are UTC. An open task counts, with what it will cost, on the day of its creation, as in daily_costs.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from braket_etl.settings import SpendAlert
from braket_etl.warehouse.connection import Connection

_SPENT = """
SELECT coalesce(sum(net_usd), 0), coalesce(sum(committed_usd), 0),
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
    """What an alert's period holds, in US dollars, by what is stored."""

    alert: SpendAlert
    period: Period
    net_usd: Decimal
    """What ended, at list price less agreed discounts."""
    committed_usd: Decimal
    """What open tasks and coming reservations will cost."""
    unknown: int
    """Records that ended and whose cost is not known."""

    @property
    def usd(self) -> Decimal:
        """Spent and committed together."""
        return self.net_usd + self.committed_usd

    @property
    def is_reached(self) -> bool:
        """Whether it is the alert's amount or more."""
        return self.usd >= self.alert.usd

    @property
    def key(self) -> str:
        """What is told once: the alert as it is now, and the period."""
        return f"{self.period.name} {self.alert.model_dump_json()}"


def spends(connection: Connection, alerts: Sequence[SpendAlert], today: date) -> Iterator[Spend]:
    """The spend of each alert, in the period of today and in that of yesterday, which is still being completed."""
    for alert in alerts:
        named = {
            period.name: period
            for period in (period_of(alert, today - timedelta(days=1)), period_of(alert, today))
        }
        for period in named.values():
            yield spend(connection, alert, period)


def spend(connection: Connection, alert: SpendAlert, period: Period) -> Spend:
    """The spend of one alert in one period."""
    key, _, value = (alert.tag or "").partition("=")
    net, committed, unknown = connection.execute(
        _SPENT,
        {
            "first": period.first,
            "last": period.last,
            "account": alert.account,
            "key": key or None,
            "value": value,
        },
    ).fetchall()[0]
    return Spend(alert, period, net, committed, unknown)


def period_of(alert: SpendAlert, day: date) -> Period:
    """The alert's day or month that a day belongs to."""
    if alert.period == "day":
        return Period(day.isoformat(), day, day)
    return Period(f"{day:%Y-%m}", day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))
