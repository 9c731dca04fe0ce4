"""What the next task will wait: the rows of `wait_forecast`, each with its own backtest.

Two methods, both resting on the interval-censored estimate of `npmle.py`, and both on a clock that stands still while the
device is closed (`open_clock.py`). `hour`: the waits of tasks sent at that hour of the day in the last weeks. `depth`: the
time a task of ours took for each position ahead of it, times the depth that the device shows now. A backtest forecasts
each held-out week from the weeks before it and asks where in its forecast each wait fell, and what the forecast cost
(pinball loss) beside the simplest rival, the same quantile of the week before. Waits are intervals there too, so ranks
are estimated as intervals as well.
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
from braket_etl.analysis.open_clock import ALWAYS, OpenClock, open_clocks
from braket_etl.analysis.wait_intervals import Tasks, intervals, read, run_times
from braket_etl.analysis.wait_quantiles import RUN_SHARE
from braket_etl.tables.wait_forecast import WAIT_FORECAST

#: With fewer tasks than this there is no forecast, and no coverage.
MIN_TASKS = 50
#: Neighbouring hours are taken in up to so many tasks: fewer make a forecast of nine in ten cost more than hours differ.
ENOUGH_TASKS = 200
#: How many weeks before the moment of forecasting count.
WEEKS_OF_HISTORY = 8
#: How many weeks are held out, one after the other, to see how good the forecasts were.
WEEKS_HELD_OUT = 4
#: Newest tasks of a device that enter; more would only make it slower.
MAX_TASKS = 5_000
#: How many of a task's neighbouring hours are taken in, on both sides, until there are enough tasks.
_WIDENINGS = (0, 1, 3, 12)
#: A trend counts from so many tasks on, from so many standard errors, and up to a factor of 4 (its logarithm).
_TREND_TASKS, _TREND_Z, _MOST_TREND = 100, 3.5, 1.39
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)
#: What the losses are of, and how many tasks the week before needs for its quantile to be a rival.
_LOSS_LEVELS, _RIVAL_TASKS = (0.5, 0.9), 20
_WEEK = 7 * 86_400.0

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
    epoch(observed_at) AS since,
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

    That is the wait from `origin` on, in units of `scale` seconds. `created` and `since`, which is `origin`, are in seconds
    since 1970, all else by the device's clock.
    """

    created: Floats
    hour: Floats
    since: Floats
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
        """The tasks as one knew them when the clock showed that: a start seen later was not known, the task still waited.

        Without this a backtest would look into the future.
        """
        age = (moment - self.origin) / self.scale
        seen = replace(
            self, lower=np.minimum(self.lower, age), upper=np.where(self.upper > age, np.inf, self.upper)
        )
        return seen.where(age > 0)


@dataclass(frozen=True)
class Device:
    """The tasks of a device by its clock; `is_hidden`: its run times hide its usual waits."""

    sample: Sample
    clock: OpenClock
    is_hidden: bool = False


@dataclass(frozen=True)
class Backtest:
    """How forecasts did in held-out weeks; None where too few tasks were held out.

    Coverage of the 50 % and 90 % intervals, and the mean pinball loss of p50 and p90, ours and the rival's, in seconds.
    """

    coverage_50: float | None = None
    coverage_90: float | None = None
    n: int = 0
    weeks: int = 0
    losses: tuple[float | None, ...] = (None,) * 4


Forecaster = Callable[[Sample, int], tuple[Estimate | None, int, int]]


