"""What grafana/braket.json holds: the questions of the report as panels of a Grafana dashboard.

Panels ask Grafana's DuckDB data source (motherduck-duckdb-datasource; names and forms as in version 0.4.5): `rawSql` with
`format` 0 for time series and 1 for tables. `$__timeFrom()` and `$__timeTo()` become texts such as '2026-11-01T00:00:00Z'.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from braket_etl.report.sections import sections
from braket_etl.warehouse.queries import Query, Value

_SOURCE = {"type": "motherduck-duckdb-datasource", "uid": "${source}"}
_TIME_SERIES, _TABLE = 0, 1
_PERIOD = {"first": "$__timeFrom()::DATE", "last": "$__timeTo()::DATE"}
_VARIABLE = re.compile(r"getvariable\('(\w+)'\)")
_BARS = {
    "type": "timeseries",
    "fieldConfig": {
        "defaults": {"unit": "currencyUSD", "custom": {"drawStyle": "bars", "stacking": {"mode": "normal"}}},
        "overrides": [],
    },
}
_WIDTH, _HEIGHT = 24, 9


def grafana_dashboard() -> str:
    """The file, as Grafana imports it; it asks which data source to take."""
    choice = {"name": "source", "type": "datasource", "query": _SOURCE["type"], "label": "Data source"}
    dashboard = {
        "uid": "braket-etl",
        "title": "Amazon Braket: costs and waits",
        "description": "Generated from sql/questions of braket_etl; a change here is lost.",
        "tags": ["braket"],
        "timezone": "utc",
        "time": {"from": "now-30d", "to": "now"},
        "schemaVersion": 41,
        "templating": {"list": [choice]},
        "panels": list(_panels()),
    }
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def panel_sql(query: Query) -> str:
    """The question's SQL with its variables filled in: the period by Grafana, the rest as the report has it, or not set."""
    return _VARIABLE.sub(lambda found: _filled(found[1], query.page.values), query.statement)


def _filled(name: str, values: Mapping[str, Value]) -> str:
    return str(_PERIOD.get(name) or values.get(name, "NULL"))


def _panels() -> Iterator[dict[str, Any]]:
    """A row a section of the report, its questions below it."""
    place = 0
    for section in sections():
        yield {
            "id": place + 1,
            "type": "row",
            "title": section.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": place, "w": _WIDTH, "h": 1},
        }
        place += 1
        for query in section.questions:
            yield _panel(query, place)
            place += _HEIGHT


def _panel(query: Query, place: int) -> dict[str, Any]:
    """One question; what it is not limited to its description says."""
    over_time = query.page.chart == "cost_over_time"
    said = f"{query.question} How to read it: {query.read}"
    if not query.takes("first", "last"):
        said += " It is not limited to the period that is chosen."
    panel = {
        "id": place + 1,
        "type": "table",
        "title": query.title,
        "description": said,
        "datasource": _SOURCE,
        "gridPos": {"x": 0, "y": place, "w": _WIDTH, "h": _HEIGHT},
        "targets": [
            {
                "refId": "A",
                "datasource": _SOURCE,
                "editorMode": "code",
                "format": _TIME_SERIES if over_time else _TABLE,
                "rawSql": panel_sql(query),
            }
        ],
    }
    return panel | _BARS if over_time else panel
