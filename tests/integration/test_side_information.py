"""Answers with side information in odd forms, over HTTP: every record is stored, and what was told is kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from braket_etl.aws.sessions import Sessions, Target, ambient_account
from braket_etl.pull.puller import Puller
from braket_etl.pull.resources import TASKS
from tests.faults.hostile import Account
from tests.faults.hostile_answers import served_region
from tests.warehouses import empty_warehouse

#: What stands in queueInfo, the raw text that is kept of it, and position and whether it is capped.
FORMS: list[tuple[Any, str | None, int | None, bool | None]] = [
    ({"queue": "QUANTUM_TASKS_QUEUE", "position": "> 2,000"}, "> 2,000", 2000, True),
    ({"queue": "QUANTUM_TASKS_QUEUE", "position": "1,234"}, "1,234", 1234, False),
    ({"queue": "QUANTUM_TASKS_QUEUE"}, None, None, None),
    ({"queue": 1, "position": 12}, "12", None, None),
    ("behind three others", "behind three others", None, None),
    ([1, 2], "[1,2]", None, None),
]


def body(number: int, **members: Any) -> dict[str, Any]:
    return {
        "quantumTaskArn": f"arn:aws:braket:us-east-1:123456789012:quantum-task/{number}",
        "status": "QUEUED",
        "deviceArn": "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1",
        "deviceParameters": "{}",
        "shots": 100,
        "outputS3Bucket": "bucket",
        "outputS3Directory": "tasks",
        "createdAt": "2026-11-19T12:00:00Z",
        **members,
    }


@pytest.fixture
def pulled(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    bodies = [body(number, queueInfo=info) for number, (info, *_) in enumerate(FORMS)]
    bodies.append(body(90, actionMetadata="none", experimentalCapabilities=["ALL"], failureReason=404))
    bodies.append(body(91, shots="a lot"))  # what it costs cannot be known
    account = Account({each["quantumTaskArn"]: each for each in bodies}, bodies)
    target = Target(ambient_account(), "us-east-1")
    warehouse = empty_warehouse(tmp_path)
    with served_region() as region:
        region.account = account
        outcome = Puller(warehouse, Sessions([target.account]), None, "run").pull_days(
            [target], [TASKS], [date(2026, 11, 19)], only_due=False
        )
    assert not outcome.problems
    return duckdb.connect(str(warehouse.file), read_only=True)


def test_each_task_is_stored_with_what_was_told_of_its_place_in_the_queue(
    pulled: duckdb.DuckDBPyConnection,
) -> None:
    found = pulled.execute(
        "SELECT position_raw, position, is_capped FROM quantum_tasks LEFT JOIN task_observations "
        "USING (quantum_task_arn) WHERE action_metadata_action_type IS NULL AND extra IS NULL "
        "ORDER BY quantum_task_arn"
    ).fetchall()
    assert found == [tuple(kept) for _, *kept in FORMS]
    [(extra, reason)] = pulled.execute(
        "SELECT extra, failure_reason FROM quantum_tasks WHERE extra IS NOT NULL"
    ).fetchall()
    assert (extra, reason) == ('{"actionMetadata":"none","experimentalCapabilities":["ALL"]}', "404")


def test_what_money_needs_is_as_strict_as_ever(pulled: duckdb.DuckDBPyConnection) -> None:
    assert pulled.execute("SELECT arn[-2:], error FROM etl.rejected_records").fetchall() == [
        ("91", "shots: no number: 'a lot'")
    ]


def test_each_member_of_another_type_is_noted_once(pulled: duckdb.DuckDBPyConnection) -> None:
    found = pulled.execute("SELECT path, value FROM etl.schema_drift WHERE kind = 'unreadable'").fetchall()
    assert {
        ("failureReason", "number"),
        ("queueInfo.position", "number"),
        ("queueInfo.position", "text"),
    } <= set(found)
    assert len(found) == len(set(found))