def compute(connection: duckdb.DuckDBPyConnection, *, now: datetime | None = None) -> pa.Table:
    """All rows of wait_forecast from what is known at `now` (UTC; the present where none is given)."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    rows = [*_hour_rows(connection, moment), *_depth_rows(connection, moment)]
    return pa.Table.from_pylist(
        [{**row, "computed_at": moment} for row in rows], schema=WAIT_FORECAST.arrow_schema
    )


def _hour_rows(connection: duckdb.DuckDBPyConnection, now: datetime) -> Iterable[dict[str, Any]]:
    for device_arn, device in hourly_devices(connection, now).items():
        newest = as_of_now(recent(device.sample, now.timestamp()), now.timestamp())
        backtest = backtested(device, now.timestamp(), by_hour)
        for hour in range(24):
            estimate, n, pooled = by_hour(newest, hour)
            sent = (now if hour == now.hour else next_begin_of(hour, now)).timestamp()
            yield {
                "device_arn": device_arn,
                "method": "hour",
                "hour_utc": hour,
                "n": n,
                "hours_pooled": pooled,
                **(
                    {"status": "not_informative"}
                    if device.is_hidden and estimate
                    else _forecast(estimate, 1.0, device.clock, sent)
                ),
                **_backtest_columns(backtest),
            }


def next_begin_of(hour: int, now: datetime) -> datetime:
    """When that hour of the day begins next, UTC."""
    begin = now.astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    return begin if begin > now else begin + timedelta(days=1)


def hourly_devices(
    connection: duckdb.DuckDBPyConnection, now: datetime, devices: Sequence[str] | None = None
) -> dict[str, Device]:
    """The tasks of the last weeks of each device, or of those that are named, by ARN."""
    clocks = open_clocks(connection)
    found = read(connection, Tasks, since=_since(now), until=now, devices=devices)
    return {
        device: forecast_of(
            device, tasks.where(is_told).where(slice(-MAX_TASKS, None)), clocks.get(device, ALWAYS)
        )
        for device, (tasks, is_told) in found.items()
    }


def forecast_of(device_arn: str, tasks: Tasks, clock: OpenClock) -> Device:
    """The tasks of a device as its forecasts take them."""
    told = intervals(tasks, run_times(device_arn, tasks))
    created = tasks.created[told.used]
    shown = clock.at(created)
    sample = Sample(
        created,
        created // 3600 % 24,
        created,
        shown,
        np.ones(len(created)),
        clock.at(created + told.lower) - shown,
        clock.at(created + told.upper) - shown,
    )
    medians = [np.median(each) if len(each) else 0.0 for each in (told.shortest, told.lower, told.longest)]
    return Device(sample, clock, bool(medians[2] - medians[0] > RUN_SHARE * medians[1]))


def _depth_rows(connection: duckdb.DuckDBPyConnection, now: datetime) -> Iterable[dict[str, Any]]:
    depths = {device: rest for device, *rest in connection.execute(_DEPTHS).fetchall()}
    devices = position_devices(connection, now)
    clocks = open_clocks(connection)
    for device_arn in sorted(depths.keys() | devices.keys()):
        device = devices.get(device_arn, Device(_EMPTY, clocks.get(device_arn, ALWAYS)))
        sample, clock = device.sample, device.clock
        seen_at, depth, back_at = depths.get(device_arn, (None, None, None))
        closed_for = max(0.0, (back_at - now).total_seconds()) if back_at else 0.0
        estimate, n, _ = over_all_hours(recent(sample, now.timestamp()), 0)
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
            **_backtest_columns(backtested(device, now.timestamp(), over_all_hours)),
        }
        # A new task goes behind all that are there, so it is one place further back than the queue is long.
        # While the device is closed none starts, however short its queue is.
        yield {
            **row,
            **(
                _forecast(estimate, depth + 1.0, clock, now.timestamp(), closed_for)
                if depth is not None
                else {"status": "no_depth"}
            ),
        }


def by_hour(sample: Sample, hour: int) -> tuple[Estimate | None, int, int]:
    """The distribution for tasks sent at an hour, the number of tasks behind it and of hours pooled for it.

    Neighbouring hours are taken in until there are enough tasks; without enough there is no estimate.
    """
    distance = np.abs((sample.hour - hour + 12) % 24 - 12)
    for reach in _WIDENINGS:
        near = sample.where(distance <= reach)
        if len(near) >= ENOUGH_TASKS or (len(near) >= MIN_TASKS and reach == _WIDENINGS[-1]):
            return estimated(near.lower, near.upper, tolerance=1e-3), len(near), min(24, 2 * reach + 1)
    return None, len(sample), 24


def as_of_now(sample: Sample, moment: float) -> Sample:
    """The waits as they would be at that moment, seconds since 1970, where they clearly grow or shrink all the time."""
    started = sample.where(np.isfinite(sample.upper))
    if len(started) < _TREND_TASKS:
        return sample
    # of the newest ones only those that waited little have started
    settled = started.where(started.created < moment - np.quantile(started.upper, 0.9))
    if len(settled) < _TREND_TASKS:
        return sample
    weeks = settled.created / _WEEK
    logs = np.log(np.maximum((settled.lower + settled.upper) / 2, 1.0))
    spread = weeks - weeks.mean()
    slope = float(spread @ logs / (spread @ spread))
    error = np.std(logs - slope * spread) / np.sqrt(spread @ spread)
    if abs(slope) < _TREND_Z * error:
        return sample
    factor = np.exp(np.clip(slope * (moment - sample.created) / _WEEK, -_MOST_TREND, _MOST_TREND))
    return replace(sample, lower=sample.lower * factor, upper=sample.upper * factor)


def over_all_hours(sample: Sample, hour: int) -> tuple[Estimate | None, int, int]:
    """The distribution over all tasks, whatever the hour."""
    if len(sample) < MIN_TASKS:
        return None, len(sample), 24
    return estimated(sample.lower, sample.upper, tolerance=1e-3), len(sample), 24


def backtested(device: Device, now: float, forecaster: Forecaster) -> Backtest:
    """How forecasts of held-out weeks, from the weeks before each, fared."""
    clock = device.clock
    lower, upper, weeks = [], [], 0
    losses: list[Floats] = []
    for known, held_out in held_out_weeks(device, now):
        weeks += 1
        week_before = known.between(known.created.max() - _WEEK, np.inf)
        for hour in np.unique(held_out.hour):
            estimate, _, _ = forecaster(known, int(hour))
            if estimate is not None:
                then = held_out.where(held_out.hour == hour)
                lower.append(ranks(estimate, then.lower))
                upper.append(ranks(estimate, then.upper))
                losses.append(_losses(estimate, week_before, then, clock))
    n = sum(map(len, lower))
    if n < MIN_TASKS:
        return Backtest(n=n, weeks=weeks)
    begins, ends = np.concatenate(lower), np.concatenate(upper)
    known_losses = np.concatenate(losses, axis=1)
    known_losses = known_losses[:, np.isfinite(known_losses[0])]
    mean = tuple(known_losses.mean(axis=1).tolist()) if known_losses.size else (None,) * 4
    return Backtest(coverage(begins, ends, 0.5), coverage(begins, ends, 0.9), n, weeks, mean)


def held_out_weeks(device: Device, now: float) -> Iterable[tuple[Sample, Sample]]:
    """What was known at the beginning of each of the last weeks, and the tasks of that week; only where enough was."""
    for back in range(WEEKS_HELD_OUT, 0, -1):
        begin = now - back * _WEEK
        held_out = device.sample.between(begin, begin + _WEEK)
        known = recent(device.sample, begin).as_known_at(float(device.clock.at(np.array(begin))))
        if len(held_out) and len(known) >= MIN_TASKS:
            yield as_of_now(known, begin), held_out


def _losses(estimate: Estimate, week_before: Sample, then: Sample, clock: OpenClock) -> Floats:
    """The pinball losses of p50 and p90, ours and the rival's, one column a task; NaN where its wait is not known."""

    def wall(waits: Floats) -> Floats:
        return clock.when(then.origin + waits * then.scale)

    middle = np.where(np.isfinite(then.upper), (then.lower + then.upper) / 2, np.nan)
    true = wall(middle)
    ours = [wall(np.full(len(then), estimate.quantile(level)[1])) for level in _LOSS_LEVELS]
    rivals = [np.full(len(then), np.nan)] * len(_LOSS_LEVELS)
    if len(week_before) >= _RIVAL_TASKS:
        # what a clock on the wall showed: the rival knows no windows
        waited = [
            clock.when(week_before.origin + ends * week_before.scale) - week_before.since
            for ends in (week_before.lower, week_before.upper)
        ]
        last = estimated(waited[0], np.maximum(*waited), tolerance=1e-2)
        rivals = [then.since + last.quantile(level)[1] for level in _LOSS_LEVELS]
    losses = [
        np.maximum(level * (true - told), (level - 1) * (true - told))
        for level, told in zip(_LOSS_LEVELS * 2, (*ours, *rivals), strict=True)
    ]
    known = np.all(np.isfinite(losses), axis=0)
    return np.where(known, np.array(losses), np.nan)


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
    """The estimated distribution function at a value, its mass spread evenly over each finite stretch; 1 at infinity."""
    if value == np.inf:
        return 1.0
    inside = np.where(
        estimate.right <= value,
        1.0,
        np.clip((value - estimate.left) / np.maximum(estimate.right - estimate.left, 1e-300), 0.0, 1.0),
    )
    return float(inside @ estimate.mass)


