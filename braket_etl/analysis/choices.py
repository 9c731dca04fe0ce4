"""Which devices could run a request, how long it would wait on each, and when its result would be back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import duckdb

from braket_etl.analysis.next_wait import NextWait, is_told, next_wait
from braket_etl.analysis.run_times import UNKNOWN, known
from braket_etl.display import duration
from braket_etl.json_text import read_json

#: Quantiles of waits that are told.
_TOLD = (0.5, 0.9)


@dataclass(frozen=True, slots=True)
class Choice:
    """A device for a request. Waits are seconds from now; each quantile is known, or bounded by what was, or neither.

    `is_available` is Amazon Braket's own: ONLINE and inside its windows; and it takes that many shots. None where nobody
    has looked.
    """

    device_arn: str
    device: str
    status: str | None
    is_available: bool | None
    wait_p50_seconds: float | None = None
    wait_p90_seconds: float | None = None
    wait_p50_at_most_seconds: float | None = None
    wait_p90_at_most_seconds: float | None = None
    back_p50_at: datetime | None = None
    back_p90_at: datetime | None = None
    remarks: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class _Device:
    arn: str
    name: str
    capabilities: str | None
    status: str | None
    reason: str | None
    expected_back_at: datetime | None
    opens_at: datetime | None


def choices(
    connection: duckdb.DuckDBPyConnection,
    shots: int,
    tasks: int = 1,
    *,
    device: str | None = None,
    now: datetime | None = None,
) -> list[Choice]:
    """All devices that were looked at or used, or the one of that name or ARN in any case; retired ones too.

    Empty where there are none, or an older version published the warehouse.
    """
    if not is_told(connection):
        return []
    now = now or datetime.now(UTC)
    rows = connection.execute(
        """SELECT a.device_arn, string_split(a.device_arn, '/')[-1] AS name, d.device_capabilities,
            n.device_status, n.status_reason, n.expected_back_at, c.closed_to
        FROM (
            SELECT device_arn FROM device_now
            UNION
            SELECT device_arn FROM queue_wait_quantiles WHERE scope = 'device'
        ) AS a
        LEFT JOIN device_now AS n ON n.device_arn = a.device_arn
        LEFT JOIN devices AS d ON d.device_arn = a.device_arn
        LEFT JOIN device_closures AS c ON c.device_arn = a.device_arn AND c.closed_from <= $now AND c.closed_to > $now
        WHERE $device IS NULL OR lower(name) = lower(string_split($device, '/')[-1])
        ORDER BY name""",
        {"now": now, "device": device},
    ).fetchall()
    return [_choice(connection, _Device(*row), shots, tasks, now) for row in rows]


def _choice(
    connection: duckdb.DuckDBPyConnection, device: _Device, shots: int, tasks: int, now: datetime
) -> Choice:
    remarks = list(_state(device, now))
    takes = _shots_range(device.capabilities)
    fits = takes is None or takes[0] <= shots <= takes[1]
    if takes and not fits:
        remarks.append(f"takes {takes[0]:,} to {takes[1]:,} shots a task")
    is_available = None if device.status is None else device.status == "ONLINE" and device.opens_at is None
    if device.status == "RETIRED" or not fits:
        return Choice(device.arn, device.name, device.status, False, remarks=tuple(remarks))
    least = _closed_for(device, now)
    waits, at_most, run = _waits(connection, device, shots, now, least, remarks)
    backs = [
        None if wait is None or run is None else now + timedelta(seconds=wait + tasks * run) for wait in waits
    ]
    # what bounds a wait is a turnaround, with a run in it
    backs = [
        back or (None if most is None else now + timedelta(seconds=most + (tasks - 1) * (run or 0.0)))
        for back, most in zip(backs, at_most, strict=True)
    ]
    return Choice(
        device.arn,
        device.name,
        device.status,
        is_available,
        *(waits[0], waits[1]),
        *(at_most[0], at_most[1]),
        *(backs[0], backs[1]),
        tuple(remarks),
    )


def _waits(
    connection: duckdb.DuckDBPyConnection,
    device: _Device,
    shots: int,
    now: datetime,
    least: float,
    remarks: list[str],
) -> tuple[list[float | None], list[float | None], float | None]:
    """Both quantiles of the wait, or what bounds them, and a usual run in seconds, as far as each is known."""
    rows = {
        row[0]: row[1:]
        for row in connection.execute(
            """SELECT quantile, status, wait_seconds, bound_upper_seconds, n + n_bounds_only,
                run_seconds_base, run_seconds_per_shot
            FROM queue_wait_quantiles WHERE scope = 'device' AND device_arn = ?""",
            [device.arn],
        ).fetchall()
    }
    forecast = _better(next_wait(connection, device.arn, now=now))
    base, per_shot = rows[0.5][4:] if rows else (None, None)
    run = None if base is None else base + per_shot * shots
    if run is None and known(device.arn) is not UNKNOWN:
        run = known(device.arn).usual.base + known(device.arn).usual.per_shot * shots
    waits: list[float | None] = []
    at_most: list[float | None] = []
    for p in _TOLD:
        status, wait, bound, _, *_ = rows.get(p, (None,) * 6)
        told = getattr(forecast, f"p{p * 100:.0f}") if forecast else None
        if told is None and status == "ok":
            told = wait
        waits.append(None if told is None else max(told, least))
        at_most.append(None if told is not None or bound is None else max(bound, least))
    if any(most is not None for most in at_most):
        remarks.append(_at_most(at_most, rows[0.5][3]))
    elif None in waits:
        remarks.append("no wait is known yet")
    return waits, at_most, run


def _better(forecasts: Sequence[NextWait]) -> NextWait | None:
    """Of the forecasts that there are, the one that lost least before."""
    told = [each for each in forecasts if each.status == "ok"]
    return min(told, key=lambda each: (each.loss_p50 is None, each.loss_p50 or 0.0), default=None)


def _at_most(at_most: Sequence[float | None], n: int) -> str:
    names = ("half", "nine in ten")
    told = [
        f"{name} at most {duration(most)}"
        for name, most in zip(names, at_most, strict=True)
        if most is not None
    ]
    return f"{', '.join(told)}, of your last {n:,} tasks"


def _state(device: _Device, now: datetime) -> Sequence[str]:
    """Why it takes no task at this moment, and until when, where that is known."""
    why = f" ({device.reason.replace('_', ' ').lower()})" if device.reason else ""
    back = device.expected_back_at
    if device.status == "RETIRED":
        return ("RETIRED: it takes no tasks any more",)
    if device.status not in (None, "ONLINE"):
        when = f", expected back at {back.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if back and back > now else ""
        return (f"{device.status}{why}{when}",)
    if device.opens_at:
        return (f"outside its window, which opens at {device.opens_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",)
    return ()


def _closed_for(device: _Device, now: datetime) -> float:
    """Seconds until it can start a task at the earliest, as far as is known."""
    until = [at for at in (device.expected_back_at, device.opens_at) if at is not None]
    return max([0.0, *((at - now).total_seconds() for at in until)])


def _shots_range(capabilities: str | None) -> tuple[int, int] | None:
    """The least and the most shots of a task, as the device's capabilities say."""
    try:
        found = read_json(capabilities or "")
        low, high = found["service"]["shotsRange"]
        return int(low), int(high)
    except (ValueError, KeyError, TypeError):
        return None
