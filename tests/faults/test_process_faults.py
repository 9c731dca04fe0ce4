"""Killed at any moment, the next run makes the warehouse as if nothing had been, and readers never see a part."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import AIMS, Place, survived


@pytest.mark.parametrize("number", [pytest.param(number, id=aim) for number, aim in enumerate(AIMS)])
def test_the_run_after_a_kill_makes_it_whole(prepared: Place, tmp_path: Path, number: int) -> None:
    assert survived(number, prepared, tmp_path / "at").lost == 0
