"""A clock that runs while a device takes tasks: what waits for a closed device waits for the clock, not for the queue."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

from braket_etl.analysis.npmle import Floats


@dataclass(frozen=True)
class OpenClock:
    """Instants in seconds since 1970 against the seconds that a device was open until then.

    `ends` are the ends of its closed stretches, each from one to the next; `shown` is the clock at each of them.
    """

    ends: Floats
    shown: Floats

    def at(self, instants: Floats) -> Floats:
        """What the clock shows."""
        return self._along(self.ends, self.shown, instants)

    def when(self, shown: Floats) -> Floats:
        """When the clock shows that: at the end of a closed stretch, if it stands still then."""
        return self._along(self.shown, self.ends, shown)

    @staticmethod
    def _along(begin: Floats, end: Floats, values: Floats) -> Floats:
        values = np.asarray(values, float)
        if not len(begin):
            return values
        with np.errstate(invalid="ignore"):
            place = np.searchsorted(begin, values, side="right") - 1
            last, following = np.maximum(place, 0), np.minimum(place + 1, len(begin) - 1)
            moved = end[last] + np.where(place < 0, values - begin[0], values - begin[last])
            # no further than the next end, which a closed stretch reaches at once or never
            return np.where((place >= 0) & (following > last), np.minimum(moved, end[following]), moved)


ALWAYS = OpenClock(np.empty(0), np.empty(0))


def open_clocks(connection: duckdb.DuckDBPyConnection) -> dict[str, OpenClock]:
    """The clock of each device that is ever closed by its windows, by ARN."""
    found = connection.execute(
        "SELECT device_arn, epoch_us(closed_from) / 1e6, epoch_us(closed_to) / 1e6 "
        "FROM device_closures ORDER BY device_arn, closed_from"
    ).fetchnumpy()
    devices, begin, end = (np.asarray(column) for column in found.values())
    return {
        str(device): clock_of(begin[devices == device], end[devices == device])
        for device in np.unique(devices)
    }


def clock_of(closed_from: Floats, closed_to: Floats) -> OpenClock:
    """The clock of a device that is closed in these stretches, in order and apart; it shows 1970 as the first begins."""
    ends = np.column_stack([closed_from, closed_to]).ravel()
    if not len(ends):
        return ALWAYS
    runs = np.diff(ends)
    runs[::2] = 0.0  # closed
    return OpenClock(ends, ends[0] + np.concatenate([[0.0], np.cumsum(runs)]))
