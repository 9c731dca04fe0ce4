"""Whatever the API does wrong, the warehouse ends as if it had not, or says exactly what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import cases
from tests.faults.api import API_FAULTS, ApiFault, Endpoint, endured

#: The last has all that passes again, and the rest that does not.
_ONCE = [fault.name for fault in API_FAULTS if "rejects" in fault.name or fault is API_FAULTS[-1]]


@pytest.mark.parametrize("fault", cases({fault.name: fault for fault in API_FAULTS}, _ONCE))
def test_the_warehouse_ends_as_without_the_fault(account: Endpoint, tmp_path: Path, fault: ApiFault) -> None:
    outcome = endured(fault, account, tmp_path / "at")
    assert outcome.lost == 0
