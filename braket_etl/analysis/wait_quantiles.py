"""Quantiles of queue waits by device and week: the rows of `queue_wait_quantiles`.

What counts as a wait, and which an estimate may rest on, is said in sql/models/waits.sql, how a distribution is
estimated from them in `npmle.py`; here the two meet. Reads through a DuckDB connection and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from statistics import NormalDist
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from braket_etl.analysis.npmle import Estimate, Floats, estimated, quantile_interval
from braket_etl.tables.queue_wait_quantiles import QUEUE_WAIT_QUANTILES

QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
CI_LEVEL = 0.9
CI_METHOD = "observed information, logit scale, inverted test"
#: With fewer tasks than this no quantile is estimated.
MIN_TASKS = 20
#: The newest tasks of a device, and of a device in a week, that enter; more would be slower and hardly sharper.
MAX_TASKS = {"device": 5_000, "device_week": 2_000}
#: How far from its maximum the log-likelihood may stay: far less than what moves an estimate by its error.
TOLERANCE = 1e-4

_Z = NormalDist().inv_cdf(0.5 + CI_LEVEL / 2)

# One pass for both: the bounds are certain for the tasks at hand, whatever the distribution of their waits is; the list
# is what the distribution is estimated from.
_GROUPS = f"""
WITH counted AS (
    SELECT
        device_arn, created_at, wait_seconds_lower, wait_seconds_at_most, stat_seconds_lower, stat_seconds_upper,
        CASE WHEN end_kind = 'cancelled_in_queue' THEN turnaround_seconds END AS cancelled_seconds,
        end_kind IS NOT DISTINCT FROM 'cancelled_in_queue' AS is_cancelled,
        is_estimated_from,
        date_trunc('week', make_timestamp(epoch_us(created_at)))::DATE AS week
    FROM waits
    WHERE record_kind = 'task' AND is_counted
),
grouped AS (
    SELECT
        CASE WHEN grouping(week) = 1 THEN 'device' ELSE 'device_week' END AS scope, device_arn, week AS week_start,
        count(*) FILTER (NOT is_estimated_from) AS n_bounds_only,
        quantile_disc(wait_seconds_lower, {list(QUANTILES)}) AS lower_bounds,
        quantile_disc(wait_seconds_at_most, {list(QUANTILES)}) AS upper_bounds,
        max_by({{
            'lower': stat_seconds_lower,
            'upper': coalesce(stat_seconds_upper, 'infinity'::DOUBLE),
            'is_cancelled': is_cancelled,
            'cancelled': greatest(stat_seconds_lower, cancelled_seconds)
        }}, created_at, {max(MAX_TASKS.values())}) FILTER (is_estimated_from) AS newest
    FROM counted
    GROUP BY GROUPING SETS ((device_arn), (device_arn, week))
)
SELECT
    * EXCLUDE (newest),
    newest[:CASE scope WHEN 'device' THEN {MAX_TASKS["device"]} ELSE {MAX_TASKS["device_week"]} END] AS waits
FROM grouped
ORDER BY scope, device_arn, week_start
"""


@dataclass(frozen=True)
class Waits:
    """The waits of one group: intervals (lower, upper] in seconds, and which were cancelled in the queue, when."""

    lower: Floats
    upper: Floats
    is_cancelled: np.ndarray[Any, np.dtype[np.bool_]]
    cancelled: Floats


def compute(connection: duckdb.DuckDBPyConnection, *, now: datetime | None = None) -> pa.Table:
    """All rows of queue_wait_quantiles from waits, as of `now` (UTC; the present where none is given)."""
    computed_at = now or datetime.now(UTC)
    groups = connection.sql(_GROUPS).to_arrow_table()
    rows = []
    for group, members in zip(groups.drop(["waits"]).to_pylist(), groups["waits"], strict=True):
        lower_bounds, upper_bounds = group.pop("lower_bounds"), group.pop("upper_bounds")
        common = {
            **group,
            "ci_level": CI_LEVEL,
            "ci_method": CI_METHOD,
            "computed_at": computed_at,
        }
        for row, lower, upper in zip(quantile_rows(_waits(members)), lower_bounds, upper_bounds, strict=True):
            bounds = {"bound_lower_seconds": lower, "bound_upper_seconds": _finite(upper)}
            rows.append({**common, **bounds, **_within(row, lower, upper)})
    return pa.Table.from_pylist(rows, schema=QUEUE_WAIT_QUANTILES.arrow_schema)


def quantile_rows(waits: Waits | None) -> list[dict[str, Any]]:
    """What is estimated of one group: one row a quantile."""
    n = 0 if waits is None else len(waits.lower)
    counts = {
        "n": n,
        "n_censored": 0 if waits is None else int(np.isinf(waits.upper).sum()),
        "n_exact": 0 if waits is None else int((waits.lower == waits.upper).sum()),
    }
    if waits is None or n < MIN_TASKS:
        return [{"quantile": p, "status": "not_enough_data", **counts} for p in QUANTILES]
    estimate = estimated(waits.lower, waits.upper, tolerance=TOLERANCE)
    incidence = cancelled_share(waits)
    return [{**counts, **_quantile_row(estimate, p, incidence)} for p in QUANTILES]


def _within(row: dict[str, Any], lower: float, upper: float) -> dict[str, Any]:
    """The row with its quantile between what is certain of it."""
    ends = {name: row[name] for name in ("wait_seconds_left", "wait_seconds") if row.get(name) is not None}
    return {**row, **{name: min(max(end, lower), upper) for name, end in ends.items()}}


def _quantile_row(estimate: Estimate, p: float, incidence: tuple[Floats, Floats]) -> dict[str, Any]:
    left, right = estimate.quantile(p)
    low, high = quantile_interval(estimate, p, _Z)
    row = {"quantile": p, "ci_lower_seconds": low, "ci_upper_seconds": _finite(high)}
    if np.isinf(right):
        return {**row, "status": "beyond_observed"}
    times, shares = incidence
    position = int(np.searchsorted(times, right, side="right"))
    return {
        **row,
        "status": "ok",
        "wait_seconds": right,
        "wait_seconds_left": left,
        "cancelled_in_queue_share": float(shares[position - 1]) if position else 0.0,
    }


def cancelled_share(waits: Waits) -> tuple[Floats, Floats]:
    """Times and the share of tasks cancelled in the queue by then, by the Aalen-Johansen estimator.

    A start counts at the first sight of it, so the share is late by at most the time between two polls.
    """
    start, cancel = np.isfinite(waits.upper), waits.is_cancelled
    time = np.where(start, waits.upper, np.where(cancel, waits.cancelled, waits.lower))
    order = np.argsort(time, kind="stable")
    time, start, cancel = time[order], start[order], cancel[order]
    distinct, begins = np.unique(time, return_index=True)
    at_risk = len(time) - begins
    starts = np.add.reduceat(start.astype(float), begins)
    cancels = np.add.reduceat(cancel.astype(float), begins)
    waiting = np.concatenate([[1.0], np.cumprod(1 - (starts + cancels) / at_risk)[:-1]])
    return distinct, np.cumsum(waiting * cancels / at_risk)


def _waits(members: pa.ListScalar) -> Waits | None:
    """The waits of a group as DuckDB lists them; None where it lists none."""
    if members.values is None:
        return None
    return Waits(
        *(members.values.field(column.name).to_numpy(zero_copy_only=False) for column in fields(Waits))
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
