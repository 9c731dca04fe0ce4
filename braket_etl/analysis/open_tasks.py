"""What each task that waits has still to wait: the rows of `open_task_forecast`.

By its place in the queue, where Braket shows one: the time that places took before, times its place, less what has gone
by since. Otherwise by history: of the waits on the device those that were longer. Both by the device's clock, which
stands still while it is closed. The backtest asks in held-out weeks how many started within what was forecast then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from braket_etl.analysis.forecast import (
    MIN_TASKS,
    Device,
    Sample,
    distribution,
    held_out_weeks,
    hourly_devices,
    over_all_hours,
    position_devices,
    ranks,
    recent,
)
from braket_etl.analysis.npmle import Estimate, Floats, estimated
from braket_etl.analysis.open_clock import ALWAYS, OpenClock
from braket_etl.tables.open_task_forecast import OPEN_TASK_FORECAST

_LEVELS = (0.5, 0.9)
#: At these quantiles of waits the backtest looks at tasks that still wait.
_LOOKED_AT = (0.25, 0.5, 0.75)

_WAITING = """
SELECT
    w.record_arn AS quantum_task_arn,
    w.device_arn,
    epoch(w.created_at) AS created,
    greatest(0, epoch($now::TIMESTAMPTZ) - epoch(w.created_at)) AS waited_seconds,
    p.position,
    epoch(p.last_observed_at) AS seen,
    d.expected_back_at
FROM waits AS w
LEFT JOIN (
    SELECT quantum_task_arn, position, last_observed_at
    FROM task_observations
    WHERE position > 0 AND NOT is_capped AND queue_priority IS DISTINCT FROM 'Priority'
    QUALIFY row_number() OVER (PARTITION BY quantum_task_arn ORDER BY observed_at DESC) = 1
) AS p ON p.quantum_task_arn = w.record_arn
LEFT JOIN device_now AS d ON d.device_arn = w.device_arn
WHERE w.record_kind = 'task' AND w.is_waiting
ORDER BY w.record_arn
"""

#: Where waits fall in what was forecast of them, as intervals.
Ranks = Callable[[Estimate, Sample], tuple[Floats, Floats]]


def compute(connection: duckdb.DuckDBPyConnection, *, now: datetime | None = None) -> pa.Table:
    """All rows of open_task_forecast from what is known at `now` (UTC; the present where none is given)."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    found = connection.execute(_WAITING, {"now": moment}).to_arrow_table().to_pylist()
    rows: list[dict[str, Any]] = []
    if found:
        devices = sorted({task["device_arn"] for task in found})
        by_history = {
            name: _History(device, moment)
            for name, device in hourly_devices(connection, moment, devices).items()
        }
        by_position = {
            name: _Places(device, moment) for name, device in position_devices(connection, moment).items()
        }
        for task in found:
            device = task["device_arn"]
            rows.append(_row(task, by_position.get(device), by_history.get(device), moment))
    return pa.Table.from_pylist(rows, schema=OPEN_TASK_FORECAST.arrow_schema)


class _Places:
    """What each place ahead took on a device, and how forecasts from it fared."""

    basis = "position"

    def __init__(self, device: Device, now: datetime) -> None:
        self.clock = device.clock
        self.estimate, *_ = over_all_hours(recent(device.sample, now.timestamp()), 0)
        self.backtest = _backtest(device, now.timestamp(), _ranks)

    def remaining(self, task: dict[str, Any], level: float, shown: float) -> float | None:
        """Seconds by the clock, which shows `shown` now."""
        if self.estimate is None or task["position"] is None:
            return None
        a_place = self.estimate.quantile(level)[1]
        gone = shown - float(self.clock.at(np.array(task["seen"])))
        return max(0.0, a_place * task["position"] - gone) if np.isfinite(a_place) else None


class _History:
    """The waits on a device, and how forecasts from them fared."""

    basis = "history"

    def __init__(self, device: Device, now: datetime) -> None:
        self.clock = device.clock
        self.estimate, *_ = over_all_hours(recent(device.sample, now.timestamp()), 0)
        self.backtest = _backtest(device, now.timestamp(), _ranks_of_longer)

    def remaining(self, task: dict[str, Any], level: float, shown: float) -> float | None:
        """Seconds by the clock, which shows `shown` now."""
        if self.estimate is None:
            return None
        waited = shown - float(self.clock.at(np.array(task["created"])))
        passed = distribution(self.estimate, waited)
        if (1 - passed) * self.estimate.weight < 1:
            return None  # it has waited longer than any other
        longer = self.estimate.quantile(passed + level * (1 - passed))[1]
        return max(0.0, longer - waited) if np.isfinite(longer) else None


def _row(
    task: dict[str, Any], places: _Places | None, history: _History | None, now: datetime
) -> dict[str, Any]:
    row = {name: task[name] for name in ("quantum_task_arn", "device_arn", "waited_seconds", "position")}
    clock: OpenClock = places.clock if places else history.clock if history else ALWAYS
    shown = float(clock.at(np.array(now.timestamp())))
    back = task["expected_back_at"]
    least = max(0.0, (back - now).total_seconds()) if back else 0.0
    for source in (places, history):
        ends = [source.remaining(task, level, shown) for level in _LEVELS] if source else [None]
        if source and ends[0] is not None:
            until = [
                None
                if end is None
                else max(least, float(clock.when(np.array(shown + end))) - now.timestamp())
                for end in ends
            ]
            return {
                **row,
                "remaining_p50_seconds": until[0],
                "remaining_p90_seconds": until[1],
                "basis": source.basis,
                **source.backtest,
                "computed_at": now,
            }
    return {**row, "basis": "not_known", "backtest_n": 0, "computed_at": now}


def _backtest(device: Device, now: float, rank: Ranks) -> dict[str, Any]:
    """The shares of tasks in held-out weeks that started within what was forecast from the weeks before each."""
    found = [
        rank(estimate, held_out)
        for known, held_out in held_out_weeks(device, now)
        if (estimate := over_all_hours(known, 0)[0]) is not None
    ]
    lower, upper = (np.concatenate([each[end] for each in found] or [np.empty(0)]) for end in (0, 1))
    if len(lower) < MIN_TASKS:
        return {"backtest_n": len(lower)}
    told = estimated(lower, np.maximum(lower, upper), tolerance=1e-3)
    return {
        "backtest_n": len(lower),
        "backtest_below_p50": distribution(told, 0.5),
        "backtest_below_p90": distribution(told, 0.9),
    }


def _ranks(estimate: Estimate, then: Sample) -> tuple[Floats, Floats]:
    return ranks(estimate, then.lower), ranks(estimate, then.upper)


def _ranks_of_longer(estimate: Estimate, then: Sample) -> tuple[Floats, Floats]:
    """Where waits of tasks that still waited at some ages fall among those that were longer."""
    lower: list[Floats] = []
    upper: list[Floats] = []
    for level in _LOOKED_AT:
        age = estimate.quantile(level)[1]
        passed = distribution(estimate, age)
        if not np.isfinite(age) or passed >= 1:
            continue
        still = then.where(then.lower >= age)
        for found, ends in ((lower, still.lower), (upper, still.upper)):
            found.append(np.clip((ranks(estimate, ends) - passed) / (1 - passed), 0.0, 1.0))
    return (np.concatenate(lower), np.concatenate(upper)) if lower else (np.empty(0), np.empty(0))
