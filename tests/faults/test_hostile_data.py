"""Whatever Braket answers becomes a row that holds it exactly, or a reject that holds it; and harms nobody who looks at it.

`make test` draws some 300 answers; with BRAKET_ETL_FAULTS=whole it is 10,000.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb
import pytest
from botocore import xform_name
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from braket_etl.aws import wire
from braket_etl.aws.fetch import ARN_MEMBERS, Fetched, Rejected
from braket_etl.aws.sessions import Sessions, Target, ambient_account
from braket_etl.emulator.service_model import braket
from braket_etl.pull.merge import Batch, merge
from braket_etl.pull.pull import Puller
from braket_etl.pull.reference import pull_devices, pull_spending_limits
from braket_etl.pull.resources import TASKS
from braket_etl.settings import REDACT_DEFAULT
from braket_etl.tables.redact import Redactor
from braket_etl.warehouse.connection import Warehouse, configured
from braket_etl.warehouse.publish import publish
from tests.conftest import Program
from tests.faults.hostile import (
    TEXTS,
    Account,
    Answer,
    accounts,
    answers,
    difference,
    filled,
    read,
    record_shape,
    same,
    written,
)
from tests.http_server import answered_by

# Read now: no test sees the settings of whoever runs it.
_WHOLE = os.environ.get("BRAKET_ETL_FAULTS") == "whole"
_IN_A_BATCH = 10
TERMINAL = ("COMPLETED", "FAILED", "CANCELLED")
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def batches(short: int, whole: int) -> Any:
    """How many batches of ten answers are drawn."""
    return settings(
        max_examples=whole if _WHOLE else short,
        deadline=None,
        derandomize=not _WHOLE,
        database=None,
        phases=(Phase.generate,),  # a failure names the answer; to shrink a batch takes minutes
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    home = tmp_path_factory.mktemp("hostile")
    return Warehouse(home / "writer", home / "warehouse.duckdb")


def came(answer: Answer) -> Fetched | Rejected:
    """The answer as it comes from a call that Braket answered with 200, again and again."""
    check = wire.body_check(answer.operation, record_shape(answer.operation))
    try:
        body = wire.json_object(answer.text)
        check(body)
    except ValueError as error:
        return Rejected(answer.operation, answer.arn, str(error), answer.text, AT)
    if body[ARN_MEMBERS[answer.operation]] != answer.arn:
        return Rejected(answer.operation, answer.arn, "the answer is of another record", answer.text, AT)
    return Fetched(answer.operation, answer.arn, body, AT)


def batch_of(drawn: Sequence[Answer]) -> Batch:
    outcomes = [came(answer) for answer in drawn]
    return Batch(
        [outcome for outcome in outcomes if isinstance(outcome, Fetched)],
        [outcome for outcome in outcomes if isinstance(outcome, Rejected)],
    )


def stored(warehouse: Warehouse, query: str, drawn: Sequence[Answer]) -> list[dict[str, Any]]:
    """The rows about these answers."""
    with duckdb.connect(str(warehouse.file), read_only=True) as connection:
        configured(connection)
        cursor = connection.execute(query, [[answer.arn for answer in drawn]])
        names = [name for name, *_ in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@batches(short=14, whole=400)
@given(
    drawn=st.lists(
        answers("GetQuantumTask", "quantumTaskArn", "quantum-task"),
        min_size=_IN_A_BATCH,
        max_size=_IN_A_BATCH,
    )
)
def test_a_task_is_a_row_or_a_reject(warehouse: Warehouse, drawn: list[Answer]) -> None:
    check_merged(warehouse, drawn, "quantum_tasks", "quantum_task_arn", "queueInfo")
    for row, body in polled(warehouse, drawn, "task_observations", "quantum_task_arn"):
        check_poll(row, body, "GetQuantumTask")


@batches(short=10, whole=400)
@given(drawn=st.lists(answers("GetJob", "jobArn", "job"), min_size=_IN_A_BATCH, max_size=_IN_A_BATCH))
def test_a_job_is_a_row_or_a_reject(warehouse: Warehouse, drawn: list[Answer]) -> None:
    check_merged(warehouse, drawn, "jobs", "job_arn", "queueInfo", "events")
    for row, body in polled(warehouse, drawn, "job_observations", "job_arn"):
        check_poll(row, body, "GetJob")
    check_events(warehouse, drawn)


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


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Iterator[Region]:
    served = Region()
    with answered_by(served.handler()) as url:
        for name, value in (
            ("ENDPOINT_URL_BRAKET", url),
            ("ACCESS_KEY_ID", "key"),
            ("SECRET_ACCESS_KEY", "secret"),
        ):
            monkeypatch.setenv(f"AWS_{name}", value)
        yield served


@batches(short=6, whole=200)
@given(account=accounts())
def test_what_a_region_lists_is_stored_or_rejected(
    warehouse: Warehouse, region: Region, account: Account
) -> None:
    region.account = account
    target = Target(ambient_account(), "us-east-1")
    puller = Puller(warehouse, Sessions([target.account]), None, "run")
    outcome = puller.pull_days([target], [TASKS], [date(2026, 11, 19)], only_due=False)
    assert not outcome.problems
    check_rows(warehouse, account.tasks, "GetQuantumTask", "quantum_tasks", account.clean, "queueInfo")
    # a Region lists what it listed before: tags that were taken over once are taken over for good
    assert puller.pull_days([target], [TASKS], [date(2026, 11, 19)], only_due=False).retagged == 0
    assert not pull_devices(puller, [target]).rejected
    check_rows(warehouse, account.devices, "GetDevice", "devices", account.devices, "deviceQueueInfo")
    assert not pull_spending_limits(puller, [target]).rejected
    check_rows(warehouse, account.limits, "SearchSpendingLimits", "spending_limits", account.limits)


@pytest.mark.parametrize(
    "member",
    [
        '"x": 1e400',
        '"x": NaN',
        f'"shots": {"9" * 5_000}',
        *(f'"x": {"[" * n}{"]" * n}' for n in (101, 950, 100_000)),
    ],
    ids=["1e400", "NaN", "5000 digits", "101 levels", "950 levels", "100000 levels"],
)
def test_json_that_nothing_of_ours_could_write_again_is_a_reject(warehouse: Warehouse, member: str) -> None:
    """Python reads it, and fails on it later: infinity is no JSON, and a deep value fills the stack."""
    arn = f"arn:aws:braket:us-east-1:123456789012:quantum-task/{len(member)}"
    body = filled(record_shape("GetQuantumTask"), "text") | {"quantumTaskArn": arn}
    answer = Answer("GetQuantumTask", arn, f"{json.dumps(body)[:-1]}, {member}}}", False)
    merge(warehouse, batch_of([answer]), "run", "a test", Redactor(REDACT_DEFAULT))
    assert stored(warehouse, "FROM quantum_tasks WHERE list_contains(?, quantum_task_arn)", [answer]) == []
    assert rejects_of(warehouse, [answer])[arn]["payload"] == answer.text


def test_a_poll_of_a_device_that_cannot_be_stored_is_a_reject(warehouse: Warehouse, region: Region) -> None:
    arn = "arn:aws:braket:us-east-1::device/qpu/ionq/Half"
    queue = {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "half a pair: \ud800"}
    body = filled(record_shape("GetDevice"), "text") | {"deviceArn": arn, "deviceQueueInfo": [queue]}
    region.account = Account(devices={arn: body})
    target = Target(ambient_account(), "us-east-1")
    puller = Puller(warehouse, Sessions([target.account]), None, "run")
    assert pull_devices(puller, [target]).rejected == 1
    answer = Answer("GetDevice", arn, written(body), False)
    check_reject(rejects_of(warehouse, [answer])[arn], answer)


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


def check_poll(row: dict[str, Any], body: dict[str, Any], operation: str) -> None:
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


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A published warehouse in which each hostile text stands in every text of a task, a job, an event and a reject."""
    program = Program(tmp_path_factory.mktemp("looked-at") / "home")
    warehouse = Warehouse(program.home / "writer", program.published)
    batch = Batch()
    for n, text in enumerate(TEXTS):
        for operation, kind in (("GetQuantumTask", "quantum-task"), ("GetJob", "job")):
            arn = f"arn:aws:braket:us-east-1:{text or 123456789012}:{kind}/{text}/{n}"
            body = filled(record_shape(operation), text) | {
                ARN_MEMBERS[operation]: arn,
                text or "nothing": text,
            }
            batch.fetched.append(Fetched(operation, arn, body, AT))
            batch.fetched.append(
                Fetched(operation, arn + "/rejected", {**body, ARN_MEMBERS[operation]: text}, AT)
            )
    merge(warehouse, batch, "run", "a test")
    with warehouse.writing("publishing") as connection:
        publish(warehouse, connection)
    assert program.one("SELECT count(*) FROM quantum_tasks") == len(TEXTS)
    assert program.one("SELECT count(*) FROM etl.rejected_records") == 2 * len(TEXTS)
    return program


