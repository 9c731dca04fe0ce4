"""Whatever the API does wrong, the warehouse ends as if it had not, or says exactly what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from braket_etl.emulator import Emulator, running
from tests.conftest import NOW, Program

START = {"BRAKET_ETL_START_DATE": "2026-11-08", "BRAKET_ETL_REGIONS": "us-east-1,eu-north-1"}
ACCOUNT: dict[str, Any] = {
    "tasks": 500,
    "jobs": 10,
    "days": 12,
    "seed": 5,
    "regions": ["us-east-1", "eu-north-1"],  # few, so that a listing has several pages
    "now": NOW,
    "frozen": True,
    "quotas": False,
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Emulator]:
    with running(**ACCOUNT) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def undisturbed(endpoint: Emulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    program = Program(tmp_path_factory.mktemp("undisturbed") / "home", {**endpoint.env(), **START})
    endpoint.set_faults([])
    program.ok("sync")
    return program.contents()


GETS = ["GetQuantumTask", "GetJob"]
SEARCHES = ["SearchQuantumTasks", "SearchJobs"]


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(
            [{"kind": "truncated_body", "probability": 0.02, "operations": GETS + SEARCHES}], id="cut-2%"
        ),
        pytest.param(
            [{"kind": "truncated_body", "probability": 0.2, "operations": SEARCHES}], id="cut-pages-20%"
        ),
        pytest.param(
            [{"kind": "empty_body", "probability": 0.05, "operations": GETS + SEARCHES}], id="empty"
        ),
        pytest.param([{"kind": "html_body", "probability": 0.05, "operations": GETS + SEARCHES}], id="html"),
        pytest.param([{"kind": "throttle", "probability": 0.2}], id="throttled-20%"),
        pytest.param([{"kind": "internal_error", "probability": 0.1}], id="500s"),
        pytest.param(
            [
                {"kind": "reset_before", "probability": 0.05},
                {"kind": "reset_mid_body", "probability": 0.05, "operations": GETS + SEARCHES},
            ],
            id="resets",
        ),
        pytest.param(
            [{"kind": "duplicate_page", "probability": 0.5, "operations": SEARCHES}], id="duplicates"
        ),
        pytest.param(
            [{"kind": "expired_page_token", "first_n": 2, "operations": ["SearchQuantumTasks"]}],
            id="expired-tokens",
        ),
    ],
)
def test_nothing_is_missing_at_the_end(
    endpoint: Emulator, undisturbed: dict[str, Any], program: Program, faults: list[dict[str, Any]]
) -> None:
    program.env = {**endpoint.env(), **START}
    endpoint.set_faults(faults)
    try:
        program.ok("sync")
        fired = endpoint.stats()["faults"]
    finally:
        endpoint.set_faults([])
    assert sum(fired.values()) > 0, "no fault was injected, so this shows nothing"
    assert program.contents() == undisturbed


def test_records_that_vanish_between_search_and_get_are_named_and_asked_for_again(
    endpoint: Emulator, undisturbed: dict[str, Any], program: Program
) -> None:
    program.env = {**endpoint.env(), **START}
    endpoint.set_faults([{"kind": "vanish", "probability": 0.05, "operations": ["GetQuantumTask"]}])
    try:
        done = program.run("sync")
    finally:
        endpoint.set_faults([])
    assert done.returncode == 1
    assert "listed, but neither stored nor rejected" in done.stderr
    assert program.one("SELECT sum(listed - stored - rejected) FROM etl.coverage") > 0
    program.ok("sync")
    assert program.contents() == undisturbed


def test_unknown_members_and_values_are_stored_and_told_once(endpoint: Emulator, program: Program) -> None:
    program.env = {**endpoint.env(), **START}
    endpoint.set_faults(
        [
            {"kind": "unknown_member", "probability": 1, "operations": ["GetQuantumTask"]},
            {"kind": "unknown_enum", "probability": 0.02, "operations": ["GetQuantumTask"]},
        ]
    )
    try:
        done = program.run("sync")
    finally:
        endpoint.set_faults([])
    assert done.returncode == 0, done.stderr
    assert "new to this version" in done.stderr
    assert program.one("SELECT count(*) FROM quantum_tasks WHERE extra IS NULL") == 0
    assert program.one("SELECT count(*) FROM etl.rejected_records") == 0
    assert program.one("SELECT count(*) FROM etl.schema_drift WHERE kind = 'member'") == 1


def test_a_lone_surrogate_is_a_reject_with_its_payload(endpoint: Emulator, program: Program) -> None:
    program.env = {**endpoint.env(), **START}
    endpoint.set_faults([{"kind": "lone_surrogate", "probability": 0.02, "operations": ["GetQuantumTask"]}])
    try:
        done = program.run("sync")
    finally:
        endpoint.set_faults([])
    assert done.returncode == 0, done.stderr
    assert program.one("SELECT count(*) FROM etl.rejected_records WHERE payload LIKE '%ud8%'") > 0


def test_a_region_that_is_down_is_named(program: Program, endpoint: Emulator) -> None:
    program.env = {**endpoint.env(), **START, "AWS_ENDPOINT_URL_BRAKET": "http://127.0.0.1:9"}
    done = program.run("sync", "--regions", "us-east-1")
    assert done.returncode == 1
    assert "us-east-1" in done.stderr
    assert "Traceback" not in done.stderr
