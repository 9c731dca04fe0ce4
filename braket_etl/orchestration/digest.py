"""What people are told once a week where they ask for it: spending, budgets, waits, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from braket_etl.display import duration
from braket_etl.notify import Message
from braket_etl.report.statement import Period, statement
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.coverage import missing
from braket_etl.warehouse.queries import Value, answer, named_query

#: Projects and devices that are named; the others are in the sum.
_NAMED = 6
_KEY = "project"


def week_before(day: date) -> Period:
    """The last whole week, Monday to Sunday, before the week of a UTC day."""
    monday = day - timedelta(days=day.weekday())
    return Period(monday - timedelta(days=7), monday - timedelta(days=1))


def digest(connection: Connection, week: Period) -> Message:
    """The message about a week."""
    made = statement(connection, _KEY, week)
    before = sum(made.before.values(), Decimal(0))
    lines = (
        f"{week.first} to {week.last} UTC: {made.total_usd:,.2f} USD, {before:,.2f} USD the week before.",
        *_projects(made.owners.records(), made.before),
        *_devices(connection, week),
        *_budgets(connection),
        *_waits(connection, week),
        *_lacks(connection),
        "Estimates at list price less agreed discounts, no bill. All of it: "
        f"braket-etl statement --by {_KEY} --from {week.first} --to {week.last}",
    )
    return Message(f"Braket, the week from {week.first}: {made.total_usd:,.2f} USD", lines)


def _projects(owners: list[dict[str, Any]], before: Mapping[str, Decimal]) -> Iterator[str]:
    lines = [
        f"{each['owner']}: {each['amount_usd']:,.2f} USD ({before.get(each['owner'], Decimal(0)):,.2f})"
        for each in owners
    ]
    yield from _listed("By project (and the week before):", lines)


def _devices(connection: Connection, week: Period) -> Iterator[str]:
    found = _asked(connection, "cost_by_device", first=week.first, last=week.last)
    lines = [f"{each['device']}: {each['cost_usd']:,.2f} USD" for each in found if each["cost_usd"]]
    yield from _listed("By device:", lines)


def _budgets(connection: Connection) -> Iterator[str]:
    yield from _listed(
        "Budgets:",
        [
            f"{each['budget']}: {each['used_share']:.0%} of {each['amount_usd']:,.2f} USD used by {each['as_of']}, "
            f"{each['forecast_share']:.0%} by {each['period_to']} at this rate"
            for each in _asked(connection, "budgets")
            if each["period_from"] <= each["as_of"] <= each["period_to"]
        ],
    )


def _waits(connection: Connection, week: Period) -> Iterator[str]:
    """The median waits of that week, where they can be told."""
    yield from _listed(
        "Half of the tasks waited no longer than:",
        [
            f"{each['device']}: {duration(60 * each['wait_minutes'])} ({each['n']} tasks)"
            for each in _asked(connection, "queue_wait_by_week")
            if each["week_start"] == week.first and each["wait_minutes"] is not None
        ],
    )


def _lacks(connection: Connection) -> Iterator[str]:
    """What is missing, and what of the costs is not known."""
    unknown = sum(
        each["records"] for each in _asked(connection, "cost_not_known") if each["cost_status"] != "pending"
    )
    lines = [
        *missing(connection).lines,
        *([f"{unknown:,} costs are not known: @cost_not_known"] if unknown else []),
    ]
    yield from _listed("Missing:", lines) if lines else ["Nothing is missing."]


def _asked(connection: Connection, question: str, **values: Value) -> list[dict[str, Any]]:
    return answer(connection, named_query(question), values).records()


def _listed(head: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield head
        yield from (f"- {line}" for line in lines[:_NAMED])
        if len(lines) > _NAMED:
            yield f"- and {len(lines) - _NAMED} more"
