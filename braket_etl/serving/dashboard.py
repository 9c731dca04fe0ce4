"""The report as a live page on 127.0.0.1, each question on a page of its own, and metrics; all of the published copy.

A request opens the copy, read-only, and closes it before the next one does: DuckDB would go on showing the old
copy to a process that keeps it open.
"""

from __future__ import annotations

import calendar
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import duckdb
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from braket_etl.report.filters import Filters, parsed_tag
from braket_etl.report.page import Live, Sorting, article, asked_of, choices, filled, rendered, resolved
from braket_etl.serving.guard import Guard, path_of
from braket_etl.serving.metrics import CONTENT_TYPE, exposition
from braket_etl.settings import SettingsError
from braket_etl.tables.declaration import identifier
from braket_etl.warehouse.connection import Connection, Warehouse, confined
from braket_etl.warehouse.errors import WarehouseError
from braket_etl.warehouse.queries import LIMITS, Query, QueryError, chapters, named_query
from braket_etl.warehouse.query_errors import explained
from braket_etl.warehouse.statements import is_lake

#: The longest that a page may take, in seconds, and the most memory that DuckDB may use for it.
_SECONDS, _MEMORY = 60.0, "4GB"
_MOST_ROWS = 1_000
#: Blocks that are remembered, for as long as what they are made of stays.
_MOST_KNOWN = 500
#: What is chosen on the page, as it stands in its address.
_CHOSEN = ("account", "region", "device", "person", "tag")
_DATES = ("first", "last", "since")
#: How an error names what was given on a command line.
_OPTION = re.compile(r"--(from|to|account|region|device|person|tag)\b")

Pairs = list[tuple[str, str]]


@dataclass
class Dashboard:
    """The pages of one warehouse, made one at a time."""

    warehouse: Warehouse
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[str, Markup] = field(default_factory=dict)

    def page(self, request: Request) -> Response:
        """The report, limited to what the address says."""
        given = _given(request.query_params)
        with self._reading() as connection:
            filters = _filters(connection, given)
            newest = resolved(connection, None, None, (), ()).last
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            form = {
                "address": urlencode(given),
                "updated": self._updated(),
                "there": _there(connection),
                "presets": _presets(given, newest),
                "chosen": [
                    (f"{key} {value}", _link(given, (key, value))) for key, value in given if key in _CHOSEN
                ],
            }
            live = Live(urlencode(_pairs(filters)), self._known, form)
            return HTMLResponse(rendered(connection, filters, live=live))

    def questions(self, _: Request) -> Response:
        """All questions, as the cookbook has them."""
        return HTMLResponse(filled("questions.html.j2", chapters=chapters()))

    def question(self, request: Request) -> Response:
        """One question with its parameters and its whole answer, sorted by the column that the address names."""
        query = named_query(request.path_params["name"])
        given = [
            (key, value)
            for key, value in _given(request.query_params)
            if key not in LIMITS or query.takes(key)
        ]
        sort = dict(given).get("sort", "")
        given = [(key, value) for key, value in given if key != "sort"]
        shown: dict[str, Any] = {"article": "", "is_cut": False, "problem": ""}
        with self._reading() as connection:
            try:
                shown |= _answered(connection, query, given, sort)
            except (QueryError, SettingsError) as error:
                shown["problem"] = str(error)
            except (duckdb.InterruptException, duckdb.OutOfMemoryException):
                raise
            except duckdb.Error as error:
                shown["problem"] = explained(error, connection)
            page = filled(
                "question.html.j2",
                query=query,
                kinds={param.name: _kind(param.name, param.default) for param in query.params},
                given=dict(reversed(given)),
                more_tags=[value for key, value in given if key == "tag"][1:],
                there=_there(connection),
                back=_link([(key, value) for key, value in given if key in LIMITS]),
                sort=sort,
                most=_MOST_ROWS,
                updated=self._updated(),
                **shown,
            )
        return HTMLResponse(page, 400 if shown["problem"] else 200)

    def metrics(self, _: Request) -> Response:
        """The same questions as Prometheus reads them."""
        with self._reading() as connection:
            text = exposition(connection, self.warehouse.published_at)
        return PlainTextResponse(text, media_type=CONTENT_TYPE)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._turn, self.warehouse.reading() as connection:
            if not is_lake(connection):  # whose engine is used again, and needs files and network
                confined(connection, _MEMORY)
            watch = threading.Timer(_SECONDS, connection.interrupt)
            watch.daemon = True
            watch.start()
            try:
                yield connection
            finally:
                watch.cancel()

    def _updated(self) -> str:
        at = self.warehouse.published_at
        if at is None:
            return "Read where it is written."
        return f"Updated {_ago((datetime.now(UTC) - at).total_seconds())}, {at:%Y-%m-%d %H:%M} UTC."


def application(warehouse: Warehouse, token: str, port: int) -> Starlette:
    """What is served on that port to whoever has the token."""
    dashboard, path = Dashboard(warehouse), path_of(token)
    refused = partial(_message, home="")
    routes = [
        Route("/", lambda request: RedirectResponse(f"{path}?{request.url.query}", 303)),
        Route("/metrics", _told(dashboard.metrics, path)),
        Route(path, _told(dashboard.page, path)),
        Route(f"{path}q", _told(dashboard.questions, path)),
        Route(f"{path}q/{{name}}", _told(dashboard.question, path)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, port=port, refused=refused)],
        exception_handlers={404: lambda *_: _message(404, "Not here", "There is no such page.", home=path)},
    )