def test_no_control_character_reaches_a_terminal(looked_at: Program) -> None:
    arn = looked_at.one(
        "SELECT arn FROM etl.rejected_records WHERE contains(payload, '[31m') ORDER BY arn LIMIT 1"
    )
    for arguments in (
        ("sql", "FROM quantum_tasks", "--format", "table"),
        ("sql", "FROM jobs", "--format", "csv"),
        ("sql", "FROM job_events", "--format", "json"),
        ("sql", "SELECT * FROM etl.rejected_records", "--format", "markdown"),
        ("sql", 'SELECT 1 AS "\x1b[31m", missing\x1b[31m FROM quantum_tasks'),
        ("rejects", "list"),
        ("rejects", "show", arn),
        ("rejects", "show", "no such \x1b[31m ARN"),
        ("status",),
    ):
        shown = on_a_terminal(looked_at, *arguments)
        assert shown.strip(), arguments
        assert "Traceback" not in shown
        # what the program itself colours is taken away; whatever then steers a terminal came from the data
        rest = OUR_COLOURS.sub("", shown)
        assert {character for character in rest if not character.isprintable()} <= set("\r\n"), arguments


#: What rich writes for the styles of this program; the data's own are red on nothing, titles and links.
OUR_COLOURS = re.compile(r"\x1b\[(?:0|1|2|3|32|33|1;31)m")


