"""Killed or stopped at any moment, the next run makes the warehouse as if nothing had been, and readers never see a part."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import cases
from tests.faults.kills import AIMS, Place, survived
from tests.faults.stops import WHILES, stopped

#: In the short part; the table has them all, by either signal.
_STOPS = (
    "a task is throttled for ever",
    "connections are never answered",
    "the request budget is used up",
    "S3 never answers",
    "models are computed",
)


@pytest.mark.parametrize(
    "number", cases({aim: number for number, aim in enumerate(AIMS)}, ["merge", "publish"])
)
def test_the_run_after_a_kill_makes_it_whole(prepared: Place, tmp_path: Path, number: int) -> None:
    assert survived(number, prepared, tmp_path / "at").lost == 0


@pytest.mark.parametrize(
    "number",
    cases({what.name: n for n, what in enumerate(WHILES) if what.name in _STOPS}, [_STOPS[0], _STOPS[-1]]),
)
def test_a_run_that_is_stopped_publishes_what_it_had(prepared: Place, tmp_path: Path, number: int) -> None:
    assert stopped(number, prepared, tmp_path / "at").lost == 0