def _forecast(
    estimate: Estimate | None, scale: float, clock: OpenClock, sent: float, least: float = 0.0
) -> dict[str, Any]:
    """The levels of a forecast for a task that is sent then, seconds since 1970; none is under `least` seconds."""
    if estimate is None:
        return {"status": "not_enough_data"}
    names = [f"wait_p{level * 100:02.0f}_seconds" for level in _LEVELS]
    ends = [estimate.quantile(level) for level in _LEVELS]
    # An interval is widened to what the data leave open: its lower ends to the left, its upper ones to the right.
    values = [left if level < 0.5 else right for level, (left, right) in zip(_LEVELS, ends, strict=True)]
    shown = clock.at(np.array(sent))
    waits = clock.when(shown + np.array(values) * scale) - sent
    return {"status": "ok", **{n: _finite(max(w, least)) for n, w in zip(names, waits.tolist(), strict=True)}}


def _backtest_columns(backtest: Backtest) -> dict[str, Any]:
    return {
        "backtest_coverage_50": backtest.coverage_50,
        "backtest_coverage_90": backtest.coverage_90,
        "backtest_n": backtest.n,
        "backtest_weeks": backtest.weeks,
        **dict(zip(_LOSS_NAMES, backtest.losses, strict=True)),
    }


_LOSS_NAMES = ("loss_p50_seconds", "loss_p90_seconds", "rival_loss_p50_seconds", "rival_loss_p90_seconds")


