"""The declarations hold every member that the API has, and the flattener loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import botocore.session
import duckdb
import pyarrow as pa
import pytest
from botocore import xform_name
from hypothesis import given
from hypothesis import strategies as st

from braket_etl.aws.operations import GET_JOB, GET_TASK
from braket_etl.aws.wire import body_check
from braket_etl.tables import ALL, JOB_EVENTS, JOBS, QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables.job_events import event_bodies
from braket_etl.tables.normalize import Drift, flattened, normalize
from braket_etl.tables.observations import parsed_position, with_position

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ARN = "arn:aws:braket:us-east-1:123456789012:quantum-task/11111111-2222-3333-4444-555555555555"
JOB_ARN = "arn:aws:braket:eu-north-1:123456789012:job/6f0c6f0e-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Response:
    body: dict[str, Any]
    operation: str = "GetQuantumTask"
    arn: str = ARN
    fetched_at: datetime = AT
    ignored: None = field(default=None)


def task_body(**members: Any) -> dict[str, Any]:
    return {
        "quantumTaskArn": ARN,
        "status": "COMPLETED",
        "deviceArn": "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1",
        "deviceParameters": '{"paradigmParameters": {}}',
        "shots": 1000,
        "outputS3Bucket": "amazon-braket-us-east-1-123456789012",
        "outputS3Directory": "tasks/1111",
        "createdAt": "2026-11-19T23:59:59.123Z",
        **members,
    }


def job_body(**members: Any) -> dict[str, Any]:
    return {
        "jobArn": JOB_ARN,
        "status": "COMPLETED",
        "roleArn": "arn:aws:iam::123456789012:role/r",
        "jobName": "name",
        "outputDataConfig": {"s3Path": "s3://b/p"},
        "algorithmSpecification": {},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
        "createdAt": "2026-11-20T08:00:00Z",
        **members,
    }


def record_shape(operation: str) -> Any:
    return botocore.session.get_session().get_service_model("braket").operation_model(operation).output_shape


def normalized(table: Any, *bodies: dict[str, Any]) -> Any:
    return normalize(table, [Response(body) for body in bodies], bookkeeping={"origin": "api"})


def leaves(shape: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The members of an output shape down to what a column can hold: scalars, maps and lists."""
    for name, member in shape.members.items():
        if member.type_name == "structure":
            yield from leaves(member, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize(
    ("operation", "tables"),
    [("GetQuantumTask", [QUANTUM_TASKS, TASK_OBSERVATIONS]), ("GetJob", [JOBS, TASK_OBSERVATIONS])],
)
def test_every_column_has_the_name_of_its_member(operation: str, tables: list[Any]) -> None:
    model = botocore.session.get_session().get_service_model("braket")
    sources = {column.source: column.name for table in tables for column in table.columns if column.source}
    for path in leaves(model.operation_model(operation).output_shape):
        # what has no column is told by tests.api_news: a newer botocore is no reason to fail
        if path[0] != "queueInfo" and ".".join(path) in sources:
            assert sources[".".join(path)] == "_".join(xform_name(member) for member in path)


def test_documented_statuses_are_those_of_the_api() -> None:
    model = botocore.session.get_session().get_service_model("braket")
    for table, column, shape in (
        (QUANTUM_TASKS, "status", "QuantumTaskStatus"),
        (JOBS, "status", "JobPrimaryStatus"),
        (JOB_EVENTS, "event_type", "JobEventType"),
    ):
        assert set(table.by_name[column].values) <= set(model.shape_for(shape).enum)


def test_a_task_becomes_a_row() -> None:
    body = task_body(
        endedAt="2026-11-20T00:03:00Z",
        tags={"team": "chem"},
        associations=[
            {
                "arn": "arn:aws:braket:us-east-1:123456789012:reservation/r",
                "type": "RESERVATION_TIME_WINDOW_ARN",
            }
        ],
        actionMetadata={
            "actionType": "braket.ir.openqasm.program_set",
            "programCount": 3,
            "executableCount": 9,
        },
        numSuccessfulShots=990,
    )
    [row] = normalized(QUANTUM_TASKS, body).rows.to_pylist()
    assert row["account_id"] == "123456789012"
    assert row["region"] == "us-east-1"
    assert (row["device_provider"], row["device_name"], row["device_type"]) == ("ionq", "Forte-1", "QPU")
    assert row["created_at"] == datetime(2026, 11, 19, 23, 59, 59, 123000, UTC)
    assert row["created_date"].isoformat() == "2026-11-19"
    assert row["is_terminal"] is True
    assert row["reservation_arn"].endswith("reservation/r")
    assert row["action_metadata_executable_count"] == 9
    assert dict(row["tags"]) == {"team": "chem"}
    assert row["device_parameters"] == '{"paradigmParameters": {}}'
    assert row["extra"] is None
    assert row["fetched_at"] == row["first_seen_at"] == AT


def test_the_region_comes_from_the_record_not_from_its_device() -> None:
    body = task_body(deviceArn="arn:aws:braket:::device/quantum-simulator/amazon/sv1")
    [row] = normalized(QUANTUM_TASKS, body).rows.to_pylist()
    assert (row["region"], row["device_name"], row["device_type"]) == ("us-east-1", "sv1", "SIMULATOR")


def test_unknown_members_are_kept_and_noted_once() -> None:
    bodies = [
        task_body(
            priority=3,
            actionMetadata={"actionType": "x", "colour": "red"},
            queueInfo={"queue": "Q", "lane": 1},
        ),
        task_body(priority=4),
    ]
    result = normalized(QUANTUM_TASKS, *bodies)
    extra = [row["extra"] for row in result.rows.to_pylist()]
    assert extra == [
        '{"actionMetadata":{"colour":"red"},"priority":3,"queueInfo":{"lane":1}}',
        '{"priority":4}',
    ]
    assert {d.path for d in result.drift if d.kind == "member"} == {"priority", "actionMetadata", "queueInfo"}
    assert not result.rejects


def test_an_unknown_status_is_stored_and_noted() -> None:
    result = normalized(QUANTUM_TASKS, task_body(status="PAUSED"))
    assert result.rows.column("status").to_pylist() == ["PAUSED"]
    assert [(d.kind, d.path, d.value) for d in result.drift] == [("value", "status", "PAUSED")]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"shots": "a lot"}, "shots"),
        ({"shots": 2**63}, "shots"),
        ({"shots": 1.5}, "shots"),
        ({"shots": True}, "shots"),
        ({"shots": None}, "shots"),
        ({"createdAt": "yesterday"}, "createdAt"),
        ({"createdAt": 1e300}, "createdAt"),
        ({"tags": ["team"]}, "tags"),
        ({"associations": {"arn": "x"}}, "associations"),
        ({"associations": [{"arn": 7}]}, "associations"),
        ({"quantumTaskArn": "not-an-arn"}, "ARN"),
        ({"failureReason": "\ud800"}, "surrogates"),
    ],
)
def test_what_cannot_become_a_row_is_rejected_with_its_payload_and_the_others_stay(
    wrong: dict[str, Any], named: str
) -> None:
    result = normalized(QUANTUM_TASKS, task_body(), task_body(**wrong), task_body())
    assert result.rows.num_rows == 2
    [reject] = result.rejects
    assert named in reject.error
    assert '"outputS3Bucket"' in reject.payload
    reject.payload.encode("ascii")


