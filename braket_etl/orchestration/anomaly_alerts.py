"""Days of unusual spending, of which people are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from braket_etl.notify import Message
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.queries import Value, answer, named_query

#: Days before today that are told of: what a later sync finds of older ones is history.
_DAYS = 3
_NAMED = 10


def unusual(connection: Connection, today: date) -> dict[str, Mapping[str, Any]]:
    """The rows of @spend_anomalies of the last UTC days, each under what it is told by, once."""
    values: dict[str, Value] = {"first": today - timedelta(days=_DAYS), "last": today, "rows": 1000}
    found = answer(connection, named_query("spend_anomalies"), values).records()
    return {f"{each['charge_date']} {each['what']}": each for each in found}


def anomaly_message(found: Iterable[Mapping[str, Any]]) -> Message:
    """What people are told of them."""
    rows: Sequence[Mapping[str, Any]] = list(found)
    most = max(rows, key=lambda each: each["spent_usd"])
    lines = (
        *(
            f"- {each['charge_date']}, {each['what']}: {each['spent_usd']:,.2f} USD, where such a day costs "
            f"{each['expected_usd']:,.2f} USD as a rule and up to {each['most_usd']:,.2f} USD is nothing special"
            for each in rows[:_NAMED]
        ),
        *([f"- and {len(rows) - _NAMED} more"] if len(rows) > _NAMED else []),
        "An estimate, no bill; of quiet days about one in 140 is told of as well. All of it: "
        "braket-etl sql @spend_anomalies, and what was spent on: braket-etl sql @most_expensive_tasks",
    )
    return Message(f"Braket: unusual spending on {most['charge_date']}, {most['spent_usd']:,.2f} USD", lines)
