"""Windows of creation time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from braket_etl.aws.search import Window

DAY = timedelta(days=1)


def test_a_window_tells_whole_seconds_in_utc() -> None:
    start = datetime(2026, 5, 1, 2, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert str(Window(start, start + DAY)) == "[2026-05-01T00:00:00Z, 2026-05-02T00:00:00Z)"


def test_a_window_needs_zones_and_a_length() -> None:
    day = datetime(2026, 5, 1, tzinfo=UTC)
    for start, end in ((day, day), (day + DAY, day), (day.replace(tzinfo=None), day)):
        with pytest.raises(ValueError, match="window"):
            Window(start, end)
