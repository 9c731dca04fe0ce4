"""What is read from results.json, whatever lies around it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from braket_etl.aws.errors import BadConfiguration
from braket_etl.aws.results import (
    NotATask,
    ResultMetadata,
    Unreadable,
    read_metadata,
    results_key,
    walk,
)

ARN = "arn:aws:braket:eu-north-1:123456789012:quantum-task/11111111-2222-3333-4444-555555555555"
HEADER = {"name": "braket.task_result.gate_model_task_result", "version": "1"}
TASK = {
    "braketSchemaHeader": {"name": "braket.task_result.task_metadata", "version": "1"},
    "id": ARN,
    "shots": 100,
    "deviceId": "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet",
    "deviceParameters": {"paradigmParameters": {"qubitCount": 2}},
    "createdAt": "2026-08-14T21:19:44.701Z",
    "endedAt": "2026-08-14T21:19:47.484Z",
    "status": "COMPLETED",
}
ADDITIONAL = {
    "action": {"source": 'OPENQASM 3.0; // { [ " ] }', "inputs": {"executionDuration": 99}},
    "simulatorMetadata": {"executionDuration": 4},
}


class Counting(io.BytesIO):
    """Bytes that know how far they were read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.bytes_read = 0

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self.bytes_read += len(chunk)
        return chunk


def read(document: Any) -> ResultMetadata | NotATask | Unreadable:
    return read_metadata(io.BytesIO(json.dumps(document).encode()))


def metadata(**document: Any) -> ResultMetadata:
    result = read(document)
    assert isinstance(result, ResultMetadata)
    return result


@pytest.mark.parametrize("last", ["braketSchemaHeader", "taskMetadata", "additionalMetadata", "measurements"])
def test_the_order_of_members_plays_no_part(last: str) -> None:
    document = {
        "measurements": [[0, 1], [1, 1]],
        "additionalMetadata": ADDITIONAL,
        "taskMetadata": TASK,
        "braketSchemaHeader": HEADER,
        "resultTypes": [{"taskMetadata": {"id": "nested, and not meant"}}],
    }
    document[last] = document.pop(last)
    assert metadata(**document) == ResultMetadata(
        arn=ARN,
        device_arn="arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet",
        shots=100,
        status="COMPLETED",
        created_at=datetime(2026, 8, 14, 21, 19, 44, 701000, UTC),
        ended_at=datetime(2026, 8, 14, 21, 19, 47, 484000, UTC),
        failure_reason=None,
        device_parameters='{"paradigmParameters": {"qubitCount": 2}}',
        execution_duration_ms=4,
        schema_name="braket.task_result.gate_model_task_result",
        schema_version="1",
    )


def test_a_qpu_task_has_no_execution_duration() -> None:
    for additional in ({"iqmMetadata": {}}, {"simulatorMetadata": None}, None):
        document = {"braketSchemaHeader": HEADER, "taskMetadata": TASK, "additionalMetadata": additional}
        assert metadata(**document).execution_duration_ms is None
    assert metadata(taskMetadata=TASK).schema_name is None


def test_a_program_set_tells_its_shots_and_counts() -> None:
    programs = [{"executables": [{}, {}]}, {"executables": [{}]}, {}]
    task = {
        **{name: value for name, value in TASK.items() if name != "shots"},
        "requestedShots": 300,
        "successfulShots": 200,
        "totalFailedExecutables": 1,
        "programMetadata": programs,
    }
    result = metadata(taskMetadata=task, programResults=[{"executableResults": []}])
    assert (result.shots, result.requested_shots, result.successful_shots) == (None, 300, 200)
    assert (result.failed_executables, result.program_count, result.executable_count) == (1, 3, 3)


def test_a_member_that_comes_twice_counts_as_it_does_for_any_json_parser() -> None:
    def member(duration: int) -> str:
        return f'"additionalMetadata": {{"simulatorMetadata": {{"executionDuration": {duration}}}}}'

    text = f'{{"braketSchemaHeader": {json.dumps(HEADER)}, "taskMetadata": {json.dumps(TASK)}, '
    result = read_metadata(io.BytesIO(f"{text}{member(15)}, {member(16)}}}".encode()))
    assert isinstance(result, ResultMetadata)
    assert result.execution_duration_ms == 16


def test_a_large_file_is_read_only_as_far_as_needed() -> None:
    head = {"braketSchemaHeader": HEADER, "taskMetadata": TASK, "additionalMetadata": ADDITIONAL}
    content = json.dumps(head)[:-1].encode() + b', "measurements": [' + b"[0, 1], " * 1_000_000 + b"[0, 1]]}"
    stream = Counting(content)
    assert isinstance(read_metadata(stream), ResultMetadata)
    assert stream.bytes_read < len(content) / 4


