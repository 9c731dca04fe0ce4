"""When a QPU is open: execution windows that repeat every week, in UTC.

The rule is the SDK's: both ends included, a window belongs to the day it starts on, and one whose end is
before its start runs past midnight.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from braket_emulator.instants import DAY, HOUR, MINUTE, SECOND

WEEK = 7 * DAY
_MONDAY = 4 * DAY  # 1970-01-05, the first Monday after the epoch
_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS: dict[str, Sequence[int]] = {
    **{name: (number,) for number, name in enumerate(_DAY_NAMES)},
    "Everyday": range(7),
    "Weekdays": range(5),
    "Weekend": (5, 6),
}


@dataclass(frozen=True, slots=True)
class Window:
    """One execution window as `deviceCapabilities` writes it; hours are `HH:MM:SS` or `HH:MM`, UTC."""

    day: str
    start: str
    end: str

    def as_json(self) -> dict[str, str]:
        """The member of `service.executionWindows`."""
        return {"executionDay": self.day, "windowStartHour": self.start, "windowEndHour": self.end}


ALWAYS = (Window("Everyday", "00:00:00", "23:59:59"),)


class WeeklySchedule:
    """The open time of a device; all instants are milliseconds since 1970 UTC."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._spans = _merged(span for window in windows for span in _spans(window))
        self._starts = [start for start, _ in self._spans]
        self._open_in_week = sum(end - start for start, end in self._spans)

    @property
    def open_share(self) -> float:
        """The part of a week in which it is open."""
        return self._open_in_week / WEEK

    def is_open(self, at: int) -> bool:
        """Whether a task may start at this instant."""
        within = (at - _MONDAY) % WEEK
        index = bisect_right(self._starts, within) - 1
        return index >= 0 and within < self._spans[index][1]

    def span_at(self, at: int) -> tuple[int, int] | None:
        """The stretch of open time around this instant, from when it began until it ends; None while closed.

        One that passes from Sunday to Monday ends and begins there.
        """
        within = (at - _MONDAY) % WEEK
        index = bisect_right(self._starts, within) - 1
        if index < 0 or within >= self._spans[index][1]:
            return None
        start, end = self._spans[index]
        return at - within + start, at - within + end

    def after_open_time(self, at: int, spent: int) -> int:
        """The instant at which the device has been open for `spent` milliseconds since `at`."""
        weeks, rest = divmod(spent, self._open_in_week)
        within = (at - _MONDAY) % WEEK
        monday = at - within + weeks * WEEK
        index = max(0, bisect_right(self._starts, within) - 1)
        while True:
            if index == len(self._spans):
                index, within, monday = 0, 0, monday + WEEK
            start, end = self._spans[index]
            begin = max(start, within)
            if begin + rest < end:
                return monday + begin + rest
            rest -= max(0, end - begin)
            index += 1


def _spans(window: Window) -> Iterable[tuple[int, int]]:
    start, end = _of_day(window.start), _of_day(window.end) + SECOND
    length = (end - start) % DAY or DAY
    for day in _DAYS[window.day]:
        first = day * DAY + start
        yield first, min(first + length, WEEK)
        if first + length > WEEK:
            yield 0, first + length - WEEK


def _of_day(text: str) -> int:
    hours, minutes, *seconds = (int(part) for part in text.split(":"))
    return hours * HOUR + minutes * MINUTE + (seconds[0] if seconds else 0) * SECOND


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
