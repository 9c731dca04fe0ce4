"""Which date of an answer is believed: single ones that are wrong, and a machine whose own clock is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from braket_etl.aws.stamp import Stamp
from braket_etl.pull.clock import Clock

SEEN = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def stamp(off: timedelta, n: int = 0) -> Stamp:
    """An answer that this machine saw n seconds after SEEN, dated so far off."""
    seen = SEEN + timedelta(seconds=n)
    return Stamp(seen, seen + off)


def clock_of(*offs: timedelta) -> Clock:
    clock = Clock()
    for n, off in enumerate(offs):
        clock.note(stamp(off, n))
    return clock


@pytest.mark.parametrize("off", [timedelta(), timedelta(minutes=4), timedelta(minutes=-4)])
def test_a_date_within_some_minutes_is_braket_s_own(off: timedelta) -> None:
    assert clock_of(off).at(stamp(off)) == SEEN + off


@pytest.mark.parametrize("off", [timedelta(days=26_700), 6 * HOUR, -6 * HOUR, timedelta(days=-20_000)])
@pytest.mark.parametrize("others", [[timedelta()] * 5, [timedelta(minutes=1)] * 3, [timedelta()] * 30])
def test_one_wrong_date_among_others_is_replaced_and_told_once(
    off: timedelta, others: list[timedelta]
) -> None:
    clock = clock_of(*others, off)
    assert abs(clock.at(stamp(off)) - SEEN - others[0]) < timedelta(seconds=2)
    assert list(clock.replaced) == [SEEN + off]
    [line] = clock.told()
    assert f"{SEEN + off:%Y-%m-%d %H:%M:%S}" in line
    assert clock.told() == []


@pytest.mark.parametrize("off", [timedelta(days=26_700), 6 * HOUR, timedelta(minutes=6), -6 * HOUR])
def test_a_lone_date_that_is_off_is_not_believed(off: timedelta) -> None:
    clock = Clock(known=timedelta())
    clock.note(stamp(off))
    assert clock.at(stamp(off)) == SEEN
    assert not clock.is_sure


@pytest.mark.parametrize("off", [timedelta(days=26_700), 6 * HOUR, -6 * HOUR])
def test_where_no_answers_ever_agreed_a_lone_date_is_believed_if_it_is_earlier(off: timedelta) -> None:
    assert clock_of(off).at(stamp(off)) == min(SEEN, SEEN + off)
    assert not clock_of(off).is_sure


def test_a_lone_date_is_believed_where_it_says_what_answers_agreed_about_before() -> None:
    clock = Clock(known=8 * 24 * HOUR)
    clock.note(stamp(8 * 24 * HOUR))
    assert clock.at(stamp(8 * 24 * HOUR)) == SEEN + 8 * 24 * HOUR
    assert clock.is_sure
    mended = Clock(known=8 * 24 * HOUR)  # this machine's clock is right again
    mended.note(stamp(timedelta()))
    assert mended.at(stamp(timedelta())) == SEEN
    assert mended.is_news


@pytest.mark.parametrize("off", [8 * 24 * HOUR, -8 * 24 * HOUR, timedelta(minutes=10)])
def test_answers_that_agree_say_that_this_machine_s_clock_is_wrong(off: timedelta) -> None:
    clock = clock_of(*[off + timedelta(seconds=n) for n in range(4)])
    assert clock.at(stamp(off)) == SEEN + off
    assert abs(clock.now() - datetime.now(UTC) - off) < timedelta(seconds=10)
    [line] = clock.note_of_ours()
    assert clock.told() == []
    assert ("behind" if off > timedelta() else "ahead of") in line
    assert abs(clock.at(stamp(timedelta())) - SEEN - off) < timedelta(seconds=10)  # the odd one out


def test_answers_that_agree_with_nobody_leave_this_machine_s_clock_right() -> None:
    clock = clock_of(6 * HOUR, -6 * HOUR, timedelta(days=9), timedelta(days=-9))
    assert clock.at(stamp(6 * HOUR)) == SEEN
    assert not clock.is_sure


def test_an_answer_without_a_date_is_dated_when_it_was_seen() -> None:
    assert Clock().at(Stamp(SEEN)) == SEEN
    assert clock_of(*[HOUR] * 3).at(Stamp(SEEN)) == SEEN + HOUR
