"""Asking all questions of the page and putting it together.

A report that each run makes takes over from the last one what is made of tables that have not changed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from braket_etl import __version__
from braket_etl.display import did_you_mean, heading
from braket_etl.facts import REMEMBERED
from braket_etl.report import charts
from braket_etl.report.filters import Filters
from braket_etl.report.sections import questions, sections
from braket_etl.report.values import Cell, cell, is_number_column
from braket_etl.settings import SettingsError
from braket_etl.warehouse.connection import Connection, Warehouse, replaced_atomically
from braket_etl.warehouse.coverage import REMEDY, missing
from braket_etl.warehouse.errors import WarehouseError
from braket_etl.warehouse.parsed import kept
from braket_etl.warehouse.queries import EVERYBODY, Answer, Query, Value, answer, named_query
from braket_etl.warehouse.results import Contents

#: As far back as a report goes that names no first day; Braket itself remembers as much.
DEFAULT_DAYS = REMEMBERED.days

_ENDED = "('COMPLETED', 'FAILED', 'CANCELLED')"
#: A block as it stands in a page; all that is in it is escaped, so its end is its own.
_ARTICLE = re.compile(r'<article [^>]*data-made-of="(?P<made_of>[0-9a-f]+)">.*?</article>', re.DOTALL)


@dataclass(frozen=True)
class _Shared:
    """A model that many questions read: computed once, for this connection alone, under its own name, as far as they do.

    That is what belongs to the period, and what is open: a question is limited to the one, or asks for the other only.
    """

    of_period: str
    is_open: str

    def condition(self, filters: Filters) -> str:
        """What its rows fulfil."""
        after = filters.last + timedelta(days=1)
        return f"{self.of_period.format(first=filters.first, after=after)} OR {self.is_open}"


_SHARED_MODELS = {
    "charges": _Shared(
        "charge_date >= DATE '{first}' AND charge_date < DATE '{after}'",
        f"coalesce(status, '') NOT IN {_ENDED}",
    ),
    "waits": _Shared(
        "created_at >= TIMESTAMPTZ '{first} 00:00:00+00' AND created_at < TIMESTAMPTZ '{after} 00:00:00+00'",
        "ended_at IS NULL",
    ),
}


@dataclass(frozen=True)
class Heading:
    """The name of a column in words; on a page that is served, a link that sorts by it, and how it is sorted now."""

    text: str
    is_number: bool
    link: str = ""
    order: Literal["", "ascending", "descending"] = ""


@dataclass(frozen=True)
class Sorting:
    """Where links that sort lead to, and by which column the rows are sorted now, from its largest value if `falling`.

    `own` is the page that a question has to itself, empty on that page.
    """

    address: str
    column: str = ""
    falling: bool = False
    own: str = ""

    def heading(self, column: str, is_number: bool) -> Heading:
        """The heading of a column: numbers fall at first, texts rise; another click turns that around."""
        is_now = column == self.column
        falls = not self.falling if is_now else is_number
        order: Literal["", "ascending", "descending"] = ""
        if is_now:
            order = "descending" if self.falling else "ascending"
        return Heading(
            heading(column), is_number, f"{self.address}sort={'-' if falls else ''}{quote(column)}", order
        )


@dataclass
class Live:
    """What a page has that is served: its filters as a part of an address, blocks that were made before, the form."""

    address: str
    known: dict[str, Markup]
    form: Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A question with its answer, ready to be shown."""

    query: Query
    sql: str
    headings: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]
    chart: Markup | None
    own: str = ""
    beyond: Sequence[str] = ()
    made_of: str = ""


