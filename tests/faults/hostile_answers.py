"""Hostile answers, stored, and everything that is then looked at: rows, rejects, polls, events, a second merge.

A scenario draws batches of answers, asserts of each answer that it is a row that holds all of it or a reject that does,
and tells how many there were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import duckdb
import pytest
from botocore import xform_name
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from braket_emulator.service_model import braket
from braket_etl.aws import wire
from braket_etl.aws.fetch import Fetched, Rejected
from braket_etl.aws.operations import BY_NAME
from braket_etl.aws.sessions import Sessions, Target, ambient_account
from braket_etl.pull.merge import Batch, merge
from braket_etl.pull.puller import Puller
from braket_etl.pull.reference import pull_devices, pull_spending_limits
from braket_etl.pull.resources import TASKS
from braket_etl.warehouse.connection import Warehouse, configured
from braket_etl.warehouse.file import FileWarehouse
from tests.faults.hostile import (
    Account,
    Answer,
    accounts,
    answers,
    difference,
    read,
    record_shape,
    same,
    written,
)
from tests.faults.outcome import Outcome
from tests.http_server import answered_by

_IN_A_BATCH = 10
TERMINAL = ("COMPLETED", "FAILED", "CANCELLED")
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@contextmanager
def fresh_warehouse(folder: Path) -> Iterator[Warehouse]:
    """A warehouse with nothing in it."""
    folder.mkdir(parents=True, exist_ok=True)
    yield FileWarehouse(folder / "writer", folder / "warehouse.duckdb")


def tasks(warehouse: Warehouse, _: Path, *, batches: int, at_random: bool) -> Outcome:
    """Tasks and their polls."""
    drawn_so_far = 0

    @_drawn_times(batches, at_random=at_random)
    @given(_batches_of("GetQuantumTask", "quantumTaskArn", "quantum-task"))
    def is_exact(drawn: list[Answer]) -> None:
        nonlocal drawn_so_far
        check_merged(warehouse, drawn, "quantum_tasks", "quantum_task_arn", "queueInfo")
        for row, body in polled(warehouse, drawn, "task_observations", "quantum_task_arn"):
            check_poll(row, body)
        drawn_so_far += len(drawn)

    is_exact()
    return _all_of("tasks", drawn_so_far, 2 * batches)


def jobs(warehouse: Warehouse, _: Path, *, batches: int, at_random: bool) -> Outcome:
    """Jobs, their polls and their events."""
    drawn_so_far = 0

    @_drawn_times(batches, at_random=at_random)
    @given(_batches_of("GetJob", "jobArn", "job"))
    def is_exact(drawn: list[Answer]) -> None:
        nonlocal drawn_so_far
        check_merged(warehouse, drawn, "jobs", "job_arn", "queueInfo", "events")
        for row, body in polled(warehouse, drawn, "job_observations", "job_arn"):
            check_poll(row, body)
        check_events(warehouse, drawn)
        drawn_so_far += len(drawn)

    is_exact()
    return _all_of("jobs", drawn_so_far, 2 * batches)


def listed(warehouse: Warehouse, _: Path, *, batches: int, at_random: bool) -> Outcome:
    """Tasks, devices and spending limits as a Region lists them, over HTTP."""
    drawn_so_far = 0
    target = Target(ambient_account(), "us-east-1")

    @_drawn_times(batches, at_random=at_random)
    @given(accounts())
    def is_exact(account: Account) -> None:
        nonlocal drawn_so_far
        region.account = account
        puller = Puller(warehouse, Sessions([target.account]), None, "run")
        outcome = puller.pull_days([target], [TASKS], [date(2026, 11, 19)], only_due=False)
        assert not outcome.problems, list(outcome.problems)
        check_rows(warehouse, account.tasks, "GetQuantumTask", "quantum_tasks", account.clean, "queueInfo")
        # a Region lists other tags than it gives with the task: asked for already, they are no reason to ask at once
        again = puller.pull_days([target], [TASKS], [date(2026, 11, 19)], only_due=False)
        assert again.fetched <= len(account.tasks) - len(ended(warehouse, account))
        assert not pull_devices(puller, [target]).rejected
        elsewhere = ("deviceQueueInfo", "deviceStatusReason")
        check_rows(warehouse, account.devices, "GetDevice", "devices", account.devices, *elsewhere)
        assert not pull_spending_limits(puller, [target]).rejected
        check_rows(warehouse, account.limits, "SearchSpendingLimits", "spending_limits", account.limits)
        drawn_so_far += len(account.tasks) + len(account.devices) + len(account.limits)

    with served_region() as region:
        is_exact()
    return _all_of("what a Region lists", drawn_so_far, 4 * batches)


class HostileScenario(Protocol):
    """Draws so many batches and looks at what became of them."""

    def __call__(
        self, warehouse: Warehouse, folder: Path, /, *, batches: int, at_random: bool
    ) -> Outcome: ...


#: Each with the batches that `make test` draws, some 300 answers together, and those of `make faults`: more than 10,000.
HOSTILE: Mapping[str, tuple[HostileScenario, int, int]] = {
    "tasks": (tasks, 14, 400),
    "jobs": (jobs, 10, 400),
    "lists": (listed, 6, 340),
}


def _drawn_times(batches: int, *, at_random: bool) -> settings:
    """How many batches are drawn: always the same ones, or others each time."""
    return settings(
        max_examples=batches,
        deadline=None,
        derandomize=not at_random,
        database=None,
        phases=(Phase.generate,),  # a failure names the answer; to shrink a batch takes minutes
        suppress_health_check=list(HealthCheck),
    )


def _batches_of(operation: str, member: str, kind: str) -> st.SearchStrategy[list[Answer]]:
    return st.lists(answers(operation, member, kind), min_size=_IN_A_BATCH, max_size=_IN_A_BATCH)


def _all_of(what: str, drawn: int, runs: int) -> Outcome:
    """Each answer that was drawn is there exactly, or an assertion has failed before."""
    return Outcome(f"hostile answers: {what}", drawn, runs, drawn, drawn, ())


def came(answer: Answer) -> Fetched | Rejected:
    """The answer as it comes from a call that Braket answered with 200, again and again."""
    check = wire.body_check(answer.operation, record_shape(answer.operation))
    try:
        body = wire.json_object(answer.text)
        check(body)
    except ValueError as error:
        return Rejected(answer.operation, answer.arn, str(error), answer.text, AT)
    if body[BY_NAME[answer.operation].arn_member] != answer.arn:
        return Rejected(answer.operation, answer.arn, "the answer is of another record", answer.text, AT)
    return Fetched(answer.operation, answer.arn, body, AT)


def batch_of(drawn: Sequence[Answer]) -> Batch:
    outcomes = [came(answer) for answer in drawn]
    return Batch(
        [outcome for outcome in outcomes if isinstance(outcome, Fetched)],
        [outcome for outcome in outcomes if isinstance(outcome, Rejected)],
    )


def ended(warehouse: Warehouse, account: Account) -> list[dict[str, Any]]:
    """The stored tasks of an account that are in a final state: only their tags are taken from a listing."""
    answers = [Answer("GetQuantumTask", arn, "", False) for arn in account.tasks]
    return stored(
        warehouse, "FROM quantum_tasks WHERE list_contains(?, quantum_task_arn) AND is_terminal", answers
    )


def stored(warehouse: Warehouse, query: str, drawn: Sequence[Answer]) -> list[dict[str, Any]]:
    """The rows about these answers."""
    with duckdb.connect(str(warehouse.file), read_only=True) as connection:
        configured(connection)
        cursor = connection.execute(query, [[answer.arn for answer in drawn]])
        names = [name for name, *_ in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class Region:
    """A server that answers as a Region of the account that it is given."""

    account = Account()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        region = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                segments = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/", 1)]
                operation = braket().operation_at(self.command, segments[0], labelled=len(segments) > 1)
                assert operation is not None
                text = region.account.answer(operation.name, segments[-1])
                body = (text or '{"message": "not found"}').encode()
                self.send_response(200 if text else 404)
                self.send_header("x-amzn-ErrorType", "ResourceNotFoundException")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

        return Handler


@contextmanager
def served_region() -> Iterator[Region]:
    """A Region, served, and the environment that leads boto3 to it."""
    region = Region()
    with answered_by(region.handler()) as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_BRAKET", url)
        environment.setenv("AWS_ACCESS_KEY_ID", "key")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield region


def check_rows(
    warehouse: Warehouse,
    bodies: Mapping[str, Any],
    operation: str,
    table: str,
    clean: Collection[str],
    *elsewhere: str,
) -> None:
    """Each body is a row that holds all of it, but for tags, which a listing may have changed; or a reject."""
    drawn = [Answer(operation, arn, written(body), arn in clean) for arn, body in bodies.items()]
    key = xform_name(next(iter(record_shape(operation).members)))
    rows = {row[key]: row for row in stored(warehouse, f"FROM {table} WHERE list_contains(?, {key})", drawn)}
    rejects = rejects_of(warehouse, drawn)
    for answer in drawn:
        if answer.is_clean:
            wrong = difference(
                record_shape(operation), read(answer.text), rows[answer.arn], *elsewhere, "tags"
            )
            assert wrong is None, answer.text
        elif answer.arn not in rows:
            check_reject(rejects[answer.arn], answer)


def check_merged(
    warehouse: Warehouse, drawn: Sequence[Answer], table: str, key: str, *elsewhere: str
) -> None:
    """Each answer is a row that holds all of it, or a reject with its text; merging it again changes nothing."""
    merge(warehouse, batch_of(drawn), "run", "a test")
    rows = {row[key]: row for row in stored(warehouse, f"FROM {table} WHERE list_contains(?, {key})", drawn)}
    assert len(rows) == len({answer.arn for answer in drawn} & rows.keys())
    rejects = rejects_of(warehouse, drawn)
    shape = record_shape(drawn[0].operation)
    for answer in drawn:
        row = rows.get(answer.arn)
        if row is not None:
            assert difference(shape, read(answer.text), row, *elsewhere) is None, answer.text
        else:
            check_reject(rejects[answer.arn], answer)
        if answer.is_clean:
            assert row is not None, rejects[answer.arn]["error"]
            assert answer.arn not in rejects, rejects[answer.arn]["error"]
    again = merge(warehouse, batch_of(drawn), "run", "a test").counts.get(table)
    assert again is None or (again.new, again.changed) == (0, 0)


def rejects_of(warehouse: Warehouse, drawn: Sequence[Answer]) -> dict[str, dict[str, Any]]:
    query = "FROM etl.rejected_records WHERE list_contains(?, arn)"
    return {row["arn"]: row for row in stored(warehouse, query, drawn)}


def check_reject(reject: dict[str, Any], answer: Answer) -> None:
    assert reject["error"]
    assert reject["payload"] == answer.text or read(reject["payload"]) == read(answer.text)


def polled(
    warehouse: Warehouse, drawn: Sequence[Answer], table: str, key: str
) -> Iterator[tuple[dict[str, Any], Any]]:
    """The poll of each clean answer about an open record, with the body that it is from."""
    polls = {row[key]: row for row in stored(warehouse, f"FROM {table} WHERE list_contains(?, {key})", drawn)}
    for answer in drawn:
        body = read(answer.text) if answer.is_clean else {"status": "unknown"}
        if answer.is_clean and body["status"] not in TERMINAL:
            yield polls[answer.arn], body


def check_poll(row: dict[str, Any], body: dict[str, Any]) -> None:
    queue = body.get("queueInfo") or {}
    assert row["status"] == body["status"]
    for column, member in (
        ("queue", "queue"),
        ("position_raw", "position"),
        ("queue_priority", "queuePriority"),
        ("message", "message"),
    ):
        assert row[column] == queue.get(member)
    assert row["observed_at"] == AT


def check_events(warehouse: Warehouse, drawn: Sequence[Answer]) -> None:
    """The events of each clean answer are there, in order and as they came."""
    shape = record_shape("GetJob").members["events"].member
    rows = stored(
        warehouse, "FROM job_events WHERE list_contains(?, job_arn) ORDER BY job_arn, event_index", drawn
    )
    for answer in drawn:
        if answer.is_clean:
            sent = read(answer.text).get("events") or []
            found = [row for row in rows if row["job_arn"] == answer.arn]
            assert [row["event_index"] for row in found] == list(range(len(sent)))
            assert all(same(shape, event, row) for event, row in zip(sent, found, strict=True))
