"""Accounts that were pulled once without a fault, for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.api import Endpoint, endpoint
from tests.faults.kills import Place, place


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with endpoint(tmp_path_factory.mktemp("undisturbed") / "at") as served:
        yield served


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("prepared") / "at") as at:
        yield at
