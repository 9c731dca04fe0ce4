"""What is asked of CloudTrail next: windows that are read from the newest event down, stopped anywhere and gone on with."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from braket_etl.pull.callers import LATE, REMEMBERED, Window, advanced, extended

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_first_run_wants_all_that_is_remembered() -> None:
    assert extended((), NOW) == (Window(NOW - REMEMBERED, NOW, NOW),)


def test_what_is_young_is_looked_at_again_and_joined_once_it_is_whole() -> None:
    whole = Window(NOW - REMEMBERED, NOW, NOW - REMEMBERED)
    later = NOW + HOUR
    windows = extended((whole,), later)
    assert windows == (Window(NOW - LATE, later, later), whole)
    assert advanced(windows, NOW) == (Window(NOW - LATE, later, NOW), whole)
    assert advanced(windows, NOW - LATE) == (Window(NOW - REMEMBERED, later, NOW - REMEMBERED),)


def test_what_was_refused_stays_one_window() -> None:
    windows = extended((), NOW)
    for hours in range(1, 4):
        windows = extended(windows, NOW + hours * HOUR)
    assert windows == (Window(NOW - REMEMBERED, NOW + 3 * HOUR, NOW + 3 * HOUR),)


def test_a_clock_that_was_set_back_asks_again() -> None:
    windows = extended((Window(NOW - REMEMBERED, NOW, NOW - REMEMBERED),), NOW - 24 * HOUR)
    assert windows[0] == Window(NOW - 24 * HOUR - LATE, NOW - 24 * HOUR, NOW - 24 * HOUR)


@pytest.mark.parametrize("seed", range(20))
def test_wherever_runs_stop_each_event_is_read_in_the_end(seed: int) -> None:
    """Events at random instants, each told a while later; runs read pages from the newest down, and stop after a few."""
    rng = random.Random(seed)
    first = NOW - REMEMBERED
    events = [first + rng.random() * (REMEMBERED + 60 * HOUR) for _ in range(800)]
    told = {at: at + rng.random() * LATE / 2 for at in events}
    windows: tuple[Window, ...] = ()
    read: set[datetime] = set()

    def run(now: datetime, pages: int) -> None:
        nonlocal windows
        windows = extended(windows, now)
        while pages and not windows[0].is_whole:
            newest, pages = windows[0], pages - 1
            there = sorted(at for at in events if newest.since <= at <= newest.reached and told[at] <= now)[
                -7:
            ]
            read.update(there)
            windows = advanced(windows, there[0] if len(there) == 7 else newest.since)

    now = NOW
    while now < NOW + 48 * HOUR:
        run(now, rng.randrange(12))
        now += rng.random() * 4 * HOUR
    run(now, 10_000)
    assert len(windows) == 1
    assert windows[0].is_whole
    assert read == {at for at in events if told[at] <= now}
