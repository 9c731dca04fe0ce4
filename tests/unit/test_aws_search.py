"""How windows of creation time are cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braket_etl.aws.search import Window

DAY = timedelta(days=1)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(INSTANTS, st.timedeltas(timedelta(seconds=1), timedelta(days=400)), st.integers(1, 6))
def test_the_parts_of_a_window_make_up_the_window(start: datetime, length: timedelta, count: int) -> None:
    window = Window(start, start + length)
    parts = window.parts(count)
    assert 1 <= len(parts) <= count
    assert parts[0].start == window.start
    assert parts[-1].end == window.end
    for one, next_one in pairwise(parts):
        assert one.end == next_one.start
        assert one.end.time() == datetime.min.time()


def test_a_day_is_never_cut() -> None:
    day = datetime(2026, 5, 1, tzinfo=UTC)
    assert Window(day, day + DAY).parts(4) == [Window(day, day + DAY)]
    assert len(Window(day, day + 90 * DAY).parts(4)) == 4


def test_a_window_tells_whole_seconds_in_utc() -> None:
    start = datetime(2026, 5, 1, 2, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert str(Window(start, start + DAY)) == "[2026-05-01T00:00:00Z, 2026-05-02T00:00:00Z)"


def test_a_window_needs_zones_and_a_length() -> None:
    day = datetime(2026, 5, 1, tzinfo=UTC)
    for start, end in ((day, day), (day + DAY, day), (day.replace(tzinfo=None), day)):
        with pytest.raises(ValueError, match="window"):
            Window(start, end)
