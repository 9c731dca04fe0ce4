"""How a long search is cut."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from braket_etl.aws.search import Window
from braket_etl.pull.plan import midnight, slices

DAY = timedelta(days=1)
DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))


@given(DAYS, st.integers(1, 400), st.floats(0, 1e6), st.integers(1, 5_000))
def test_the_slices_of_a_window_make_up_the_window(
    first: date, days: int, records_per_day: float, target: int
) -> None:
    window = Window(midnight(first), midnight(first + days * DAY))
    parts = slices(window, records_per_day, target)
    assert 1 <= len(parts) <= days
    assert parts[0].start == window.start
    assert parts[-1].end == window.end
    for one, next_one in pairwise(parts):
        assert one.end == next_one.start
        assert one.end.time() == datetime.min.time()


def test_a_slice_has_about_the_records_that_are_asked_for_and_a_day_is_never_cut() -> None:
    day = datetime(2026, 5, 1, tzinfo=UTC)
    assert slices(Window(day, day + DAY), 1e6, 100) == [Window(day, day + DAY)]
    assert len(slices(Window(day, day + 90 * DAY), 100, 1_000)) == 9
    assert len(slices(Window(day, day + 90 * DAY), 1e6, 1_000)) == 90
