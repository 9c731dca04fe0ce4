"""What the next task will wait: the rows of `wait_forecast`, each with its own backtest.

Two methods, both resting on the interval-censored estimate of `npmle.py`. `hour`: the waits of tasks sent at that
hour of the day in the last weeks. `depth`: the time a task of ours took for each position ahead of it, times the
depth that the device shows now. A backtest forecasts each held-out week from the weeks before it and asks where in
its forecast each wait fell. Waits are intervals there too, so these ranks are estimated as intervals as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from braket_etl.analysis.npmle import Estimate, Floats, estimated
from braket_etl.tables.wait_forecast import WAIT_FORECAST

#: With fewer tasks than this there is no forecast, and no coverage.
MIN_TASKS = 50
#: How many weeks before the moment of forecasting count.
WEEKS_OF_HISTORY = 8
#: How many weeks are held out, one after the other, to see how good the forecasts were.
WEEKS_HELD_OUT = 4
#: Newest tasks of a device that enter; more would only make it slower.
MAX_TASKS = 5_000
#: How many of a task's neighbouring hours are taken in, on both sides, until there are enough tasks.
_WIDENINGS = (0, 1, 3, 12)
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_WEEK = 7 * 86_400.0

_HOURLY = """
SELECT
    device_arn,
    epoch(created_at) AS created,
    hour(created_at AT TIME ZONE 'UTC') AS hour,
    epoch(created_at) AS origin,
    1 AS scale,
    stat_seconds_lower AS lower,
    coalesce(stat_seconds_upper, 'infinity'::DOUBLE) AS upper
FROM waits
WHERE record_kind = 'task' AND is_estimated_from AND created_at >= $since AND created_at < $now
QUALIFY row_number() OVER (PARTITION BY device_arn ORDER BY created_at DESC) <= $limit
ORDER BY device_arn, created_at
"""

# The first position that a task was seen at, and what it still waited from then on, per position.
_PER_POSITION = """
WITH first_positions AS (
    SELECT quantum_task_arn, observed_at, position
    FROM task_observations
    WHERE position > 0 AND NOT is_capped AND queue_priority IS DISTINCT FROM 'Priority'
    QUALIFY row_number() OVER (PARTITION BY quantum_task_arn ORDER BY observed_at) = 1
),
remaining AS (
    SELECT
        w.device_arn, w.created_at, p.observed_at, p.position,
        (epoch_us(p.observed_at) - epoch_us(w.created_at)) / 1e6 AS waited,
        w.stat_seconds_lower, w.stat_seconds_upper
    FROM first_positions AS p
    JOIN waits AS w ON w.record_arn = p.quantum_task_arn
    WHERE w.record_kind = 'task' AND w.is_counted AND w.created_at >= $since AND w.created_at < $now
)
SELECT
    device_arn,
    epoch(created_at) AS created,
    0 AS hour,
    epoch(observed_at) AS origin,
    position AS scale,
    greatest(0, stat_seconds_lower - waited) / position AS lower,
    CASE WHEN stat_seconds_upper IS NULL THEN 'infinity'::DOUBLE
        ELSE greatest(0, stat_seconds_lower - waited, stat_seconds_upper - waited) / position END AS upper
FROM remaining
QUALIFY row_number() OVER (PARTITION BY device_arn ORDER BY created_at DESC) <= $limit
ORDER BY device_arn, created_at
"""

_DEPTHS = """
SELECT o.device_arn, o.last_observed_at,
    CASE WHEN normal_tasks_queue_is_capped OR coalesce(priority_tasks_queue_is_capped, false) THEN NULL
        ELSE normal_tasks_queue_size + coalesce(priority_tasks_queue_size, 0) END AS depth,
    d.expected_back_at
