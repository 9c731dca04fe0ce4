"""What the next task on a device will wait, as `wait_forecast` has it, for whoever asks for one number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import duckdb


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
    p95: float | None
    coverage_90: float | None


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


def next_wait(
    connection: duckdb.DuckDBPyConnection, device: str, *, now: datetime | None = None
) -> list[NextWait]:
    """Forecasts for a task sent now to the device (its name, in any case), by history and by queue depth.

    Empty where the warehouse knows nothing of the device.
    """
    now = now or datetime.now(UTC)
    closed = closed_now(connection, device)
    least = closed.still_for(now) if closed else 0.0
    rows = connection.execute(
        """SELECT device_arn, method, status, n, wait_p05_seconds, wait_p25_seconds, wait_p50_seconds,
                  wait_p75_seconds, wait_p95_seconds, backtest_coverage_90
        FROM wait_forecast
        WHERE lower(regexp_extract(device_arn, '[^/]+$')) = lower(regexp_extract(?, '[^/]+$'))
          AND hour_utc IN (?, -1)
        ORDER BY device_arn, hour_utc DESC""",
        [device, now.hour],
    ).fetchall()
    return [_not_before(least, NextWait(*row)) for row in rows]


def _not_before(least: float, wait: NextWait) -> NextWait:
    """The forecast with no wait shorter than that many seconds."""
    levels = {name: getattr(wait, name) for name in ("p05", "p25", "p50", "p75", "p95")}
    return replace(wait, **{name: max(each, least) for name, each in levels.items() if each is not None})
