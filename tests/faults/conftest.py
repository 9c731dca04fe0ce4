"""Accounts that were pulled once without a fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import once_for_all_workers
from tests.faults.api import Endpoint, endpoint
from tests.faults.kills import Place, prepare, served


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with endpoint(tmp_path_factory.mktemp("undisturbed") / "at") as at:
        yield at


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with served(*once_for_all_workers(tmp_path_factory, "prepared", prepare)) as at:
        yield at