FROM device_observations AS o
JOIN device_now AS d ON d.device_arn = o.device_arn
QUALIFY row_number() OVER (PARTITION BY o.device_arn ORDER BY o.observed_at DESC) = 1
"""


@dataclass(frozen=True)
class Sample:
    """Tasks of one device: when and at which UTC hour they were sent, and the interval of what is forecast.

    That is the wait from `origin` on, in units of `scale` seconds; instants are seconds since 1970.
    """

    created: Floats
    hour: Floats
    origin: Floats
    scale: Floats
    lower: Floats
    upper: Floats

    def __len__(self) -> int:
        return len(self.created)

    def where(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Sample:
        """The tasks that the mask picks."""
        return Sample(*(getattr(self, column.name)[mask] for column in fields(self)))

    def between(self, begin: float, end: float) -> Sample:
        """The tasks sent in [begin, end), seconds since 1970."""
        return self.where((self.created >= begin) & (self.created < end))

    def as_known_at(self, moment: float) -> Sample:
        """The tasks as one knew them then: a start seen later was not known, the task was still waiting.

        Without this a backtest would look into the future.
        """
        age = (moment - self.origin) / self.scale
        seen = replace(
            self, lower=np.minimum(self.lower, age), upper=np.where(self.upper > age, np.inf, self.upper)
        )
        return seen.where(age > 0)


@dataclass(frozen=True)
class Backtest:
    """Coverage of the 50 % and 90 % intervals in held-out weeks; None where too few tasks were held out."""

    coverage_50: float | None = None
    coverage_90: float | None = None
    n: int = 0
    weeks: int = 0


Forecaster = Callable[[Sample, int], tuple[Estimate | None, int, int]]


def compute(connection: duckdb.DuckDBPyConnection, *, now: datetime | None = None) -> pa.Table:
    """All rows of wait_forecast from what is known at `now` (UTC; the present where none is given)."""
    moment = now or datetime.now(UTC)
    rows = [*_hour_rows(connection, moment), *_depth_rows(connection, moment)]
    return pa.Table.from_pylist(
        [{**row, "computed_at": moment} for row in rows], schema=WAIT_FORECAST.arrow_schema
    )


def _hour_rows(connection: duckdb.DuckDBPyConnection, now: datetime) -> Iterable[dict[str, Any]]:
    for device_arn, sample in _samples(connection, _HOURLY, now):
        recent = _recent(sample, now.timestamp())
        backtest = backtested(sample, now.timestamp(), by_hour)
        for hour in range(24):
            estimate, n, pooled = by_hour(recent, hour)
            yield {
                "device_arn": device_arn,
                "method": "hour",
                "hour_utc": hour,
                "n": n,
                "hours_pooled": pooled,
                **_forecast(estimate, 1.0),
                **_backtest_columns(backtest),
            }


def _depth_rows(connection: duckdb.DuckDBPyConnection, now: datetime) -> Iterable[dict[str, Any]]:
    depths = {device: rest for device, *rest in connection.execute(_DEPTHS).fetchall()}
    samples = dict(_samples(connection, _PER_POSITION, now))
    for device_arn in sorted(depths.keys() | samples.keys()):
        sample = samples.get(device_arn, _EMPTY)
        seen_at, depth, back_at = depths.get(device_arn, (None, None, None))
        closed_for = max(0.0, (back_at - now).total_seconds()) if back_at else 0.0
        estimate, n, _ = over_all_hours(_recent(sample, now.timestamp()), 0)
        median = _finite(estimate.quantile(0.5)[1]) if estimate else None
        row = {
            "device_arn": device_arn,
            "method": "depth",
            "hour_utc": -1,
            "n": n,
            "depth": depth,
            "depth_at": seen_at,
            "expected_back_at": back_at,
            "drain_rate_per_hour": 3600.0 / median if median else None,
            **_backtest_columns(backtested(sample, now.timestamp(), over_all_hours)),
        }
        # A new task goes behind all that are there, so it is one place further back than the queue is long.
        # While the device is closed none starts, however short its queue is.
        yield {
            **row,
            **(_forecast(estimate, depth + 1.0, closed_for) if depth is not None else {"status": "no_depth"}),
        }


def by_hour(sample: Sample, hour: int) -> tuple[Estimate | None, int, int]:
    """The distribution for tasks sent at an hour, the number of tasks behind it and of hours pooled for it.

    Neighbouring hours are taken in until there are enough tasks; without enough there is no estimate.
    """
    distance = np.abs((sample.hour - hour + 12) % 24 - 12)
    for reach in _WIDENINGS:
        near = sample.where(distance <= reach)
        if len(near) >= MIN_TASKS:
            return estimated(near.lower, near.upper, tolerance=1e-3), len(near), min(24, 2 * reach + 1)
    return None, len(sample), 24


def over_all_hours(sample: Sample, hour: int) -> tuple[Estimate | None, int, int]:
    """The distribution over all tasks, whatever the hour."""
    if len(sample) < MIN_TASKS:
        return None, len(sample), 24
    return estimated(sample.lower, sample.upper, tolerance=1e-3), len(sample), 24


def backtested(sample: Sample, now: float, forecaster: Forecaster) -> Backtest:
    """How often waits of held-out weeks fell into the intervals forecast from the weeks before each."""
    lower, upper, weeks = [], [], 0
    for back in range(WEEKS_HELD_OUT, 0, -1):
        begin = now - back * _WEEK
        held_out = sample.between(begin, begin + _WEEK)
        known = _recent(sample, begin).as_known_at(begin)
        if not len(held_out) or len(known) < MIN_TASKS:
            continue
        weeks += 1
        for hour in np.unique(held_out.hour):
            estimate, _, _ = forecaster(known, int(hour))
            if estimate is not None:
                then = held_out.where(held_out.hour == hour)
                lower.append(ranks(estimate, then.lower))
                upper.append(ranks(estimate, then.upper))
    n = sum(map(len, lower))
    if n < MIN_TASKS:
        return Backtest(n=n, weeks=weeks)
    begins, ends = np.concatenate(lower), np.concatenate(upper)
    return Backtest(coverage(begins, ends, 0.5), coverage(begins, ends, 0.9), n, weeks)


def ranks(estimate: Estimate, waits: Floats) -> Floats:
    """Where the waits fall in the estimated distribution, 0 to 1; its mass is spread evenly over each stretch."""
    ends = np.column_stack([estimate.left, estimate.right]).ravel()
    reached = np.concatenate([[0.0], estimate.cumulative])
    levels = np.column_stack([reached[:-1], reached[1:]]).ravel()
    finite = np.isfinite(ends)
    within = np.interp(waits, ends[finite], levels[finite], left=0.0, right=float(levels[finite][-1]))
    return np.where(np.isinf(waits), 1.0, within)


def coverage(lower: Floats, upper: Floats, level: float) -> float:
    """The share of ranks, known as intervals, in the middle `level` of the forecast."""
    estimate = estimated(lower, np.maximum(lower, upper), tolerance=1e-3)
    tail = (1 - level) / 2
    return float(distribution(estimate, 1 - tail) - distribution(estimate, tail))


def distribution(estimate: Estimate, value: float) -> float:
    """The estimated distribution function at a value, its mass spread evenly over each finite stretch."""
    inside = np.where(
        estimate.right <= value,
        1.0,
        np.clip((value - estimate.left) / np.maximum(estimate.right - estimate.left, 1e-300), 0.0, 1.0),
    )
    return float(inside @ estimate.mass)


def _forecast(estimate: Estimate | None, scale: float, least: float = 0.0) -> dict[str, Any]:
    if estimate is None:
        return {"status": "not_enough_data"}
    names = (
        "wait_p05_seconds",
        "wait_p25_seconds",
        "wait_p50_seconds",
        "wait_p75_seconds",
        "wait_p95_seconds",
    )
    ends = [estimate.quantile(level) for level in _LEVELS]
    # An interval is widened to what the data leave open: its lower ends to the left, its upper ones to the right.
    values = [left if level < 0.5 else right for level, (left, right) in zip(_LEVELS, ends, strict=True)]
    return {"status": "ok", **{n: _finite(max(v * scale, least)) for n, v in zip(names, values, strict=True)}}


def _backtest_columns(backtest: Backtest) -> dict[str, Any]:
    return {
        "backtest_coverage_50": backtest.coverage_50,
        "backtest_coverage_90": backtest.coverage_90,
        "backtest_n": backtest.n,
        "backtest_weeks": backtest.weeks,
    }


def _recent(sample: Sample, moment: float) -> Sample:
    return sample.between(moment - WEEKS_OF_HISTORY * _WEEK, moment)


def _samples(
    connection: duckdb.DuckDBPyConnection, query: str, now: datetime
) -> Iterable[tuple[str, Sample]]:
    since = now - timedelta(weeks=WEEKS_OF_HISTORY + WEEKS_HELD_OUT)
    found = connection.execute(query, {"since": since, "now": now, "limit": MAX_TASKS}).fetchall()
    for device_arn, members in groupby(found, key=itemgetter(0)):
        yield device_arn, _sample([row[1:] for row in members])


def _sample(rows: Sequence[Sequence[Any]]) -> Sample:
    return Sample(*np.array(rows, float).reshape(-1, len(fields(Sample))).T)


_EMPTY = _sample([])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
