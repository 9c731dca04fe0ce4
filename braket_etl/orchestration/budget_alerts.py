"""Budgets whose thresholds are reached, by what was spent or by what will have been."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from braket_etl.notify import Message
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.queries import answer, named_query


@dataclass(frozen=True, slots=True)
class Reached:
    """A budget as @budgets shows it, and what of it is to be told."""

    budget: dict[str, Any]
    thresholds: Sequence[float]

    def keys(self) -> Iterator[tuple[str, str, float]]:
        """What is told once, the kind and the threshold of each: for the budget's amount and days as they are now."""
        told = f"{self.budget['budget']} {self.budget['period_from']} {self.budget['period_to']} {self.budget['amount_usd']}"
        for threshold in self.thresholds:
            for kind in ("used", "forecast"):
                yield f"{told} {kind} {threshold:g}", kind, threshold

    @property
    def now(self) -> dict[str, float]:
        """What is reached by now, the key with its threshold; a forecast counts while days are left."""
        shares = {"used": self.budget["used_share"], "forecast": self.budget["forecast_share"]}
        if not self.budget["days_left"]:
            del shares["forecast"]
        return {key: threshold for key, kind, threshold in self.keys() if shares.get(kind, 0) >= threshold}

    def message(self, connection: Connection) -> Message:
        """What people are told of it, with what drove it."""
        found = self.budget
        drove = answer(connection, named_query("budget_drivers"), {"budget": found["budget"]}).records()
        lines = [
            f"{found['budget']} ({found['scope']}), {found['period_from']} to {found['period_to']} UTC: "
            f"{found['spent_usd']:,.2f} USD spent and {found['accrued_usd']:,.2f} USD by what runs, of "
            f"{found['amount_usd']:,.2f} USD; {found['committed_usd']:,.2f} USD more is committed.",
            f"At the rate of the last four weeks it will be {found['forecast_usd']:,.2f} USD at the end "
            f"({found['forecast_low_usd']:,.2f} to {found['forecast_high_usd']:,.2f}).",
            *(f"- {each['device']}, {each['job']}: {each['spent_usd']:,.2f} USD" for each in drove),
            "An estimate, no bill. All of it: braket-etl sql @budgets, braket-etl sql @budget_drivers",
        ]
        return Message(
            f"Braket budget: {found['budget']} is used to {found['used_share']:.0%}, "
            f"{found['forecast_share']:.0%} by forecast",
            tuple(lines),
        )


def budgets(connection: Connection) -> list[Reached]:
    """Each budget with the thresholds of its owner."""
    thresholds = dict(connection.execute("SELECT budget, thresholds FROM budgets").fetchall())
    if not thresholds:
        return []
    return [
        Reached(found, thresholds[found["budget"]])
        for found in answer(connection, named_query("budgets")).records()
    ]