def _told(make: Callable[[Request], Response], home: str) -> Callable[[Request], Response]:
    """What makes a page; what a user can act on becomes a page that says it."""

    def endpoint(request: Request) -> Response:
        try:
            return make(request)
        except SettingsError as error:
            return _message(400, "This cannot be shown", _OPTION.sub(r"\1", str(error)), home=home)
        except QueryError as error:
            return _message(404, "Not here", str(error), home=home)
        except WarehouseError as error:
            return _message(503, "Nothing to show", str(error), home=home)
        except (duckdb.InterruptException, duckdb.OutOfMemoryException):
            limit = f"{_SECONDS:.0f} seconds or {_MEMORY} of memory"
            return _message(503, "Too much at once", f"This takes more than {limit}: choose less.", home=home)

    return endpoint


def _message(status: int, title: str, message: str, *, home: str) -> Response:
    return HTMLResponse(filled("message.html.j2", title=title, message=message, home=home), status)


def _answered(connection: Connection, query: Query, given: Pairs, sort: str) -> dict[str, Any]:
    """The block of a question, and whether it has more rows than are shown."""
    values = query.values_of({key: value for key, value in given if key != "tag"})
    values |= {key: day for key in ("first", "last") if (day := _day(dict(given).get(key)))}
    if tags := dict(parsed_tag(value) for key, value in given if key == "tag"):
        values["tag"] = tags
    column, falls = sort.removeprefix("-"), sort.startswith("-")
    if column:
        order = f"{identifier(column)} {'DESC' if falls else 'ASC'} NULLS LAST"
        query = replace(
            query,
            sql=f"FROM (\n{query.statement}\n)\nORDER BY {order}",
            page=replace(query.page, chart=""),
        )
    asked = asked_of(
        connection,
        query,
        values,
        sorting=Sorting(f"{_link(given)}&", column, falls),
        at_most=_MOST_ROWS + 1,
    )
    is_cut = len(asked.rows) > _MOST_ROWS
    shown = replace(asked, rows=asked.rows[:_MOST_ROWS])
    return {"article": article(shown, is_live=True), "is_cut": is_cut}


def _filters(connection: Connection, given: Pairs) -> Filters:
    """What the page is limited to; raises SettingsError."""
    chosen = {name: [value for key, value in given if key == name] for name in _CHOSEN}
    days = {key: value for key, value in given if key in ("first", "last")}
    people = list(dict.fromkeys(chosen["person"]))
    if len(people) > 1:
        raise SettingsError(f"nothing was created by {' and '.join(people)} together: choose one of them")
    return resolved(
        connection,
        _day(days.get("first")),
        _day(days.get("last")),
        chosen["account"],
        [parsed_tag(tag) for tag in dict.fromkeys(chosen["tag"])],
        chosen["region"],
        chosen["device"],
        people[0] if people else None,
    )


def _pairs(filters: Filters) -> Pairs:
    """What the page is limited to as its questions take it."""
    chosen = {"account": filters.account_ids, "region": filters.regions, "device": filters.devices}
    return [
        ("first", str(filters.first)),
        ("last", str(filters.last)),
        *((name, ",".join(values)) for name, values in chosen.items() if values),
        *([("person", filters.person)] if filters.person else []),
        *(("tag", f"{key}={value}") for key, value in filters.tags),
    ]


def _given(params: QueryParams) -> Pairs:
    """What the address says; a field that was left empty says nothing, and the token is none of its business."""
    return [(key, value) for key, value in params.multi_items() if value and key != "token"]


def _link(given: Pairs, but: tuple[str, str] | None = None) -> str:
    return f"?{urlencode([pair for pair in given if pair != but])}"


def _presets(given: Pairs, newest: date) -> list[tuple[str, str, bool]]:
    """Periods by name, with a link to each, and whether the page shows it."""
    month = newest.replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    periods = {
        "7 days": (newest - timedelta(days=6), newest),
        "30 days": (newest - timedelta(days=29), newest),
        f"{month:%B %Y}": (month, newest),
        f"{before:%B %Y}": (before, month - timedelta(days=1)),
        "12 months": (newest - timedelta(days=365 + calendar.isleap(newest.year) - 1), newest),
    }
    rest = [pair for pair in given if pair[0] not in ("first", "last")]
    now = {key: value for key, value in given if key in ("first", "last")}
    found = [("last 90 days", _link(rest), not now)]
    for name, (first, last) in periods.items():
        days = {"first": str(first), "last": str(last)}
        found.append((name, _link([*days.items(), *rest]), now == days))
    return found


def _there(connection: Connection) -> Mapping[str, list[str]]:
    found = choices(connection)
    return {kind: sorted(found.get(kind, [])) if kind != "tag" else found.get(kind, []) for kind in _CHOSEN}


def _kind(name: str, default: str) -> str:
    """What kind of field a parameter has."""
    if name in _DATES:
        return "date"
    return "number" if default and default.replace(".", "", 1).isdecimal() else "text"


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise SettingsError(f"{text} is no day, such as 2026-10-01") from None


def _ago(seconds: float) -> str:
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if (n := int(seconds // size)) >= (2 if size > 60 else 1):
            return f"{n:,} {unit}{'' if n == 1 else 's'} ago"
    return "less than a minute ago"