def test_measurements_that_come_first_are_passed_over() -> None:
    tail = json.dumps({"taskMetadata": TASK, "additionalMetadata": ADDITIONAL})[1:]
    content = b'{"measurements": [' + b"[0, 1], " * 300_000 + b"[0, 1]], " + tail.encode()
    result = read_metadata(io.BytesIO(content))
    assert isinstance(result, ResultMetadata)
    assert result.arn == ARN


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            {"braketSchemaHeader": {"name": "braket.jobs_data.persisted_job_data"}, "dataDictionary": {}},
            "hybrid job",
        ),
        ({"taskMetadata": {"id": "rydberg", "createdAt": None}}, "local simulator"),
        ({"taskMetadata": {**TASK, "id": None}}, "local simulator"),
        ({"taskMetadata": {**TASK, "id": "arn:aws:braket:us-east-1:123456789012:job/1"}}, "local simulator"),
        ({"taskMetadata": None}, "no task metadata"),
        ({"taskMetadata": "task_metadata.json"}, "a file of their own"),
        ({"accuracy": 0.93}, "no task metadata"),
        ([1, 2], "no JSON object"),
        ("text", "no JSON object"),
    ],
)
def test_other_files_of_that_name_are_told_apart_by_their_content(document: Any, reason: str) -> None:
    result = read(document)
    assert isinstance(result, NotATask)
    assert reason in result.reason


WHOLE = json.dumps(
    {"braketSchemaHeader": HEADER, "taskMetadata": TASK, "additionalMetadata": ADDITIONAL}
).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<Error><Code>AccessDenied</Code></Error>",
        *(WHOLE[:length] for length in range(1, len(WHOLE) - 1, 37)),
        WHOLE[:-1],
        WHOLE.replace(b"OPENQASM", b"OPEN\xffQASM"),
        WHOLE.replace(b"100", b'"a lot"'),
        WHOLE.replace(b"2026-08-14T21:19:44.701Z", b"yesterday"),
    ],
)
def test_a_damaged_file_is_unreadable_and_no_task(content: bytes) -> None:
    result = read_metadata(io.BytesIO(content))
    assert isinstance(result, Unreadable)
    assert result.error.isprintable()


def test_metadata_without_end_are_not_built() -> None:
    task = json.dumps({"taskMetadata": {**TASK, "programMetadata": [0] * 600_000}}).encode()
    assert read_metadata(io.BytesIO(task)) == Unreadable("the metadata are too large")


@pytest.mark.parametrize("levels", [100, 5_000, 50_000])
def test_metadata_nested_too_deeply_are_unreadable(levels: int) -> None:
    deep = '{"a": ' * levels + "1" + "}" * levels
    task = '{"id": "arn:aws:braket:us-west-2:123456789012:quantum-task/1", "deviceParameters": %s}'
    read = read_metadata(io.BytesIO(('{"taskMetadata": ' + task % deep + "}").encode()))
    assert read == Unreadable("its metadata are nested too deeply")


@pytest.mark.parametrize("directory", ["tasks/1", "tasks/1/"])
def test_the_key_is_in_the_output_directory(directory: str) -> None:
    assert results_key(directory) == "tasks/1/results.json"


def test_a_folder_is_walked_in_a_fixed_order_and_can_be_resumed(tmp_path: Path) -> None:
    for name in ("b/results.json", "a-1/results.json", "a/results.json", "a/z/results.json", "a/other.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    found = list(walk(str(tmp_path)))
    names = [str(Path(name).relative_to(tmp_path)) for name, _ in found]
    assert sorted(names) == ["a-1/results.json", "a/results.json", "a/z/results.json", "b/results.json"]
    for name, opened in found:
        with opened() as stream:
            assert name.endswith(stream.read().decode())
    for position, (name, _) in enumerate(found):
        assert [after for after, _ in walk(str(tmp_path), start_after=name)] == [
            later for later, _ in found[position + 1 :]
        ]


def test_a_single_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes(b"{}")
    assert [name for name, _ in walk(str(tmp_path / "results.json"))] == [str(tmp_path / "results.json")]


def test_a_folder_that_does_not_exist_is_bad_configuration(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="nowhere"):
        list(walk(str(tmp_path / "nowhere")))


class Dripping(io.RawIOBase):
    """Bytes that come one at a time, as from a slow connection."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = io.BytesIO(content)

    def read(self, size: int | None = -1) -> bytes:
        return self._content.read(1 if size else 0)


@pytest.mark.parametrize("kind", [io.BytesIO, Dripping])
def test_a_byte_order_mark_before_the_file_is_passed_over(kind: Any) -> None:
    text = json.dumps({"taskMetadata": TASK, "additionalMetadata": ADDITIONAL}).encode()
    marked, plain = (read_metadata(kind(start + text)) for start in (b"\xef\xbb\xbf", b""))
    assert isinstance(marked, ResultMetadata)
    assert marked == plain
    for damaged in (b"\xef\xbb\xbf", b"\xef\xbb" + text, b"\xef\xbb\xbf" * 2 + text):
        assert isinstance(read_metadata(kind(damaged)), Unreadable)