def on_a_terminal(program: Program, *arguments: str) -> str:
    """What a verb writes to a terminal, standard error included."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "braket_etl", *arguments],
        env={**program.environment(), "COLUMNS": "200", "TERM": "xterm", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written_to = bytearray()
    with contextlib.suppress(OSError):  # the terminal is gone when the process is
        while chunk := os.read(ours, 65_536):
            written_to += chunk
    os.close(ours)
    process.wait()
    return written_to.decode(errors="surrogateescape")


def test_a_pipe_gets_the_data_as_they_are(looked_at: Program) -> None:
    query = "SELECT quantum_task_arn, device_parameters, tags FROM quantum_tasks ORDER BY ALL"
    expected = looked_at.rows(query)
    in_json = json.loads(looked_at.ok("sql", query, "--format", "json"))
    assert [tuple(row.values()) for row in in_json] == expected
    file = looked_at.home / "data.csv"
    looked_at.ok("sql", query, "--format", "csv", "--output", str(file))
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))[1:]
    assert [(arn, parameters, json.loads(tags)) for arn, parameters, tags in rows] == expected


def test_the_report_holds_no_markup_of_theirs(looked_at: Program) -> None:
    file = looked_at.home / "report.html"
    looked_at.ok("report", "--output", str(file), "--from", "1970-01-01", "--to", "2027-01-01")
    page = Page()
    page.feed(file.read_text("utf-8"))
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "link", "form", "base"}
    assert not {name for name in page.attributes if name.startswith("on")}
    assert not [value for value in page.addresses if not value.startswith("#")]
    assert "alert(1)" in page.text  # the data are there, as text


class Page(HTMLParser):
    """What an HTML page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name.split(":")[-1] in ("href", "src", "action", "data"):
                self.addresses.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("style", ["parquet", "csv"])
def test_an_export_stays_in_its_folder_under_plain_names(
    looked_at: Program, tmp_path: Path, style: str
) -> None:
    looked_at.ok("export", style, "--output", str(tmp_path / "at" / "export"))
    assert {path.name for path in tmp_path.iterdir()} == {"at"}
    assert {path.name for path in (tmp_path / "at").iterdir()} == {"export"}
    for path in (tmp_path / "at" / "export").rglob("*"):
        assert re.fullmatch(
            r"[a-z_]+(\.csv|\.parquet|\.json)?|created_month=\d{4}-\d{2}|data_\d+\.parquet", path.name
        )
    if style == "parquet":
        source = f"read_parquet('{tmp_path}/at/export/quantum_tasks/*/*.parquet', hive_partitioning = false)"
        columns = "SELECT quantum_task_arn, tags, failure_reason, extra, associations"
        assert duckdb.sql(f"{columns} FROM {source} ORDER BY ALL").fetchall() == looked_at.rows(
            f"{columns} FROM quantum_tasks ORDER BY ALL"
        )
