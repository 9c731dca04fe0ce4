"""Statements: what each owner spent in some days, as a page that prints, or as rows.

The page is one file of its own, without scripts; every text in it is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import jinja2

from braket_etl import __version__
from braket_etl.display import did_you_mean, heading, printable
from braket_etl.report.values import Cell, cell
from braket_etl.warehouse.closed_statements import Closed, StatementError, close, closed
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.coverage import gaps
from braket_etl.warehouse.queries import Answer, Value, answer, named_query

_NOBODY = "(unallocated)"
#: Accounts and Regions that are named where days are missing.
_NAMED = 6


@dataclass(frozen=True)
class Period:
    """Some UTC days, both ends in, and those that they are compared with: the month before, or as many days."""

    first: date
    last: date

    @property
    def before(self) -> Period:
        """The period before it."""
        last = self.first - timedelta(days=1)
        if self.first.day == 1 and (self.last + timedelta(days=1)).day == 1 and self.months == 1:
            return Period(last.replace(day=1), last)
        return Period(last - (self.last - self.first), last)

    @property
    def months(self) -> int:
        """How many months it touches."""
        return (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1


@dataclass(frozen=True)
class Statement:
    """The lines of @statement, the sums of @statement_owners, and what each owner had spent in the period before.

    Of a closed statement these are what they were then, and `closed_at` (UTC) says when. `corrections` are those of
    @statement_corrections.
    """

    key: str
    period: Period
    lines: Answer
    owners: Answer
    before: Mapping[str, Decimal]
    corrections: Answer
    closed_at: datetime | None = None
    lacks: tuple[str, ...] = ()
    """In words, what is in none of it though it is of these days; of a closed one nobody knows any more."""

    @property
    def corrected_usd(self) -> Decimal:
        """By how much earlier closed statements are corrected, all owners together."""
        return sum((row["amount_usd"] for row in self.corrections.records()), Decimal(0))

    @property
    def total_usd(self) -> Decimal:
        """What all owners spent together."""
        return sum((row["amount_usd"] for row in self.owners.records()), Decimal(0))

    @property
    def unallocated_usd(self) -> Decimal:
        """What is nobody's."""
        return sum(
            (row["amount_usd"] for row in self.owners.records() if row["owner"] == _NOBODY), Decimal(0)
        )

    @property
    def is_somebodys(self) -> bool:
        """Whether anybody but nobody has a line of it."""
        return any(row["owner"] != _NOBODY for row in self.owners.records())


def statement(connection: Connection, key: str, period: Period) -> Statement:
    """The statement of these days by an owner key (account, person, or the key of a tag), as it was where it is closed."""

    def asked(question: str, days: Period) -> Answer:
        values: dict[str, Value] = {"key": key, "first": days.first, "last": days.last}
        return answer(connection, named_query(question), values)

    def kept(days: Period) -> Closed | None:
        return closed(connection, key, days.first, days.last)

    found, last = kept(period), kept(period.before)
    owners_before = last.owners if last else asked("statement_owners", period.before)
    before = {row["owner"]: row["amount_usd"] for row in owners_before.records()}
    if found:
        return Statement(key, period, found.lines, found.owners, before, found.corrections, found.at)
    corrections = answer(
        connection, named_query("statement_corrections"), {"key": key, "before": period.first}
    )
    (spent,) = asked("spent", period).records()
    return Statement(
        key,
        period,
        asked("statement", period),
        asked("statement_owners", period),
        before,
        corrections,
        lacks=tuple(_lacks(connection, period, spent["n_without_a_known_cost"])),
    )


def _lacks(connection: Connection, period: Period, n_unknown: int) -> Iterator[str]:
    if n_unknown:
        records = "task, job or reservation has" if n_unknown == 1 else "tasks, jobs or reservations have"
        yield f"{n_unknown:,} {records} no known cost and {'is' if n_unknown == 1 else 'are'} in none of it: @cost_unknown"
    unseen = (
        gap for gap in gaps(connection) if gap.first_day <= period.last and gap.last_day >= period.first
    )
    if places := sorted({f"{gap.account}/{gap.region}" for gap in unseen}):
        more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
        yield f"some of its days were not seen whole in {', '.join(places[:_NAMED])}{more}: @days_not_whole"


def close_statement(connection: Connection, key: str, period: Period) -> Statement:
    """The statement, closed by now: where it was closed before, as it was then. Raises StatementError.

    What is nobody's is not closed: a name that is spelled wrong would be closed for good.
    """
    made = statement(connection, key, period)
    if made.closed_at is not None:
        return made
    if made.owners.rows and not made.is_somebodys:
        raise StatementError(nobodys(connection, key))
    parts = (each.records() for each in (made.owners, made.lines, made.corrections))
    return replace(made, closed_at=close(connection, key, period.first, period.last, *parts))


def nobodys(connection: Connection, key: str) -> str:
    """What to say of a statement in which nothing has an owner by this key."""
    if key == "person":
        hint = (
            "names are kept where BRAKET_ETL_CREATED_BY is name or pseudonym, or allocations.toml has rules"
        )
    else:
        keys = ["account", "person", *(row[0] for row in answer(connection, named_query("tag_keys")).rows)]
        hint = did_you_mean(key, keys) or "`braket-etl sql @tag_keys` lists the keys of tags"
    return f"nothing of it has an owner by {key or 'a key without a name'}: {hint}"


def page(made: Statement) -> str:
    """The statement as one HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("braket_etl.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    owners = [
        {"before_usd": made.before.get(row["owner"], Decimal(0)), **row} for row in made.owners.records()
    ]
    lines = {owner: list(rows) for owner, rows in groupby(made.lines.records(), key=lambda row: row["owner"])}
    return environment.get_template("statement.html.j2").render(
        made=made,
        key=printable(made.key),
        lacks=[printable(each) for each in made.lacks],
        made_at=datetime.now(UTC),
        version=__version__,
        total=cell("total_usd", made.total_usd),
        summary=_table(
            owners,
            ("owner", "amount_usd", "before_usd", "accrued_usd", "committed_usd", "n_jobs", "n_tasks"),
        ),
        units=_table(
            owners,
            (
                "owner",
                "n_shots",
                "a_task_usd",
                "a_thousand_shots_usd",
                "a_thousand_successful_shots_usd",
                "a_circuit_usd",
            ),
        ),
        corrections=_table(
            made.corrections.records(), ("owner", "charged_from", "charged_to", "amount_usd", "why")
        ),
        parts=[
            (
                printable(row["owner"]),
                cell("amount_usd", row["amount_usd"]),
                _table(
                    lines.get(row["owner"], []),
                    ("account_id", "kind", "device", "job", "rule", "records", *_amounts(row)),
                ),
            )
            for row in owners
        ],
    )


def _amounts(owner: Mapping[str, Any]) -> list[str]:
    """The amounts that the lines of an owner show: of open items only where there are any."""
    return ["amount_usd", *(name for name in ("accrued_usd", "committed_usd") if owner[name])]


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> tuple[list[str], list[list[Cell]]]:
    """Headings and cells."""
    return [heading(name) for name in columns], [[cell(name, row[name]) for name in columns] for row in rows]
