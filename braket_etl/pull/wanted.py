"""What is wanted: the accounts and Regions of the settings and their first day, kept with the data in `etl.wanted`.

The published copy has no settings, so it could not tell a Region that was never reached from one that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from braket_etl.aws.sessions import Target
from braket_etl.facts import REMEMBERED
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.resources import RESOURCES, Resource
from braket_etl.tables.bookkeeping import WANTED
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import replace_rows

_DAY = timedelta(days=1)
_GETS = frozenset(resource.get.name for resource in RESOURCES)

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Want:
    """What a run knows to be wanted: targets from a day on.

    `is_all` where that is all that the settings name: what else was wanted is not, from today on. A run of a part only
    adds. `moves` where the first day is a distance from today and no day that somebody named: then a day that was wanted
    stays so.
    """

    targets: Sequence[Target]
    first_day: date
    is_all: bool
    moves: bool


def note_wanted(
    connection: Connection, want: Want, principals: Mapping[Target, str | None], today: date
) -> None:
    """Bring `etl.wanted` up to what is wanted now; nothing is written where nothing changed."""
    known = _known(connection)
    now = {
        (target.account.name, target.region): _wanted_row(
            known.get((target.account.name, target.region)), want, target, principals[target], today
        )
        for target in want.targets
    }
    closed = {
        key: row | {"until": today}
        for key, row in known.items()
        if want.is_all and key not in now and row["until"] is None
    }
    _store(connection, known, now | closed)


def note_searched(
    connection: Connection,
    targets: Sequence[Target],
    resources: Sequence[Resource],
    outcome: Outcome,
    run_id: str,
) -> list[str]:
    """Note why a run could not search its targets, or that it could; what to tell of days that are lost by now.

    Each lost day is told once.
    """
    known = _known(connection)
    found_by = {
        (account, region): principal
        for account, region, principal in connection.execute(
            "SELECT account, region, any_value(principal) FROM etl.coverage WHERE run_id = ? GROUP BY ALL",
            [run_id],
        ).fetchall()
    }
    changed: dict[_Key, dict[str, Any]] = {}
    for key in {(target.account.name, target.region) for target in targets} & known.keys():
        row = known[key] | {"problem": _problem(key, known[key]["problem"], resources, outcome)}
        # what found it may tell less of its account than what was there before
        changed[key] = row | ({"principal": found_by[key]} if key in found_by else {})
    _store(connection, known, changed)
    return _lost(connection)


def _wanted_row(
    row: dict[str, Any] | None, want: Want, target: Target, principal: str | None, today: date
) -> dict[str, Any]:
    first = want.first_day
    # nobody wanted the days for which it was left out
    is_still = row is not None and (row["until"] is None or row["until"] >= today - _DAY)
    if row is not None and is_still and (want.moves or not want.is_all):
        first = min(first, row["first_day"])
    return {
        "account": target.account.name,
        "region": target.region,
        "first_day": first,
        "until": None,
        # credentials that cannot be had just now tell nothing
        "principal": principal or (row["principal"] if row else None),
        "problem": row["problem"] if row else None,
        # of days before those that were wanted nobody was told
        "lost_until": row["lost_until"] if row and is_still and first >= row["first_day"] else None,
    }


def _problem(key: _Key, before: str | None, resources: Sequence[Resource], outcome: Outcome) -> str | None:
    """Why the searches of a target failed in this run; what stood before, where it did not try what failed then."""
    told = [
        f"{problem.operation}: {problem.message.partition(' (days ')[0]}"
        for problem in outcome.problems
        if (problem.account, problem.region) == key and problem.operation not in _GETS
    ]
    if told:
        return min(told)  # which came first is chance
    tried = tuple(resource.search.name for resource in resources)
    return None if before is None or len(tried) == len(RESOURCES) or before.startswith(tried) else before


def _lost(connection: Connection) -> list[str]:
    """A line for each account and Region of which days were lost since people were last told; it is told now."""
    found = connection.execute(
        """SELECT c.account, c.region, min(c.day), max(c.day), count(DISTINCT c.day)
        FROM day_coverage AS c JOIN etl.wanted AS w ON w.account = c.account AND w.region = c.region
        WHERE c.state = 'lost' AND c.day > coalesce(w.lost_until, DATE '0001-01-01')
        GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    with transaction(connection):
        for account, region, _, last, _ in found:
            connection.execute(
                "UPDATE etl.wanted SET lost_until = ? WHERE account = ? AND region = ?",
                [last, account, region],
            )
    return [
        f"{days:,} days of {account}/{region}, {first} to {last}, were not seen whole before Braket forgot their tasks "
        f"({REMEMBERED.days} days): they are lost, which is told this once. `braket-etl recover` brings tasks back from "
        "their results in S3; `braket-etl sql @days_not_whole` lists what is lost"
        for account, region, first, last, days in found
    ]


def _known(connection: Connection) -> dict[_Key, dict[str, Any]]:
    names = [column.name for column in WANTED.columns]
    found = connection.execute(f"SELECT {', '.join(names)} FROM {WANTED.qualified_name}").fetchall()
    rows = [dict(zip(names, row, strict=True)) for row in found]
    return {(row["account"], row["region"]): row for row in rows}


def _store(connection: Connection, known: Mapping[_Key, Any], rows: Mapping[_Key, Any]) -> None:
    news = [row for key, row in rows.items() if row != known.get(key)]
    if news:
        with transaction(connection):
            replace_rows(connection, WANTED, pa.Table.from_pylist(news, schema=WANTED.arrow_schema))
