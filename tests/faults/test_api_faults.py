"""Whatever the API does wrong, the warehouse ends as if it had not, or says exactly what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.api import API_FAULTS, ApiFault, Endpoint, endured


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in API_FAULTS])
def test_the_warehouse_ends_as_without_the_fault(account: Endpoint, tmp_path: Path, fault: ApiFault) -> None:
    outcome = endured(fault, account, tmp_path / "at")
    assert outcome.lost == 0
