"""Polls of the emulator, whose true starts are known."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from braket_emulator import running
from braket_etl.tables import QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables.normalize import normalize
from braket_etl.tables.observations import with_position
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import extend_observations, upsert

NOW = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
POLLS, GAP = 16, timedelta(minutes=20)
#: The emulator's clock stands at whole seconds during a poll, so bounds hold as exactly as floats do.
RESOLUTION = 1e-3


@dataclass
class Answer:
    """One response and when it was given."""

    operation: str
    arn: str
    body: dict
    fetched_at: datetime


def asked(emulator, method, path, body=None):
    """A call in wire form, as botocore would sign it."""
    key = emulator.env()["AWS_ACCESS_KEY_ID"]
    request = urllib.request.Request(
        emulator.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"AWS4-HMAC-SHA256 Credential={key}/20261118/us-east-1/braket/aws4_request, "
            "SignedHeaders=host, Signature=0",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def poll(emulator, con, at):
    """Look at every task created in the last hours, as a pull does."""
    emulator.set_clock(now=at, rate=0)
    window = [(NOW - timedelta(hours=6)).isoformat(), at.isoformat()]
    filters = [{"name": "createdAt", "operator": "BETWEEN", "values": window}]
    page = {"nextToken": None}
    answers = []
    while "nextToken" in page:
        token = {"nextToken": page["nextToken"]} if page["nextToken"] else {}
        page = asked(emulator, "POST", "/quantum-tasks", {"filters": filters, "maxResults": 100, **token})
        for summary in page["quantumTasks"]:
            arn = summary["quantumTaskArn"]
            path = f"/quantum-task/{urllib.parse.quote(arn, safe='')}?additionalAttributeNames=QueueInfo"
            answers.append(Answer("GetQuantumTask", arn, asked(emulator, "GET", path), at))
    with transaction(con):
        upsert(con, QUANTUM_TASKS, normalize(QUANTUM_TASKS, answers, bookkeeping={"origin": "api"}).rows)
        polls = normalize(TASK_OBSERVATIONS, answers, finish=with_position).rows
        extend_observations(con, TASK_OBSERVATIONS, polls)


def test_what_polls_leave_known_holds_what_truly_happened(tmp_path):
    with (
        running(tasks=900, jobs=6, days=3, seed=5, now=NOW, frozen=True, quotas=False) as emulator,
        FileWarehouse(tmp_path, tmp_path / "published.duckdb").writing("test") as con,
    ):
        for number in range(POLLS):
            poll(emulator, con, NOW + number * GAP)
        truth = emulator.truth()
        cursor = con.execute("FROM task_latency")
        names = [column[0] for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    assert len(found) > 60
    assert {row["basis"] for row in found} == {"polled", "bounds_only"}
    for row in found:
        true = truth[row["quantum_task_arn"]]
        if true["started"] is None:  # cancelled or refused in the queue
            assert row["end_kind"] in ("cancelled_in_queue", "cancelled", "failed", None)
            continue
        wait = (datetime.fromisoformat(true["started"]) - row["created_at"]).total_seconds()
        run = (
            datetime.fromisoformat(true["ended"]) - datetime.fromisoformat(true["started"])
        ).total_seconds()
        assert row["wait_seconds_lower"] - RESOLUTION <= wait
        assert row["wait_seconds_upper"] is None or wait <= row["wait_seconds_upper"] + RESOLUTION
        if row["end_kind"] is not None and not row["is_censored"]:
            assert row["run_seconds_lower"] - RESOLUTION <= run <= row["run_seconds_upper"] + RESOLUTION
        if row["is_counted"] and row["stat_seconds_upper"] is not None:
            assert row["stat_seconds_lower"] - RESOLUTION <= wait <= row["stat_seconds_upper"] + RESOLUTION
    assert any(row["is_censored"] for row in found)
    assert sum(row["wait_seconds_lower"] > 0 for row in found) > 10
