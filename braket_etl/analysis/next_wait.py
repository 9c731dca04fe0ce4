"""What the next task on a device will wait, as `wait_forecast` has it, for whoever asks for one number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np

from braket_etl.analysis.forecast import next_begin_of
from braket_etl.analysis.open_clock import ALWAYS, OpenClock, open_clocks

LEVELS = ("p05", "p25", "p50", "p75", "p90", "p95")


@dataclass(frozen=True, slots=True)
class NextWait:
    """One forecast: seconds at five levels (None where the data do not bound it), and how it did before.

    None is shorter than until the device is expected back, where it is closed.
    """

    device_arn: str
    method: str
    status: str
    n: int
    p05: float | None
    p25: float | None
    p50: float | None
    p75: float | None
    p90: float | None
    p95: float | None
    coverage_90: float | None
    loss_p50: float | None


@dataclass(frozen=True, slots=True)
class Closed:
    """A device that takes no tasks as far as was seen; instants are aware, None where Braket does not say."""

    device_status: str
    status_reason: str | None
    closed_since: datetime | None
    expected_back_at: datetime | None
    seen_at: datetime

    def still_for(self, now: datetime) -> float:
        """Seconds until it is expected back; 0 where that is not known or over."""
        return max(0.0, (self.expected_back_at - now).total_seconds()) if self.expected_back_at else 0.0


def closed_now(connection: duckdb.DuckDBPyConnection, device: str) -> Closed | None:
    """How the device (its name or ARN, in any case) is closed; None where it is not, or was never looked at.

    A copy that an older version published does not tell it either.
    """
    if not connection.execute("SELECT 1 FROM duckdb_views() WHERE view_name = 'device_now'").fetchall():
        return None
    found = connection.execute(
        """SELECT device_status, status_reason, closed_since, expected_back_at, seen_at
        FROM device_now
        WHERE lower(device_name) = lower(regexp_extract(?, '[^/]+$')) AND device_status <> 'ONLINE'
        ORDER BY seen_at DESC LIMIT 1""",
        [device],
    ).fetchall()
    return Closed(*found[0]) if found else None


def _sent_now(wait: NextWait, hour: int, computed_at: datetime, clock: OpenClock, now: datetime) -> NextWait:
    """The forecast for a task that is sent now, where it was made for one sent when that hour begins."""
    if wait.method != "hour":
        return wait
    sent = computed_at if computed_at.astimezone(UTC).hour == hour else next_begin_of(hour, computed_at)
    shown, begin = clock.at(np.array([sent.timestamp(), now.timestamp()])).tolist()

    def moved(seconds: float) -> float:
        waited = float(clock.at(np.array(sent.timestamp() + seconds))) - shown
        return float(clock.when(np.array(begin + waited))) - now.timestamp()

    return _at_levels(wait, moved)


def next_wait(
    connection: duckdb.DuckDBPyConnection, device: str, *, now: datetime | None = None
) -> list[NextWait]:
    """Forecasts for a task sent now to the device (its name, in any case), by history and by queue depth.

    Empty where the warehouse knows nothing of the device.
    """
    now = now or datetime.now(UTC)
    closed = closed_now(connection, device)
    least = closed.still_for(now) if closed else 0.0
    columns = ", ".join(f"wait_{level}_seconds" for level in LEVELS)
    clocks = open_clocks(connection) if is_told(connection) else {}
    rows = connection.execute(
        f"""SELECT hour_utc, computed_at, device_arn, method, status, n, {columns}, backtest_coverage_90,
                   loss_p50_seconds
        FROM wait_forecast
        WHERE lower(regexp_extract(device_arn, '[^/]+$')) = lower(regexp_extract(?, '[^/]+$'))
          AND hour_utc IN (?, -1)
        ORDER BY device_arn, hour_utc DESC""",
        [device, now.hour],
    ).fetchall()
    waits = ((hour, at, NextWait(*row)) for hour, at, *row in rows)
    return [
        _not_before(least, _sent_now(wait, hour, at, clocks.get(wait.device_arn, ALWAYS), now))
        for hour, at, wait in waits
    ]


def is_told(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the warehouse has what waits are told from: not so a copy that an older version published."""
    return bool(
        connection.execute("SELECT 1 FROM duckdb_views() WHERE view_name = 'device_closures'").fetchall()
    )


def _not_before(least: float, wait: NextWait) -> NextWait:
    """The forecast with no wait shorter than that many seconds."""
    return _at_levels(wait, lambda seconds: max(seconds, least))


def _at_levels(wait: NextWait, moved: Callable[[float], float]) -> NextWait:
    levels = {name: getattr(wait, name) for name in LEVELS}
    changed: dict[str, Any] = {name: moved(each) for name, each in levels.items() if each is not None}
    return replace(wait, **changed)
