"""What the next task on a device will wait, as `wait_forecast` has it, for whoever asks for one number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb


@dataclass(frozen=True, slots=True)
class NextWait:
    """One forecast: seconds at five levels (None where the data do not bound it), and how it did before."""

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


def next_wait(
    connection: duckdb.DuckDBPyConnection, device: str, *, now: datetime | None = None
) -> list[NextWait]:
    """Forecasts for a task sent now to the device (its name, in any case), by history and by queue depth.

    Empty where the warehouse knows nothing of the device.
    """
    hour = (now or datetime.now(UTC)).hour
    rows = connection.execute(
        """SELECT device_arn, method, status, n, wait_p05_seconds, wait_p25_seconds, wait_p50_seconds,
                  wait_p75_seconds, wait_p95_seconds, backtest_coverage_90
        FROM wait_forecast
        WHERE lower(regexp_extract(device_arn, '[^/]+$')) = lower(regexp_extract(?, '[^/]+$'))
          AND hour_utc IN (?, -1)
        ORDER BY device_arn, hour_utc DESC""",
        [device, hour],
    ).fetchall()
    return [NextWait(*row) for row in rows]