def test_device_parameters_that_are_no_json_are_kept_as_they_came() -> None:
    [row] = normalized(QUANTUM_TASKS, task_body(deviceParameters="{not json")).rows.to_pylist()
    assert row["device_parameters"] == "{not json"


def test_events_are_flattened_with_their_index_also_when_null_or_unknown() -> None:
    job = {
        "jobArn": JOB_ARN,
        "createdAt": "2026-11-20T08:00:00Z",
        "events": [
            {"eventType": "QUEUED_FOR_EXECUTION", "timeOfEvent": "2026-11-20T08:00:01Z", "message": None},
            None,
            {"eventType": "TELEPORTED", "how": "slowly"},
        ],
    }
    result = normalize(JOB_EVENTS, [Response(body, "GetJob", JOB_ARN) for body in event_bodies(job)])
    rows = result.rows.to_pylist()
    assert [row["event_index"] for row in rows] == [0, 1, 2]
    assert [row["event_type"] for row in rows] == ["QUEUED_FOR_EXECUTION", None, "TELEPORTED"]
    assert rows[2]["extra"] == '{"how":"slowly"}'
    assert {row["job_created_at"] for row in rows} == {datetime(2026, 11, 20, 8, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        ("2", (2, False)),
        (">2000", (2000, True)),
        ("0 (1 prioritized job(s) running)", (0, False)),
        ("None", (None, None)),
        ("", (None, None)),
        (None, (None, None)),
        ("9" * 40, (int("9" * 18), False)),
        ("> 2,000", (2000, True)),
        (">2,000", (2000, True)),
        ("1,234,567 tasks", (1234567, False)),
        ("2 000", (2000, False)),
        ("2\u202f000", (2000, False)),
        ("12.345", (12345, False)),
        ("2000+", (2000, True)),
        ("\u2265 2'000", (2000, True)),
        ("2,00", (None, None)),
        ("2,0000", (None, None)),
        ("2.5", (None, None)),
        ("about 7", (None, None)),
    ],
)
def test_positions_are_parsed(raw: str | None, parsed: tuple[int | None, bool | None]) -> None:
    assert parsed_position(raw) == parsed


