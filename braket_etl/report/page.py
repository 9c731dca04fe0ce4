"""Asking all questions of the page and putting it together.

A report that each run makes takes over from the last one what is made of tables that have not changed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

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
from braket_etl.warehouse.queries import Query, answer
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
class Asked:
    """A question with its answer, ready to be shown."""

    query: Query
    sql: str
    beyond: Sequence[str]
    headings: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[Cell]]
    chart: Markup | None
    made_of: str


def write_report(
    warehouse: Warehouse,
    output: Path,
    *,
    first: date | None = None,
    last: date | None = None,
    accounts: Sequence[str] = (),
    tags: Sequence[tuple[str, str]] = (),
    group: str | None = None,
    anew: bool = True,
) -> Filters:
    """Write the report to a file, which is replaced as a whole; what it is limited to. The group may read it too.

    Unless it is made anew, what has not changed is taken over from the report that the file holds. The days are UTC, both
    in. Accounts are ids or names of the settings. Raises SettingsError for an account that is not in the warehouse, a
    tag that no record bears and a last day before the first, WarehouseError where nothing is published or the file
    cannot be written.
    """
    with warehouse.reading() as connection:
        filters = resolved(connection, first, last, accounts, tags)
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
) -> Filters:
    """What the report is limited to: by default the last 90 days before the newest answer, as far as there are data."""
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
    return Filters(first, last, _account_ids(connection, accounts), tuple(tags))


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


def rendered(connection: Connection, filters: Filters, last_page: str = "") -> str:
    """The whole page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("braket_etl.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = _articles(connection, filters, last_page, environment.get_template("article.html.j2"))
    return environment.get_template("report.html.j2").render(
        sections=[(section, [shown[query.name] for query in section.questions]) for section in sections()],
        filters=filters,
        roles=charts.ROLES,
        missing=missing(connection, filters.account_ids),
        remedy=REMEDY,
        places=_places(connection, filters),
        made_at=datetime.now(UTC),
        version=__version__,
    )


def _articles(
    connection: Connection, filters: Filters, last_page: str, template: jinja2.Template
) -> dict[str, Markup]:
    """Each question by its name, from the last page where nothing has changed that it is made of."""
    contents = Contents(connection)
    reads = {query.name: kept().tables_read(query.sql) for query in questions()}
    made_of = {
        query.name: contents.made_of(
            f"{query.name} {query.sql} {filters.values_for(query)} {filters.beyond(query)}", reads[query.name]
        )
        for query in questions()
    }
    known = {match["made_of"]: Markup(match[0]) for match in _ARTICLE.finditer(last_page)}  # noqa: S704 - our own page
    asked = [query for query in questions() if made_of[query.name] not in known]
    for model, shared in _SHARED_MODELS.items():
        readers = [query for query in asked if model in reads[query.name]]
        if len(readers) > 1 and all(
            query.takes("first", "last") or query.only == "open" for query in readers
        ):
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {model} AS FROM main.{model} WHERE {shared.condition(filters)}"
            )
    made = {
        made_of[query.name]: Markup(  # noqa: S704 - escaped by the template
            template.render(asked=_asked(connection, query, filters, made_of[query.name]))
        )
        for query in asked
    }
    return {query.name: (known | made)[made_of[query.name]] for query in questions()}


def _asked(connection: Connection, query: Query, filters: Filters, made_of: str) -> Asked:
    values = filters.values_for(query)
    found = answer(connection, query, values)
    svg = charts.chart_of(query.page.chart)(found.records()) if query.page.chart else None
    rows = [[cell(name, value) for name, value in zip(found.columns, row, strict=True)] for row in found.rows]
    return Asked(
        query,
        query.with_values(values),
        filters.beyond(query),
        [
            (heading(name), _is_numeric(name, [row[n] for row in rows]))
            for n, name in enumerate(found.columns)
        ],
        rows,
        Markup(charts.for_page(svg, query.name)) if svg else None,  # noqa: S704 - matplotlib escapes its text
        made_of,
    )


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
