"""What each UTC day of creation holds, what a run's searches found of it, and whether it is whole by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from braket_etl.aws.sessions import Target
from braket_etl.pull.plan import DAY, midnight
from braket_etl.tables import JOB_EVENTS, JOBS
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.connection import Connection

#: How a day stands in all accounts and Regions together: a lost one can never be whole, and nobody is to blame any more.
State = Literal["whole", "so_far", "not_whole", "lost"]
_SETTLES = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DayCounts:
    """One day of a table; `places` are the (account, Region) pairs that the run searched for the day.

    `missing` are the places in which it is not whole, in words.
    """

    rows: int = 0
    listed: int = 0
    rejected: int = 0
    places: int = 0
    state: State = "not_whole"
    missing: tuple[str, ...] = ()


def counts_by_day(
    connection: Connection, table: Table, days: Sequence[date], run_id: str, targets: Sequence[Target]
) -> dict[date, DayCounts]:
    """The counts of each of the days, whatever it holds; events count under the day of their job's creation.

    A day is whole where it is in every account and Region that is wanted, and in the targets of the run.
    """
    searched = JOBS.name if table is JOB_EVENTS else table.name
    found = connection.execute(
        f"""WITH stored AS (
            SELECT {table.immutable}::DATE AS day, count(*) AS n FROM {table.qualified_name}
            WHERE {table.immutable} >= ?::DATE AND {table.immutable} < ?::DATE + 1 GROUP BY ALL
        ), searched AS (
            SELECT day, sum(listed) AS listed, sum(rejected) AS rejected, count(*) AS places
            FROM etl.coverage WHERE table_name = ? AND run_id = ? GROUP BY ALL
        )
        SELECT day, coalesce(n, 0), coalesce(listed, 0), coalesce(rejected, 0), coalesce(places, 0)
        FROM stored FULL JOIN searched USING (day)""",
        [min(days), max(days), searched, run_id],
    ).fetchall()
    known = {
        day: DayCounts(int(n), int(listed), int(rejected), int(places))
        for day, n, listed, rejected, places in found
    }
    states = _states(connection, searched, days, targets)
    now = _now(connection, run_id)
    return {
        day: replace(
            known.get(day, DayCounts()),
            state=_state_of(states[day], is_over=now >= midnight(day + DAY) + _SETTLES),
            missing=tuple(
                f"{place}: {state}" for place, state in sorted(states[day].items()) if state != "whole"
            ),
        )
        for day in days
    }


def _states(
    connection: Connection, table: str, days: Sequence[date], targets: Sequence[Target]
) -> dict[date, dict[str, str]]:
    """How each day stands in every place that is wanted or that the run asked, by `account/region`."""
    asked = {target.label: "not_searched" for target in targets}
    states = {day: dict(asked) for day in days}
    for day, place, state in connection.execute(
        "SELECT day, account || '/' || region, state FROM day_coverage WHERE table_name = ? AND day BETWEEN ? AND ?",
        [table, min(days), max(days)],
    ).fetchall():
        if day in states and (state != "not_wanted" or place in asked):
            states[day][place] = state
    return states


def _state_of(states: dict[str, str], *, is_over: bool) -> State:
    found = set(states.values())
    if found <= {"whole"}:
        return "whole"
    if not is_over or "so_far" in found:
        return "so_far"
    return "lost" if found <= {"whole", "lost"} else "not_whole"


def _now(connection: Connection, run_id: str) -> datetime:
    """The present as the run's searches saw it, by Braket's clock; this machine's where none could be made.

    A day that was not over when it was searched is judged by the next run.
    """
    found: datetime | None = connection.execute(
        "SELECT max(searched_at) FROM etl.coverage WHERE run_id = ?", [run_id]
    ).fetchall()[0][0]
    return found or datetime.now(UTC)