@pytest.mark.parametrize(
    ("info", "columns"),
    [
        (
            {"queue": "QUANTUM_TASKS_QUEUE", "message": "moved"},
            {"queue": "QUANTUM_TASKS_QUEUE", "message": "moved", "position_raw": None},
        ),
        ({"queue": 5, "position": 12}, {"queue": "5", "position_raw": "12"}),
        ({"position": ["3"], "queuePriority": True}, {"position_raw": '["3"]', "queue_priority": "true"}),
        ("behind 3 others", {"position_raw": "behind 3 others", "queue": None}),
        ("3", {"position_raw": "3"}),
        ([{"position": "3"}], {"position_raw": '[{"position":"3"}]'}),
        (7, {"position_raw": "7"}),
        (False, {"position_raw": "false"}),
        ({}, {"position_raw": None}),
    ],
)
def test_queue_info_of_another_form_is_kept_as_text_and_costs_no_record(
    info: Any, columns: dict[str, Any]
) -> None:
    body = task_body(status="QUEUED", queueInfo=info)
    records = normalized(QUANTUM_TASKS, body)
    assert (records.rows.num_rows, records.rejects) == (1, [])
    polls = normalize(TASK_OBSERVATIONS, [Response(body)], finish=with_position)
    [row] = polls.rows.to_pylist()
    assert {name: row[name] for name in columns} == columns
    assert (row["position"], row["is_capped"]) == (None, None)
    assert not polls.rejects


@pytest.mark.parametrize(
    ("members", "columns", "extra", "paths"),
    [
        (
            {"actionMetadata": "none"},
            {"action_metadata_action_type": None, "action_metadata_program_count": None},
            {"actionMetadata": "none"},
            {"actionMetadata.actionType", "actionMetadata.programCount", "actionMetadata.executableCount"},
        ),
        (
            {"actionMetadata": {"actionType": 3, "programCount": "many", "colour": "red"}},
            {"action_metadata_action_type": "3", "action_metadata_program_count": None},
            {"actionMetadata": {"programCount": "many", "colour": "red"}},
            {"actionMetadata.actionType", "actionMetadata.programCount"},
        ),
        (
            {"experimentalCapabilities": ["ALL"]},
            {"experimental_capabilities_enabled": None},
            {"experimentalCapabilities": ["ALL"]},
            {"experimentalCapabilities.enabled"},
        ),
        ({"failureReason": 404}, {"failure_reason": "404"}, None, {"failureReason"}),
        ({"deviceParameters": 0}, {"device_parameters": "0"}, None, {"deviceParameters"}),
        ({"tags": {"run": 7, "ok": True}}, {"tags": [("run", "7"), ("ok", "true")]}, None, set()),
    ],
)
def test_side_information_that_cannot_be_read_is_kept_and_noted(
    members: dict[str, Any], columns: dict[str, Any], extra: Any, paths: set[str]
) -> None:
    result = normalized(QUANTUM_TASKS, task_body(**members))
    [row] = result.rows.to_pylist()
    assert {name: row[name] for name in columns} == columns
    assert (json.loads(row["extra"]) if row["extra"] else None) == extra
    assert {drift.path for drift in result.drift if drift.kind == "unreadable"} == paths


def test_drift_names_the_type_of_what_cannot_be_read_and_not_its_value() -> None:
    bodies = [task_body(failureReason=n) for n in range(100)]
    assert normalized(QUANTUM_TASKS, *bodies).drift == {
        Drift("quantum_tasks", "unreadable", "failureReason", "number")
    }


