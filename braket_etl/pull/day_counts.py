"""What each UTC day of creation holds, and what a run's searches found of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from braket_etl.tables import JOB_EVENTS, JOBS
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.connection import Connection


@dataclass(frozen=True, slots=True)
class DayCounts:
    """One day of a table; `places` are the (account, Region) pairs that the run searched for the day."""

    rows: int = 0
    listed: int = 0
    rejected: int = 0
    places: int = 0


def counts_by_day(
    connection: Connection, table: Table, days: Sequence[date], run_id: str
) -> dict[date, DayCounts]:
    """The counts of each of the days, whatever it holds; events count under the day of their job's creation."""
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
    known = {day: DayCounts(*(int(n) for n in counts)) for day, *counts in found}
    return {day: known.get(day, DayCounts()) for day in days}
