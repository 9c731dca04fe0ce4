"""What was spent, beside the amounts of the settings that someone wants to be told about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from braket_etl.costs.spend import Period, Spend, period_of, spend
from braket_etl.settings import SpendAlert
from braket_etl.warehouse.connection import Connection


@dataclass(frozen=True, slots=True)
class Watched:
    """An alert, one of its periods, and what that holds."""

    alert: SpendAlert
    period: Period
    spend: Spend

    @property
    def is_reached(self) -> bool:
        """Whether the spend is the alert's amount or more."""
        return self.spend.usd >= self.alert.usd

    @property
    def key(self) -> str:
        """What is told once: the alert as it is now, and the period."""
        return f"{self.period.name} {self.alert.model_dump_json()}"


def watched(connection: Connection, alerts: Sequence[SpendAlert], today: date) -> Iterator[Watched]:
    """Each alert in the period of today and in that of yesterday, which is still being completed."""
    for alert in alerts:
        named = {
            period.name: period
            for period in (
                period_of(alert.period, today - timedelta(days=1)),
                period_of(alert.period, today),
            )
        }
        for period in named.values():
            yield Watched(alert, period, spend(connection, period, account=alert.account, tag=alert.tag))
