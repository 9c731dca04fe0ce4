"""Asking all blocks and putting the page together."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from braket_etl import __version__
from braket_etl.report import charts
from braket_etl.report.blocks import SECTIONS, Answer, Block, Section, answer, step
from braket_etl.report.filters import Filters, Scope
from braket_etl.report.values import Cell, cell, heading, is_number_column
from braket_etl.settings import SettingsError
from braket_etl.warehouse.connection import Connection, Warehouse, replaced_atomically
from braket_etl.warehouse.errors import WarehouseError

#: As far back as a report goes that names no first day; Braket itself remembers as much.
DEFAULT_DAYS = 90

#: Models that many blocks read: computed once, for this connection alone, under their own names.
_SHARED_MODELS = ("charges", "task_latency", "job_costs")


@dataclass(frozen=True)
class Asked:
    """A block with its answer, ready to be shown."""

    block: Block
    title: str
    tells: str
    query: str
    beyond: Sequence[str]
    headings: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[Cell]]
    chart: Markup | None


def write_report(
    warehouse: Warehouse,
    output: Path,
    *,
    first: date | None = None,
    last: date | None = None,
    accounts: Sequence[str] = (),
    tags: Sequence[tuple[str, str]] = (),
    group: str | None = None,
) -> Filters:
    """Write the report to a file, which is replaced as a whole; what it is limited to. The group may read it too.

    The days are UTC, both in. Accounts are ids or names of the settings. Raises SettingsError for an account that is not
    in the warehouse and for a last day before the first, WarehouseError where nothing is published or the file cannot
    be written.
    """
    with warehouse.reading() as connection:
        filters = resolved(connection, first, last, accounts, tags)
        page = rendered(connection, filters)
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
        ), (SELECT min(day) FROM (SELECT min(charge_date) AS day FROM daily_costs
            UNION ALL SELECT min(created_date) FROM quantum_tasks UNION ALL SELECT min(created_date) FROM jobs))
        """
    ).fetchall()[0]
    last = last or newest.astimezone(UTC).date()
    if first is None:
        first = last - timedelta(days=DEFAULT_DAYS - 1)
        first = min(max(first, oldest), last) if oldest else first
    if last < first:
        raise SettingsError(f"--to {last} lies before --from {first}")
    return Filters(first, last, _account_ids(connection, accounts), tuple(tags))


def rendered(connection: Connection, filters: Filters) -> str:
    """The whole page."""
    for model in _SHARED_MODELS:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {model} AS FROM main.{model}")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("braket_etl.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        sections=[(section, list(_answers(connection, section, filters))) for section in SECTIONS],
        filters=filters,
        roles=charts.ROLES,
        places=_places(connection, filters),
        made_at=datetime.now(UTC),
        version=__version__,
    )


def _answers(connection: Connection, section: Section, filters: Filters) -> Iterator[Asked]:
    for block in section.blocks:
        found = answer(connection, block, filters)
        svg = block.chart(found.records()) if block.chart else None
        yield Asked(
            block,
            block.title.replace("{step}", step(filters)),
            block.tells.replace("{step}", step(filters)),
            block.query(filters),
            block.scope.beyond(filters),
            [(heading(name), _is_numeric(found, n)) for n, name in enumerate(found.columns)],
            [
                [cell(name, value) for name, value in zip(found.columns, row, strict=True)]
                for row in found.rows
            ],
            Markup(charts.for_page(svg, block.key)) if svg else None,  # noqa: S704 - matplotlib escapes its text
        )


def _is_numeric(found: Answer, n: int) -> bool:
    if is_number_column(found.columns[n]):
        return True
    values = [row[n] for row in found.rows if row[n] is not None]
    return bool(values) and all(cell(found.columns[n], value).is_number for value in values)


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
        f"""
        SELECT account_id, list(DISTINCT region ORDER BY region) AS regions, max(fetched_at) AS fetched_at
        FROM (
            SELECT account_id, region, fetched_at FROM quantum_tasks
            UNION ALL SELECT account_id, region, fetched_at FROM jobs
        )
        WHERE {Scope(account="account_id").condition(filters)}
        GROUP BY account_id ORDER BY account_id
        """
    ).fetchall()
    return [dict(zip(("account_id", "regions", "fetched_at"), row, strict=True)) for row in found]
