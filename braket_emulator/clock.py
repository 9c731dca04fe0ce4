"""The emulator's clock: real, frozen, or running at a rate.

All that changes in the synthetic account is a function of this clock. Quotas are not: they run on real time,
as the requests do.
"""

from __future__ import annotations

import time
from datetime import datetime

from braket_emulator.instants import iso, milliseconds


class Clock:
    """Tells an instant that runs at `rate` seconds a real second; rate 0 stands still."""

    def __init__(self, now: datetime | None = None, rate: float = 1.0) -> None:
        self._rate = rate
        self._started = time.monotonic()
        self._base = milliseconds(now) if now else time.time_ns() // 1_000_000

    def now(self) -> int:
        """The instant, in milliseconds since 1970 UTC."""
        if not self._rate:
            return self._base
        return self._base + int((time.monotonic() - self._started) * 1_000 * self._rate)

    def set(self, now: datetime | None = None, rate: float | None = None) -> None:
        """Jump to an instant, run at another rate, or both; what is not given stays.

        ValueError for a rate below zero: what has happened stays so.
        """
        if rate is not None and rate < 0:
            raise ValueError("rate must not be negative")
        self._base = milliseconds(now) if now else self.now()
        self._started = time.monotonic()
        self._rate = self._rate if rate is None else rate

    def as_json(self) -> dict[str, str | float]:
        """What `GET /_emulator/clock` answers."""
        return {"now": iso(self.now()), "rate": self._rate}
