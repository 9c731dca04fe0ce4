"""Programs, analysts and clocks side by side: everyone ends well, and the warehouse is as if one had run alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import cases
from tests.faults.kills import Place
from tests.faults.outcome import Outcome
from tests.faults.side_by_side import SIDE_BY_SIDE


@pytest.mark.parametrize("scenario", cases(SIDE_BY_SIDE, ["analysts"]))
def test_side_by_side_all_end_well(
    prepared: Place, tmp_path: Path, scenario: Callable[[Place, Path], Outcome]
) -> None:
    assert scenario(prepared, tmp_path / "at").lost == 0
