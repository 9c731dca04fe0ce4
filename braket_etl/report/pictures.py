"""The report's charts beside the assets whose data they show, for Dagster's metadata.

Dagster shows Markdown of less than 1,000 characters at once and the rest after a click, so each chart has a glance: its
names with bars of block characters.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from braket_etl.display import money, printable
from braket_etl.report import charts
from braket_etl.report.filters import Filters
from braket_etl.report.values import duration, shortened
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.queries import Query, answer, named_query

#: UTC days that a chart over time goes back, as many as still are shown one by one.
_DAYS = 30
#: Rows of a glance, and the characters of its longest bar.
_ROWS, _BAR = 6, 20


@dataclass(frozen=True)
class _Picture:
    question: str
    values: Callable[[list[charts.Record]], Mapping[str, float]]
    said: Callable[[float], str]


def _costs(records: list[charts.Record]) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for record in records:
        totals[record["device"]] += float(record["cost_usd"])
    return totals


def _waits(records: list[charts.Record]) -> dict[str, float]:
    return {r["device"]: charts.coalesce(r["p50_high_seconds"], math.inf) for r in records}


def _estimates(records: list[charts.Record]) -> dict[str, float]:
    return {r["device"]: r["wait_seconds"] for r in records if r["quantile"] == 0.5 and r["wait_seconds"]}


def _at_most(seconds: float) -> str:
    return f"≤ {duration(seconds)}" if math.isfinite(seconds) else "no bound"


#: By asset the question whose chart says more than its rows do.
PICTURES = {
    "daily_costs": _Picture("cost_over_time", _costs, lambda usd: f"${money(usd)}"),
    "waits": _Picture("queue_wait_bounds", _waits, _at_most),
    "queue_wait_quantiles": _Picture("queue_wait_by_device", _estimates, duration),
}


def records_of(connection: Connection, asset: str, now: datetime | None) -> list[charts.Record]:
    """What the picture of an asset shows as of an instant; empty where it has none or there is nothing to show."""
    if asset not in PICTURES or now is None:
        return []
    last = now.astimezone(UTC).date()
    query, filters = _question_of(asset), Filters(last - timedelta(days=_DAYS - 1), last)
    return answer(connection, query, filters.values_for(query)).records()


def drawn(asset: str, records: list[charts.Record]) -> dict[str, str]:
    """Markdown by name: `at a glance` and `chart` of an asset with a picture."""
    picture, query = PICTURES[asset], _question_of(asset)
    shown = glance(picture.values(records), picture.said)
    svg = charts.chart_of(query.page.chart)(records)
    return {
        **({"at a glance": shown} if shown else {}),
        **({"chart": charts.for_dagster(svg, query.title)} if svg else {}),
    }


def _question_of(asset: str) -> Query:
    return named_query(PICTURES[asset].question)


def glance(values: Mapping[str, float], said: Callable[[float], str]) -> str:
    """The largest values as bars, names as code so that Markdown in them is none."""
    known = sorted(((value, name) for name, value in values.items() if value > 0), reverse=True)[:_ROWS]
    longest = max((value for value, _ in known if math.isfinite(value)), default=1.0)
    lines = [
        f"`{'█' * max(1, round(min(value / longest, 1) * _BAR))}` {said(value)} "
        f"`{shortened(printable(str(name)), 24).replace('`', chr(39))}`"
        for value, name in known
    ]
    return "\n\n".join(lines)
