"""Whatever Braket answers becomes a row that holds it exactly, or a reject that holds it; and harms nobody who looks at it.

`make test` draws some 300 answers; `make faults` more than 10,000 of the same (tests/faults/hostile_answers.py).
"""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from braket_etl.aws.fetch import Fetched
from braket_etl.aws.operations import BY_NAME
from braket_etl.aws.sessions import Sessions, Target, ambient_account
from braket_etl.pull.merge import Batch, merge
from braket_etl.pull.puller import Puller
from braket_etl.pull.reference import pull_devices
from braket_etl.settings import REDACT_DEFAULT
from braket_etl.tables.redact import Redactor
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.publish import publish
from tests.conftest import Program
from tests.faults.hostile import (
    TEXTS,
    Account,
    Answer,
    filled,
    record_shape,
    written,
)
from tests.faults.hostile_answers import (
    AT,
    HOSTILE,
    HostileScenario,
    batch_of,
    check_reject,
    rejects_of,
    served_region,
    stored,
)
from tests.processes import on_terminal


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    home = tmp_path_factory.mktemp("hostile")
    return FileWarehouse(home / "writer", home / "warehouse.duckdb")


@pytest.mark.parametrize(("scenario", "short", "_"), HOSTILE.values(), ids=HOSTILE)
def test_an_answer_is_a_row_or_a_reject(
    warehouse: Warehouse, tmp_path: Path, scenario: HostileScenario, short: int, _: int
) -> None:
    outcome = scenario(warehouse, tmp_path, batches=short, at_random=False)
    assert outcome.expected > short
    assert outcome.lost == 0


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


def test_a_poll_of_a_device_that_cannot_be_stored_is_a_reject(warehouse: Warehouse) -> None:
    arn = "arn:aws:braket:us-east-1::device/qpu/ionq/Half"
    queue = {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "half a pair: \ud800"}
    body = filled(record_shape("GetDevice"), "text") | {"deviceArn": arn, "deviceQueueInfo": [queue]}
    target = Target(ambient_account(), "us-east-1")
    with served_region() as region:
        region.account = Account(devices={arn: body})
        puller = Puller(warehouse, Sessions([target.account]), None, "run")
        assert pull_devices(puller, [target]).rejected == 1
    answer = Answer("GetDevice", arn, written(body), False)
    check_reject(rejects_of(warehouse, [answer])[arn], answer)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A published warehouse in which each hostile text stands in every text of a task, a job, an event and a reject."""
    program = Program(tmp_path_factory.mktemp("looked-at") / "home")
    warehouse = FileWarehouse(program.home / "writer", program.published)
    batch = Batch()
    for n, text in enumerate(TEXTS):
        for operation, kind in (("GetQuantumTask", "quantum-task"), ("GetJob", "job")):
            arn = f"arn:aws:braket:us-east-1:{text or 123456789012}:{kind}/{text}/{n}"
            body = filled(record_shape(operation), text) | {
                BY_NAME[operation].arn_member: arn,
                text or "nothing": text,
            }
            batch.fetched.append(Fetched(operation, arn, body, AT))
            batch.fetched.append(
                Fetched(operation, arn + "/rejected", {**body, BY_NAME[operation].arn_member: text}, AT)
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
        _, shown = on_terminal(looked_at, *arguments, columns=200)
        assert shown.strip(), arguments
        assert "Traceback" not in shown
        # what the program itself colours is taken away; whatever then steers a terminal came from the data
        rest = OUR_COLOURS.sub("", shown)
        assert {character for character in rest if not character.isprintable()} <= set("\r\n"), arguments


#: What rich writes for the styles of this program; the data's own are red on nothing, titles and links.
OUR_COLOURS = re.compile(r"\x1b\[(?:0|1|2|3|32|33|1;31)m")


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