def _since(now: datetime) -> datetime:
    return now - timedelta(weeks=WEEKS_OF_HISTORY + WEEKS_HELD_OUT)


def position_devices(connection: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, Device]:
    """What places in the queue took on each device in the last weeks, by ARN."""
    clocks = open_clocks(connection)
    samples = dict(_samples(connection, _PER_POSITION, now))
    return {
        name: Device(_by_clock(sample, clocks.get(name, ALWAYS)), clocks.get(name, ALWAYS))
        for name, sample in samples.items()
    }


def _by_clock(sample: Sample, clock: OpenClock) -> Sample:
    """Positions' waits, which begin when they were seen, by the device's clock."""
    shown = clock.at(sample.origin)
    ends = [
        (clock.at(sample.origin + end * sample.scale) - shown) / sample.scale
        for end in (sample.lower, sample.upper)
    ]
    return replace(sample, origin=shown, lower=ends[0], upper=ends[1])


def recent(sample: Sample, moment: float) -> Sample:
    """The tasks of the weeks that count at a moment, seconds since 1970."""
    return sample.between(moment - WEEKS_OF_HISTORY * _WEEK, moment)


def _samples(
    connection: duckdb.DuckDBPyConnection, query: str, now: datetime
) -> Iterable[tuple[str, Sample]]:
    found = connection.execute(query, {"since": _since(now), "now": now, "limit": MAX_TASKS}).fetchall()
    for device_arn, members in groupby(found, key=itemgetter(0)):
        yield device_arn, _sample([row[1:] for row in members])


def _sample(rows: Sequence[Sequence[Any]]) -> Sample:
    return Sample(*np.array(rows, float).reshape(-1, len(fields(Sample))).T)


_EMPTY = _sample([])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
