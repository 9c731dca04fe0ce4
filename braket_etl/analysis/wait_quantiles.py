"""Quantiles of queue waits by device and week: the rows of `queue_wait_quantiles`.

What counts as a wait is said in sql/models/waits.sql, what each task says of its own in `wait_intervals.py`, how a
distribution is estimated from them in `npmle.py`; here they meet. Reads through a DuckDB connection and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from braket_etl.analysis.npmle import Estimate, Floats, estimated, quantile_interval
from braket_etl.analysis.run_times import RunTimes
from braket_etl.analysis.wait_intervals import Intervals, Mask, Tasks, intervals, read, run_times
from braket_etl.tables.queue_wait_quantiles import QUEUE_WAIT_QUANTILES

QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
CI_LEVEL = 0.9
CI_METHOD = (
    "observed information, logit scale, inverted test; widened by batches and by the range of run times"
)
#: With fewer tasks than this no quantile is estimated, and with so few independent ones.
MIN_TASKS, MIN_EFFECTIVE = 20, 10
#: With fewer batches of tasks above a quantile than this it is not told, nor with fewer independent tasks than the second:
#: how many those are is uncertain itself where there are few batches.
BATCHES_ABOVE, MIN_ABOVE = 5, 3
#: A quantile counts as known where what the data leave open, and what run times do, is within this part of it.
OPEN_SHARE, RUN_SHARE = 0.25, 0.35
#: Where run times hide the median, by that part of a quantile times the root of the share of tasks above it; by a quarter of
#: that where they are more than the second of the median.
TAIL_SHARE, HIDDEN_SHARE = 0.28, 0.45
#: From this part on what is left of turnarounds may not depend on run times, by more than so many standard errors.
SOME_RUN_SHARE, RUN_Z = 0.05, 2.5
#: The newest tasks of a device, and of a device in a week, that enter; more would be slower and hardly sharper.
MAX_TASKS = {"device": 5_000, "device_week": 2_000}
#: How far from its maximum the log-likelihood may stay: far less than what moves an estimate by its error.
TOLERANCE = 1e-4

_MEDIAN = QUANTILES.index(0.5)
#: The first Monday of 1970, and a week, in seconds.
_MONDAY, _WEEK = 4 * 86_400.0, 7 * 86_400.0
#: A wait is not taken to be shorter where one is divided by, in seconds.
_INSTANT = 1e-6
_Z = NormalDist().inv_cdf(0.5 + CI_LEVEL / 2)


@dataclass(frozen=True)
class Waits(Tasks):
    """The tasks of one group, and which of them were cancelled in the queue, after how many seconds."""

    is_cancelled: Mask
    cancelled: Floats


def compute(connection: duckdb.DuckDBPyConnection, *, now: datetime | None = None) -> pa.Table:
    """All rows of queue_wait_quantiles from waits, as of `now` (UTC; the present where none is given)."""
    common = {"ci_level": CI_LEVEL, "ci_method": CI_METHOD, "computed_at": now or datetime.now(UTC)}
    rows = [
        {**row, "device_arn": device, **common}
        for device, (waits, is_told) in read(connection, Waits).items()
        for row in device_rows(device, waits, is_told)
    ]
    rows.sort(key=lambda row: row["scope"])
    return pa.Table.from_pylist(rows, schema=QUEUE_WAIT_QUANTILES.arrow_schema)


def device_rows(device: str, waits: Waits, is_told: Mask) -> Iterable[dict[str, Any]]:
    """The rows of a device and of each of its weeks, from its tasks in order of creation.

    `is_told`: of which of them an estimate is made. What each says of its wait is found for all weeks at once.
    """
    known = waits.where(is_told)
    runs = run_times(device, known.where(slice(-MAX_TASKS["device"], None)))
    line = runs.usual_line if "/qpu/" in device else None
    usual = {"run_seconds_base": line and line.base, "run_seconds_per_shot": line and line.per_shot}
    told = intervals(known, runs)
    cancelled = np.where(known.is_cancelled, known.cancelled, np.nan)[told.used]
    before_known, before_used = (np.concatenate([[0], np.cumsum(mask)]) for mask in (is_told, told.used))
    for scope, week_start, begin, end in _groups(waits):
        first, last = max(before_known[begin], before_known[end] - MAX_TASKS[scope]), before_known[end]
        used = slice(before_used[first], before_used[last])
        group = {
            "scope": scope,
            "week_start": week_start,
            "n_bounds_only": end
            - begin
            - before_known[end]
            + before_known[begin]
            + last
            - first
            - used.stop
            + used.start,
            **usual,
        }
        bounds = waits.at_least[begin:end], waits.at_most[begin:end]
        yield from ({**group, **row} for row in _rows(told.where(used), cancelled[used], bounds))


def _groups(waits: Waits) -> Iterable[tuple[str, date | None, int, int]]:
    """Scope, Monday of the week (UTC), begin and end of each group of tasks, which are in order of creation."""
    yield "device", None, 0, len(waits)
    weeks = (waits.created - _MONDAY) // _WEEK
    begins = [0, *(np.flatnonzero(np.diff(weeks)) + 1).tolist()]
    for begin, end in pairwise([*begins, len(waits)]):
        yield "device_week", date(1970, 1, 5) + timedelta(weeks=int(weeks[begin])), begin, end


def _discrete(values: Floats, levels: Sequence[float]) -> list[float | None]:
    """The quantiles at these levels, each one of the values, as quantile_disc has them; None for infinity."""
    n = len(values)
    if not n:
        return [None] * len(levels)
    places = [min(n, max(1, n - int(n - p * n))) - 1 for p in levels]
    return [_finite(value) for value in np.partition(values, places)[places].tolist()]


def quantile_rows(waits: Waits, runs: RunTimes) -> list[dict[str, Any]]:
    """What is told of one group: one row a quantile."""
    told = intervals(waits, runs)
    cancelled = np.where(waits.is_cancelled, waits.cancelled, np.nan)[told.used]
    return _rows(told, cancelled, (waits.at_least, waits.at_most))


def _rows(told: Intervals, cancelled: Floats, bounds: tuple[Floats, Floats]) -> list[dict[str, Any]]:
    """The rows of one group, each between what is certain of it.

    `bounds` hold the wait of each task that counts for certain, whatever the distribution of waits is. `cancelled`: after
    how many seconds a task of `told` was cancelled in the queue, else NaN.
    """
    certain = [_discrete(ends, QUANTILES) for ends in bounds]
    rows = []
    for row, lower, upper in zip(_estimates(told, cancelled), *certain, strict=True):
        row |= {"bound_lower_seconds": lower, "bound_upper_seconds": upper}
        if row["status"] == "not_informative":
            row |= _margin(row["quantile"], row["n_effective"], bounds)
        rows.append(_within(row, lower or 0.0, np.inf if upper is None else upper))
    return rows


def _margin(p: float, effective: float, bounds: tuple[Floats, Floats]) -> dict[str, float | None]:
    """The interval of a quantile by the bounds of tasks alone: what is certain of these tasks, widened as of a sample."""
    margin = _student(effective) * np.sqrt(p * (1 - p) / effective)
    low, high = max(0.0, p - margin), p + margin
    return {
        "ci_lower_seconds": _discrete(bounds[0], (low,))[0],
        "ci_upper_seconds": _discrete(bounds[1], (high,))[0] if high < 1 else None,
    }


def _estimates(told: Intervals, cancelled: Floats) -> list[dict[str, Any]]:
    """What is estimated of one group: one row a quantile."""
    n = len(told.lower)
    counts = {
        "n": n,
        "n_censored": int(np.isinf(told.upper).sum()),
        "n_exact": int((told.source == "e").sum()),
        **{f"share_{name}": float((told.source == name[0]).mean()) if n else None for name in _SHARES},
    }
    if n < MIN_TASKS:
        return [{"quantile": p, "status": "not_enough_data", **counts} for p in QUANTILES]
    estimate = estimated(told.lower, told.upper, tolerance=TOLERANCE)
    batches, excess = excess_variance(told, estimate)
    effective = n / excess
    counts["n_effective"] = effective
    if effective < MIN_EFFECTIVE:
        return [{"quantile": p, "status": "not_enough_data", **counts} for p in QUANTILES]
    incidence = cancelled_share(told.lower, told.upper, np.isfinite(cancelled), cancelled)
    moved = moved_by_runs(told)
    limits = _allowed(moved, [estimate.quantile(p)[1] for p in QUANTILES])
    return [
        {**counts, **_quantile_row(told, estimate, p, (batches, effective), tuple(by), allowed, incidence)}
        for p, by, allowed in zip(QUANTILES, moved.tolist(), limits, strict=True)
    ]


def _allowed(moved: Floats, quantiles: Sequence[float]) -> list[float]:
    """By which part of itself each quantile may be moved by run times.

    Where they hide the median, those above it must be long beside runs that are as much rarer: runs of any distribution
    with a variance grow with 1 / sqrt(1 - p) at most. The median decides which it is, and not the quantile itself: one that
    was told where it happens to be large would be told too large.
    """
    part = float(moved[_MEDIAN].sum()) / max(quantiles[_MEDIAN], _INSTANT)
    if part <= RUN_SHARE:
        return [RUN_SHARE] * len(QUANTILES)
    tail = TAIL_SHARE if part <= HIDDEN_SHARE else TAIL_SHARE / 4
    return [min(RUN_SHARE, tail * float(np.sqrt(1 - p))) for p in QUANTILES]


_SHARES = ("event", "polls", "turnaround")


def excess_variance(told: Intervals, estimate: Estimate) -> tuple[int, float]:
    """The number of batches, and by how much the variance exceeds that of as many independent tasks; at least 1.

    For each quantile the chance of each task to lie below it is added up by batch: the squares of these sums by those of
    single tasks. One number for all quantiles, as far in the tail there are too few batches to tell.
    """
    order = np.argsort(told.batch, kind="stable")
    begins = np.flatnonzero(np.diff(told.batch[order], prepend=np.nan) != 0)
    if len(begins) in (1, len(order)):
        return len(begins), len(order) / len(begins)
    lower, upper = told.lower[order], told.upper[order]
    below_lower, below_upper = estimate.reached(lower), estimate.reached(upper)
    width = below_upper - below_lower
    levels = np.array(QUANTILES[:-1])[:, None]
    inside = np.clip((levels - below_lower) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    ends = np.array([estimate.quantile(p)[1] for p in QUANTILES[:-1]])[:, None]
    chance = np.where(width > 0, inside, upper <= ends)
    rest = (chance - chance.mean(axis=1, keepdims=True)) / np.sqrt(levels * (1 - levels))
    together, alone = (np.add.reduceat(rest, begins, axis=1) ** 2).sum(), (rest**2).sum()
    few = len(begins) / (len(begins) - 1)
    return len(begins), max(1.0, few * float(together / alone)) if alone else 1.0


def _within(row: dict[str, Any], lower: float, upper: float) -> dict[str, Any]:
    """The row with its quantile between what is certain of it, and its interval around that."""
    if row.get("wait_seconds") is None:
        return row
    left, wait = (min(max(row[name], lower), upper) for name in ("wait_seconds_left", "wait_seconds"))
    high = row["ci_upper_seconds"]
    return {
        **row,
        "wait_seconds_left": left,
        "wait_seconds": wait,
        "ci_lower_seconds": min(row["ci_lower_seconds"], wait),
        "ci_upper_seconds": None if high is None else max(high, wait),
    }


def _quantile_row(
    told: Intervals,
    estimate: Estimate,
    p: float,
    independent: tuple[int, float],
    moved: tuple[float, float],
    allowed: float,
    incidence: tuple[Floats, Floats],
) -> dict[str, Any]:
    """One quantile, from so many batches, or independent tasks; run times move it down and up, and may by a part of it."""
    (batches, effective), (down, up) = independent, moved
    left, right = estimate.quantile(p)
    if np.isinf(right):
        low = quantile_interval(estimate, p, _Z)[0]
        return {"quantile": p, "status": "beyond_observed", "ci_lower_seconds": low}
    low, high = quantile_interval(estimate, p, _student(effective) * np.sqrt(estimate.weight / effective))
    row = {"quantile": p, "ci_lower_seconds": max(0.0, low - down), "ci_upper_seconds": _finite(high + up)}
    by_runs = down + up > SOME_RUN_SHARE * right and depends_on_run(told, right, effective)
    if right - left > OPEN_SHARE * right or down + up > allowed * right or by_runs:
        return {"quantile": p, "status": "not_informative"}
    if batches * (1 - p) < BATCHES_ABOVE or effective * (1 - p) < MIN_ABOVE:
        return {**row, "ci_upper_seconds": None, "status": "not_enough_data"}
    times, shares = incidence
    position = int(np.searchsorted(times, right, side="right"))
    return {
        **row,
        "status": "ok",
        "wait_seconds": right,
        "wait_seconds_left": left,
        "cancelled_in_queue_share": float(shares[position - 1]) if position else 0.0,
    }


def moved_by_runs(told: Intervals) -> Floats:
    """By how many seconds the longest likely runs move each quantile down, and the shortest up.

    That of the tasks which turnarounds tell of, times their share: what the others say stays as it is. To estimate anew with
    other runs would take the gaps between what few tasks say for the doubt.
    """
    by_run = told.source == "t"
    if not by_run.any():
        return np.zeros((len(QUANTILES), 2))
    ends = [each[by_run] for each in (told.shortest, told.lower, told.longest)]
    shortest, usual, longest = np.quantile(ends, QUANTILES, axis=1).T
    return float(by_run.mean()) * np.column_stack([usual - shortest, longest - usual])


def depends_on_run(told: Intervals, wait: float, effective: float) -> bool:
    """Whether tasks that run long waited longer than that clearly more often than others.

    A queue does not know how long a task will run; where what is left of turnarounds depends on it, run times are not known.
    """
    by_run = told.source == "t"
    longer, run = (told.lower[by_run] > wait).astype(float), told.run[by_run]
    spread = longer.std() * run.std() if len(run) else 0.0
    if spread <= 0:
        return False
    correlation = np.mean((longer - longer.mean()) * (run - run.mean())) / spread
    return bool(correlation * np.sqrt(len(run) * effective / len(told.lower)) > RUN_Z)


def _student(effective: float) -> float:
    """The normal quantile of the level, widened as Student's is for so few independent tasks."""
    return _Z * (1 + (_Z**2 + 1) / (4 * max(effective - 1, 1)))


def cancelled_share(lower: Floats, upper: Floats, cancel: Mask, cancelled: Floats) -> tuple[Floats, Floats]:
    """Times and the share of tasks cancelled in the queue by then, by the Aalen-Johansen estimator.

    A start counts as late as it may have been, so the share is late by at most the time between two polls.
    """
    if not cancel.any():
        return np.zeros(1), np.zeros(1)
    start = np.isfinite(upper)
    time = np.where(start, upper, np.where(cancel, cancelled, lower))
    order = np.argsort(time, kind="stable")
    time, start, cancel = time[order], start[order], cancel[order]
    distinct, begins = np.unique(time, return_index=True)
    at_risk = len(time) - begins
    starts = np.add.reduceat(start.astype(float), begins)
    cancels = np.add.reduceat(cancel.astype(float), begins)
    waiting = np.concatenate([[1.0], np.cumprod(1 - (starts + cancels) / at_risk)[:-1]])
    return distinct, np.cumsum(waiting * cancels / at_risk)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
