"""Polls of the emulator, whose true starts are known, and events from real SQS and S3 endpoints."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from braket_emulator import running
from braket_etl.aws.events import delete_messages, prefix_texts, queued_messages
from braket_etl.aws.sessions import Sessions, ambient_account
from braket_etl.pull.events import event_rows
from braket_etl.pull.feed import read_feed
from braket_etl.tables import QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables.normalize import normalize
from braket_etl.tables.observations import with_position
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import extend_observations, upsert
from tests.integration.buckets import empty_moto

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


def event(number):
    task = "arn:aws:braket:us-east-1:123456789012:quantum-task/1"
    return json.dumps(
        {
            "id": f"event-{number}",
            "detail-type": "Braket Task State Change",
            "account": "123456789012",
            "region": "us-east-1",
            "time": "2026-11-18T14:30:00Z",
            "detail": {"quantumTaskArn": task, "status": "RUNNING"},
        }
    )


@pytest.fixture(scope="module")
def client():
    with empty_moto() as url:
        yield lambda service: boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )


def test_messages_of_a_queue_are_read_and_only_those_committed_are_deleted(client):
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="state-changes")["QueueUrl"]
    for number in range(23):
        sqs.send_message(QueueUrl=url, MessageBody=event(number))
    messages = list(queued_messages(sqs, url))
    rows = event_rows([message.body for message in messages], NOW).rows
    assert sorted(rows.column("event_id").to_pylist()) == sorted(f"event-{number}" for number in range(23))
    assert delete_messages(sqs, url, messages[:20]) == 0
    for message in messages[20:]:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message.receipt, VisibilityTimeout=0)
    assert len(list(queued_messages(sqs, url))) == 3


def test_messages_that_cannot_be_deleted_are_stored_and_a_warning(client, tmp_path, monkeypatch):
    sqs = client("sqs")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", sqs.meta.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    url = sqs.create_queue(QueueName="gone")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=event(1))
    sessions = Sessions()
    sessions.session(ambient_account()).events.register(
        "before-call.sqs.DeleteMessageBatch", lambda **_: sqs.delete_queue(QueueUrl=url) and None
    )
    warehouse = FileWarehouse(tmp_path / "writer", tmp_path / "warehouse.duckdb")
    outcome = read_feed(warehouse, sessions, ambient_account(), url, "run")
    assert outcome.counts["state_change_events"].new == 1
    assert [warning for warning in outcome.warnings if "stays in the queue" in warning]


def test_json_under_a_prefix_is_read(client):
    s3 = client("s3")
    s3.create_bucket(Bucket="events")
    for key, number in (
        ("braket/2.jsonl", 2),
        ("braket/1.json", 1),
        ("other/3.json", 3),
        ("braket/notes.txt", 4),
    ):
        s3.put_object(Bucket="events", Key=key, Body=event(number).encode())
    rows = event_rows(prefix_texts(s3, "events", "braket/"), NOW).rows
    assert rows.column("event_id").to_pylist() == ["event-1", "event-2"]
