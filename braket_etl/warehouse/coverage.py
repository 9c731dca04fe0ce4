"""What is missing: the days that are wanted and were not seen whole, as everybody tells of them.

The ready question `days_not_whole` is the one place where they are counted: status, report, doctor and Dagster ask it
or the model behind it, `day_coverage`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from braket_etl.tables import QUANTUM_TASKS
from braket_etl.warehouse.queries import queries
from braket_etl.warehouse.statements import Connection

QUESTION = "days_not_whole"
#: What to do about it.
REMEDY = (
    "`braket-etl sync` asks again and `braket-etl doctor` says what is out of reach; a Region that a policy denies is left "
    f"out by BRAKET_ETL_REGIONS; `braket-etl sql @{QUESTION}` lists all"
)
_LONGEST_REASON = 160
_MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class Gap:
    """Contiguous UTC days of an account, Region and table that were not seen whole: a row of the question."""

    account: str
    region: str
    table_name: str
    state: str
    first_day: date
    last_day: date
    days: int
    days_left: int | None
    problem: str | None

    @property
    def is_lost(self) -> bool:
        """Whether Braket forgot the days before they were reached."""
        return self.state == "lost"


@dataclass(frozen=True, slots=True)
class Missing:
    """How many days are not whole and how many are lost, each account, Region and table by itself; and in words.

    `lines` is empty where nothing is missing that can still be had.
    """

    days: int
    lost: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    account: str
    region: str
    problem: str | None
    n_whole: int
    n_searched: int


def missing(connection: Connection, account_ids: Sequence[str] = ()) -> Missing:
    """What is missing of the accounts, by default of all; an account whose id nobody knows belongs to each choice."""
    places = _places(connection, account_ids)
    chosen = {(place.account, place.region) for place in places}
    found = [gap for gap in gaps(connection) if (gap.account, gap.region) in chosen]
    open_gaps = [gap for gap in found if not gap.is_lost]
    return Missing(
        sum(gap.days for gap in open_gaps),
        sum(gap.days for gap in found if gap.is_lost),
        tuple(_lines(places, open_gaps)) if places or account_ids else (_NOTHING_WANTED,),
    )


_NOTHING_WANTED = (
    "no sync has noted yet which accounts and Regions are wanted, so nobody knows what is missing"
)


def gaps(connection: Connection) -> list[Gap]:
    """The answer to the ready question."""
    return [Gap(*row) for row in connection.execute(queries()[QUESTION].sql).fetchall()]


def places_not_whole(connection: Connection, table_name: str, day: date) -> list[str]:
    """The accounts and Regions in which a day of a table was not seen whole, in words."""
    told = {"not_searched": "was not searched", "not_whole": "was not seen whole", "lost": "is lost"}
    found = connection.execute(
        "SELECT account, region, state FROM day_coverage WHERE table_name = ? AND day = ? ORDER BY ALL",
        [table_name, day],
    ).fetchall()
    return [f"{account}/{region} {told[state]}" for account, region, state in found if state in told]


def states_since(connection: Connection, first: date) -> str:
    """What changes when a day from that one on comes to stand otherwise."""
    found = connection.execute(
        "SELECT account, region, table_name, day::VARCHAR, state FROM day_coverage WHERE day >= ? ORDER BY ALL",
        [first],
    ).fetchall()
    return json.dumps(found)


def _places(connection: Connection, account_ids: Sequence[str]) -> list[_Place]:
    """Every account and Region that is wanted."""
    found = connection.execute(
        """SELECT w.account, w.region, any_value(w.problem), count(*) FILTER (c.state = 'whole'), count(c.searched_at)
        FROM etl.wanted AS w
        LEFT JOIN day_coverage AS c ON c.account = w.account AND c.region = w.region AND c.day >= w.first_day
        LEFT JOIN (SELECT DISTINCT account, account_id FROM etl.coverage WHERE account_id IS NOT NULL) AS i
            ON i.account = w.account
        WHERE w.until IS NULL AND (len($ids) = 0 OR i.account_id IS NULL OR list_contains($ids, i.account_id))
        GROUP BY w.account, w.region ORDER BY w.account, w.region""",
        {"ids": list(account_ids)},
    ).fetchall()
    return [_Place(*row) for row in found]


def _lines(places: Sequence[_Place], found: Sequence[Gap]) -> Iterator[str]:
    by_place = {key: list(group) for key, group in groupby(sorted(found, key=_place_of), key=_place_of)}
    lines: list[str] = []
    for account, group in groupby(places, key=lambda place: place.account):
        regions = list(group)
        never = [
            p
            for p in regions
            if not p.n_whole and (p.problem or not p.n_searched or _place_of(p) in by_place)
        ]
        if never:
            lines.append(_never_line(account, never, len(regions)))
        alike: dict[str, list[str]] = {}
        for place in regions:
            if place not in never and (place.problem or _place_of(place) in by_place):
                alike.setdefault(_what(place, by_place.get(_place_of(place), [])), []).append(place.region)
        lines += [f"{account}/{', '.join(names)}: {what}" for what, names in alike.items()]
    yield from lines[:_MOST_LINES]
    if (more := len(lines) - _MOST_LINES) > 0:
        yield f"… and {more} more accounts or Regions"


def _place_of(place: _Place | Gap) -> tuple[str, str]:
    return place.account, place.region


def _never_line(account: str, never: Sequence[_Place], n_regions: int) -> str:
    names = ", ".join(place.region for place in never)
    reason = next((place.problem for place in never if place.problem), None)
    return f"{len(never)} of {n_regions} Regions of account {account} were never searched whole: {names}{_because(reason)}"


def _what(place: _Place, found: Sequence[Gap]) -> str:
    """What is missing of an account and Region that was seen whole on other days."""
    if not found:
        return f"could not be searched at last{_because(place.problem)}"
    days = Counter[str]()
    for gap in found:
        days[_kind(gap.table_name)] += gap.days
    first, last = min(gap.first_day for gap in found), max(gap.last_day for gap in found)
    counted = " and ".join(f"{n:,} days of {kind}" for kind, n in sorted(days.items()))
    span = str(first) if first == last else f"{first} to {last}"
    return f"{counted} not seen whole, {span}{_because(place.problem)}"


def _kind(table_name: str) -> str:
    return "tasks" if table_name == QUANTUM_TASKS.name else table_name


def _because(reason: str | None) -> str:
    if not reason:
        return ""
    return f" ({reason if len(reason) <= _LONGEST_REASON else reason[: _LONGEST_REASON - 1] + '…'})"