def write_report(
    warehouse: Warehouse,
    output: Path,
    *,
    first: date | None = None,
    last: date | None = None,
    accounts: Sequence[str] = (),
    tags: Sequence[tuple[str, str]] = (),
    regions: Sequence[str] = (),
    devices: Sequence[str] = (),
    person: str | None = None,
    group: str | None = None,
    anew: bool = True,
) -> Filters:
    """Write the report to a file, which is replaced as a whole; what it is limited to. The group may read it too.

    Unless it is made anew, what has not changed is taken over from the report that the file holds. The days are UTC, both
    in. Accounts are ids or names of the settings. Raises SettingsError for an account, Region or device that is not in
    the warehouse, a tag that no record bears, a person who created none and a last day before the first, WarehouseError
    where nothing is published or the file cannot be written.
    """
    with warehouse.reading() as connection:
        filters = resolved(connection, first, last, accounts, tags, regions, devices, person)
        last_page = "" if anew or not output.exists() else output.read_text("utf-8")
        page = rendered(connection, filters, last_page)
    try:
        replaced_atomically(output, page, mode=0o640 if group else 0o600)
        if group:
            shutil.chown(output, group=group)
    except OSError as error:
        raise WarehouseError(f"{output} cannot be written: {error.strerror}") from None
    return filters


def resolved(
    connection: Connection,
    first: date | None,
    last: date | None,
    accounts: Sequence[str],
    tags: Sequence[tuple[str, str]],
    regions: Sequence[str] = (),
    devices: Sequence[str] = (),
    person: str | None = None,
) -> Filters:
    """What the report is limited to: by default the last 90 days before the newest answer, as far as there are data.

    Raises SettingsError for what is not in the warehouse, as `write_report` does.
    """
    newest, oldest = connection.execute(
        """
        SELECT coalesce(
            (SELECT max(fetched_at) FROM (SELECT fetched_at FROM quantum_tasks UNION ALL SELECT fetched_at FROM jobs)),
            (SELECT max(searched_at) FROM etl.coverage),
            now()
        ), (SELECT min(day) FROM (SELECT min(timezone('UTC', start_at)::DATE) AS day FROM reservations
            UNION ALL SELECT min(created_date) FROM quantum_tasks UNION ALL SELECT min(created_date) FROM jobs))
        """
    ).fetchall()[0]
    last = last or newest.astimezone(UTC).date()
    if first is None:
        first = last - timedelta(days=DEFAULT_DAYS - 1)
        first = min(max(first, oldest), last) if oldest else first
    if last < first:
        raise SettingsError(f"--to {last} lies before --from {first}")
    for key, value in tags:
        _refuse_unknown_tag(connection, key, value)
    if twice := [key for key, value in tags if dict(tags)[key] != value]:
        raise SettingsError(f"--tag {twice[0]}: nothing bears two values of one tag; make a report of each")
    if regions or devices:
        there = choices(connection)
        _refuse_unknown(there, "region", regions)
        _refuse_unknown(there, "device", devices)
    if person is not None:
        _refuse_unknown_person(connection, person)
    ids = _account_ids(connection, accounts)
    return Filters(first, last, ids, tuple(regions), tuple(devices), tuple(tags), person or "")


def choices(connection: Connection, values: Mapping[str, Value] | None = None) -> dict[str, list[str]]:
    """The accounts, Regions, devices, people and tags that there are, by kind, those of most records first."""
    found = dict[str, list[str]]()
    for kind, value, _ in answer(connection, named_query("choices"), values).rows:
        found.setdefault(kind, []).append(value)
    return found


def _refuse_unknown(there: Mapping[str, Sequence[str]], kind: str, wanted: Sequence[str]) -> None:
    known = there.get(kind, [])
    for name in wanted:
        if name not in known:
            meant = did_you_mean(name, known) or f"there is {_listed(known) or 'none yet'}"
            raise SettingsError(f"--{kind} {name}: no task or job has it: {meant}")


def _refuse_unknown_person(connection: Connection, person: str) -> None:
    """Raise SettingsError for who created no record."""
    there = choices(connection, EVERYBODY)
    if not there.get("person"):
        raise SettingsError(
            f"--person {person}: no task or job says who created it: "
            "names are kept only where BRAKET_ETL_CREATED_BY is name or pseudonym"
        )
    _refuse_unknown(there, "person", [person])


