"""Answers that this version does not know or cannot store; calls that fail and pass again are in tests/faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from braket_emulator import Emulator, running
from tests.conftest import NOW, Program

START = {"BRAKET_ETL_START_DATE": "2026-11-08", "BRAKET_ETL_REGIONS": "us-east-1,eu-north-1"}
ACCOUNT: dict[str, Any] = {
    "tasks": 300,
    "jobs": 10,
    "days": 12,
    "seed": 5,
    "regions": ["us-east-1", "eu-north-1"],
    "now": NOW,
    "frozen": True,
    "quotas": False,
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Emulator]:
    with running(**ACCOUNT) as emulator:
        yield emulator


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