def test_a_job_is_stored_whatever_stands_beside_what_it_costs() -> None:
    body = job_body(
        events="none yet",
        outputDataConfig={"kmsKeyId": ["k"]},
        stoppingCondition={"maxRuntimeInSeconds": "long"},
        hyperParameters=["a"],
        inputDataConfig=[{"channelName": "in"}, "more"],
        algorithmSpecification="a script",
        deviceConfig=5,
        queueInfo="soon",
    )
    job_check = body_check("GetJob", record_shape("GetJob"))
    job_check(body)
    result = normalized(JOBS, body)
    [row] = result.rows.to_pylist()
    assert not result.rejects
    assert (row["instance_config_instance_type"], row["output_data_config_s3_path"]) == ("ml.m5.large", "")
    assert json.loads(row["extra"]) == {
        "events": "none yet",
        "stoppingCondition": {"maxRuntimeInSeconds": "long"},
        "hyperParameters": ["a"],
        "inputDataConfig": [{"channelName": "in"}, "more"],
        "algorithmSpecification": "a script",
        "deviceConfig": 5,
    }
    assert event_bodies(body) == []


@pytest.mark.parametrize(
    "wrong", [{"instanceConfig": {"instanceType": "ml.m5.large"}}, {"startedAt": "noon"}]
)
def test_a_job_whose_cost_cannot_be_known_is_no_row(wrong: dict[str, Any]) -> None:
    result = normalized(JOBS, job_body(**wrong))
    assert (result.rows.num_rows, len(result.rejects)) == (0, 1)


def test_what_is_no_check_of_the_wire_is_side_information_of_the_tables_and_the_other_way_round() -> None:
    for get, tables in ((GET_TASK, [QUANTUM_TASKS, TASK_OBSERVATIONS]), (GET_JOB, [JOBS])):
        columns = [column for table in tables for column in table.columns if column.source]
        side = {column.member_path[0] for column in columns if column.side}
        strict = {column.member_path[0] for column in columns if not column.side}
        assert not side & strict
        assert get.side_members - {"queueInfo", "events"} == side - {"queueInfo"}
    assert all(
        column.side
        for column in JOB_EVENTS.columns
        if column.source in {"eventType", "timeOfEvent", "message"}
    )


def test_events_that_are_no_objects_or_hold_other_types_are_kept() -> None:
    job = job_body(events=["began", {"eventType": 5, "timeOfEvent": "noon", "message": None}])
    result = normalize(JOB_EVENTS, [Response(body, "GetJob", JOB_ARN) for body in event_bodies(job)])
    first, second = result.rows.to_pylist()
    assert not result.rejects
    assert (first["event_index"], first["event_type"], first["extra"]) == (0, None, '{"event":"began"}')
    assert (second["event_type"], second["time_of_event"]) == ("5", None)
    assert second["extra"] == '{"timeOfEvent":"noon"}'


def test_a_poll_shows_status_and_position() -> None:
    body = task_body(
        status="QUEUED",
        queueInfo={"queue": "QUANTUM_TASKS_QUEUE", "position": ">2000", "queuePriority": "Normal"},
    )
    [row] = normalize(TASK_OBSERVATIONS, [Response(body)], finish=with_position).rows.to_pylist()
    assert (row["position"], row["is_capped"], row["position_raw"]) == (2000, True, ">2000")
    assert row["observed_at"] == row["last_observed_at"] == AT


def test_every_declaration_makes_a_table_with_comments() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA etl")
        for table in ALL:
            connection.execute(table.create_statement(compression=False))
            for statement in table.comment_statements():
                connection.execute(statement)
            assert len({column.name for column in table.columns}) == len(table.columns)
            assert set(table.key) <= set(table.by_name)
        bare = connection.execute(
            "SELECT count(*) FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
        ).fetchall()
        assert bare == [(0,)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(sorted(task_body(tags={}, endedAt="", queueInfo={}))), json_values, max_size=4
    )
)
def test_any_json_is_a_row_or_a_reject(members: dict[str, Any]) -> None:
    result = normalized(QUANTUM_TASKS, task_body(**members))
    assert result.rows.num_rows + len(result.rejects) == 1
    assert result.rows.schema.equals(QUANTUM_TASKS.arrow_schema)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=60))
def test_text_comes_through_unchanged(text: str) -> None:
    body = task_body(failureReason=text, tags={text: text})
    [row] = normalized(QUANTUM_TASKS, body).rows.to_pylist()
    assert row["failure_reason"] == text
    assert dict(row["tags"]) == {text: text}


def test_flattening_leaves_the_body_as_it_is() -> None:
    body = task_body(tags={"a": "b"}, surprise={"x": 1})
    before = repr(body)
    flattened(QUANTUM_TASKS, body)
    assert repr(body) == before


def test_arrow_types_are_those_that_the_warehouse_stores() -> None:
    assert QUANTUM_TASKS.arrow_schema.field("tags").type == pa.map_(pa.string(), pa.string())
    assert QUANTUM_TASKS.arrow_schema.field("created_at").type == pa.timestamp("us", "UTC")