_MOST_SHOWN = 12


def _refuse_unknown_tag(connection: Connection, key: str, value: str) -> None:
    """Raise SettingsError where no record bears the tag: the page would be empty, and nobody would know why."""
    tagged = "(SELECT tags FROM quantum_tasks UNION ALL SELECT tags FROM jobs)"
    if connection.execute(f"SELECT 1 FROM {tagged} WHERE tags[?] = ? LIMIT 1", [key, value]).fetchall():
        return
    values = _texts(
        connection.execute(
            f"SELECT tags[$1] FROM {tagged} WHERE tags[$1] IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1",
            [key],
        )
    )
    if values:
        meant = did_you_mean(value, values) or f"values of {key} are {_listed(values)}"
        raise SettingsError(f"--tag {key}={value}: no task or job bears it: {meant}")
    keys = _texts(
        connection.execute(
            f"SELECT key FROM (SELECT unnest(map_keys(tags)) AS key FROM {tagged}) GROUP BY 1 ORDER BY count(*) DESC, 1"
        )
    )
    known = did_you_mean(key, keys) or (f"tags are {_listed(keys)}" if keys else "none bears any tag")
    raise SettingsError(f"--tag {key}={value}: no task or job bears a tag {key}: {known}")


def _texts(found: Connection) -> list[str]:
    return [text for (text,) in found.fetchall()]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_SHOWN
    return ", ".join(names[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def rendered(connection: Connection, filters: Filters, last_page: str = "", live: Live | None = None) -> str:
    """The whole page: a file of its own, or one that is served."""
    known = (
        live.known if live else {match["made_of"]: Markup(match[0]) for match in _ARTICLE.finditer(last_page)}  # noqa: S704 - our own page
    )
    shown = _articles(connection, filters, known, live)
    return filled(
        "dashboard.html.j2" if live else "report.html.j2",
        sections=[(section, [shown[query.name] for query in section.questions]) for section in sections()],
        filters=filters,
        missing=missing(connection, filters.account_ids),
        remedy=REMEDY,
        places=_places(connection, filters),
        **(live.form if live else {}),
    )


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("braket_etl.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def filled(template: str, **values: Any) -> str:
    """A page of that template, everything in it escaped."""
    return (
        _environment()
        .get_template(template)
        .render(roles=charts.ROLES, made_at=datetime.now(UTC), version=__version__, **values)
    )


def article(asked: Asked, *, is_live: bool) -> Markup:
    """A question as a block of a page."""
    template = _environment().get_template("article.html.j2")
    return Markup(template.render(asked=asked, is_live=is_live))  # noqa: S704 - escaped by the template


def _articles(
    connection: Connection, filters: Filters, known: dict[str, Markup], live: Live | None
) -> dict[str, Markup]:
    """Each question by its name, from what is known where nothing has changed that it is made of; adds to it."""
    contents = Contents(connection)
    reads = {query.name: kept().tables_read(query.sql) for query in questions()}
    made_of = {
        query.name: contents.made_of(
            f"{query.name} {query.sql} {filters.values_for(query)} {filters.beyond(query)} {live and live.address}",
            reads[query.name],
        )
        for query in questions()
    }
    wanted = [query for query in questions() if made_of[query.name] not in known]
    for model, shared in _SHARED_MODELS.items():
        readers = [query for query in wanted if model in reads[query.name]]
        if len(readers) > 1 and all(
            query.takes("first", "last") or query.only == "open" for query in readers
        ):
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {model} AS FROM main.{model} WHERE {shared.condition(filters)}"
            )
    with ThreadPoolExecutor(1, "charts") as artist:  # draws while the next question is asked
        found = list[tuple[Query, Answer, Future[Markup | None]]]()
        for query in wanted:
            answered = answer(connection, query, filters.values_for(query))
            found.append((query, answered, artist.submit(_drawn, query, answered)))
        for query, answered, chart in found:
            own = f"q/{query.name}?{live.address}" if live else ""
            asked = replace(
                _asked(
                    query,
                    filters.values_for(query),
                    answered,
                    chart.result(),
                    Sorting(f"{own}&", own=own) if live else None,
                ),
                beyond=filters.beyond(query),
                made_of=made_of[query.name],
            )
            known[asked.made_of] = article(asked, is_live=live is not None)
    return {query.name: known[made_of[query.name]] for query in questions()}


def asked_of(
    connection: Connection,
    query: Query,
    values: Mapping[str, Value],
    sorting: Sorting | None = None,
    at_most: int | None = None,
) -> Asked:
    """A question with its answer, of which no more than so many rows are shown."""
    found = answer(connection, query, values, at_most)
    return _asked(query, values, found, _drawn(query, found), sorting)


def _drawn(query: Query, found: Answer) -> Markup | None:
    """The chart of an answer, where the question has one and there is something to draw."""
    svg = charts.chart_of(query.page.chart)(found.records()) if query.page.chart else None
    return Markup(charts.for_page(svg, query.name)) if svg else None  # noqa: S704 - matplotlib escapes its text


def _asked(
    query: Query,
    values: Mapping[str, Value],
    found: Answer,
    chart: Markup | None,
    sorting: Sorting | None,
) -> Asked:
    rows = [[cell(name, value) for name, value in zip(found.columns, row, strict=True)] for row in found.rows]
    headings = [
        (sorting.heading if sorting else _plain_heading)(name, _is_numeric(name, [row[n] for row in rows]))
        for n, name in enumerate(found.columns)
    ]
    sql, own = query.with_values(values), sorting.own if sorting else ""
    return Asked(query, sql, headings, rows, chart, own=own)


def _plain_heading(column: str, is_number: bool) -> Heading:
    return Heading(heading(column), is_number)


def _is_numeric(name: str, cells: Sequence[Cell]) -> bool:
    if is_number_column(name):
        return True
    known = [shown for shown in cells if shown.kind != "unknown"]
    return bool(known) and all(shown.is_number for shown in known)


def _account_ids(connection: Connection, wanted: Sequence[str]) -> tuple[str, ...]:
    """The ids of accounts that are given by id or by name."""
    if not wanted:
        return ()
    ids: dict[str, set[str]] = {}
    for name, account_id in connection.execute(
        """
        SELECT DISTINCT account, account_id FROM etl.coverage WHERE account_id IS NOT NULL
        UNION SELECT DISTINCT account_id, account_id FROM quantum_tasks
        UNION SELECT DISTINCT account_id, account_id FROM jobs
        UNION SELECT DISTINCT account_id, account_id FROM etl.coverage WHERE account_id IS NOT NULL
        """
    ).fetchall():
        ids.setdefault(name, set()).add(account_id)
    if unknown := [name for name in wanted if name not in ids]:
        known = ", ".join(sorted(ids)) or "none yet"
        raise SettingsError(f"no account is called {', '.join(unknown)} in the warehouse; there is {known}")
    return tuple(sorted(set().union(*(ids[name] for name in wanted))))


def _places(connection: Connection, filters: Filters) -> list[dict[str, Any]]:
    """The accounts that the report is about, with their Regions, and when Braket last answered about them."""
    found = connection.execute(
        """
        SELECT account_id, list(DISTINCT region ORDER BY region) AS regions, max(fetched_at) AS fetched_at
        FROM (
            SELECT account_id, region, fetched_at FROM quantum_tasks
            UNION ALL SELECT account_id, region, fetched_at FROM jobs
        )
        WHERE len($ids) = 0 OR list_contains($ids, account_id)
        GROUP BY account_id ORDER BY account_id
        """,
        {"ids": list(filters.account_ids)},
    ).fetchall()
    return [dict(zip(("account_id", "regions", "fetched_at"), row, strict=True)) for row in found]
