"""What is read from results.json, whatever lies around it."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from braket_etl.aws import json_stream
from braket_etl.aws.errors import BadConfiguration
from braket_etl.aws.results import (
    NamedNotOpened,
    NotATask,
    ResultMetadata,
    Unreadable,
    read_metadata,
    results_key,
)
from braket_etl.aws.walk import walk

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
        action_hash=metadata(**document).action_hash,
    )


def test_the_same_program_has_the_same_hash_whoever_ran_it() -> None:
    def hashed(action: Any, **more: Any) -> str | None:
        task = {**TASK, "id": f"{ARN[:-1]}6", "shots": 7} if more else TASK
        document = {"taskMetadata": task, "additionalMetadata": {**more, "action": action}}
        assert hashed_with_blanks(document) == metadata(**document).action_hash
        return metadata(**document).action_hash

    def hashed_with_blanks(document: Any) -> str | None:
        result = read_metadata(io.BytesIO(json.dumps(document, indent=3).encode()))
        assert isinstance(result, ResultMetadata)
        return result.action_hash

    action = {"source": "OPENQASM 3.0; h q[0];", "inputs": {"theta": 0.5}}
    assert hashed(action) == hashed(action, simulatorMetadata={"executionDuration": 4}) is not None
    others = [
        {**action, "inputs": {"theta": 0.25}},
        {"source": action["source"]},
        {**action, "source": "x"},
        "",
    ]
    assert len({hashed(action), *map(hashed, others)}) == 5
    assert hashed(None) is None
    assert metadata(taskMetadata=TASK).action_hash is None


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


def test_a_program_set_tells_what_became_of_each_executable() -> None:
    failed = {"failureReason": "The device stopped.", "retryable": True, "category": "DEVICE"}
    programs = [{"executables": [{}, failed]}, "no program", {"executables": [{"status": "CANCELLED"}, None]}]
    result = metadata(taskMetadata={**TASK, "programMetadata": programs})
    assert result.executables is not None
    assert [tuple(each.values()) for each in result.executables] == [
        (0, 0, "succeeded", None, None, None),
        (0, 1, "failed", "DEVICE", "The device stopped.", True),
        (2, 0, "cancelled", None, None, None),
        (2, 1, None, None, None, None),
    ]


def test_aquila_tells_how_many_shots_succeeded() -> None:
    for quera, told in (({"numSuccessfulShots": 41}, 41), ({}, None), (None, None)):
        result = metadata(taskMetadata=TASK, additionalMetadata={"action": {}, "queraMetadata": quera})
        assert (result.shots, result.successful_shots) == (100, told)


SPLIT = {
    "braketSchemaHeader": {"name": "braket.task_result.program_set_task_result", "version": "1"},
    "programResults": ["programs/0/results.json"],
    "s3Location": ["amazon-braket-us-east-1-111122223333", "tasks/1"],
    "taskMetadata": "metadata.json",
}
SET = {
    **{name: value for name, value in TASK.items() if name not in ("shots", "braketSchemaHeader")},
    "braketSchemaHeader": {"name": "braket.task_result.program_set_task_metadata", "version": "1"},
    "requestedShots": 300,
    "successfulShots": 200,
    "totalFailedExecutables": 1,
    "programMetadata": [{"executables": [{}, {}, {"failureReason": "no", "category": "DEVICE"}]}],
}


def split(beside: Callable[[str], io.BytesIO], **members: Any) -> Any:
    return read_metadata(io.BytesIO(json.dumps({**SPLIT, **members}).encode()), beside)


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
def test_the_metadata_of_a_program_set_are_read_from_the_file_that_it_names(packed: Any) -> None:
    asked = []

    def beside(name: str) -> io.BytesIO:
        asked.append(name)
        return io.BytesIO(packed(json.dumps(SET).encode()))

    result = split(beside)
    assert isinstance(result, ResultMetadata), result
    assert (result.arn, result.schema_name) == (ARN, "braket.task_result.program_set_task_result")
    assert (result.requested_shots, result.successful_shots, result.executable_count) == (300, 200, 3)
    assert split(beside, taskMetadata="told/apart.json") == result
    assert asked == ["metadata.json", "told/apart.json"]


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../metadata.json", "a/../../b", "/etc/passwd", "a//b", "s3://other/metadata.json"),
        *("C:metadata.json", "..\\metadata.json", "a\x00b", "a\nb", "m" * 2_000),
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_not_followed(name: str) -> None:
    def beside(name: str) -> io.BytesIO:
        raise AssertionError(name)

    result = split(beside, taskMetadata=name)
    assert isinstance(result, Unreadable)
    assert "no place beside it" in result.error
    assert result.error.isprintable()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "metadata.json, which it names: IncompleteJSONError"),
        (json.dumps(SET).encode()[:-9], "metadata.json, which it names: IncompleteJSONError"),
        (gzip.compress(json.dumps(SET).encode(), mtime=0)[:-20], "metadata.json, which it names: EOFError"),
        (b'{"a": ' * 200, "nested too deeply"),
        (json.dumps([0] * 600_000).encode(), "too large"),
    ],
)
def test_damaged_metadata_are_told_of_by_their_name(content: bytes, said: str) -> None:
    result = split(lambda name: io.BytesIO(content))
    assert isinstance(result, Unreadable)
    assert said in result.error


@pytest.mark.parametrize("content", [SPLIT, [1], "metadata.json"])
def test_metadata_that_lead_round_in_a_circle_or_are_none_are_no_task(content: Any) -> None:
    assert isinstance(split(lambda name: io.BytesIO(json.dumps(content).encode())), NotATask)


def test_metadata_that_are_not_there_are_told_apart_from_those_that_cannot_be_had(tmp_path: Path) -> None:
    def failing(number: int) -> Callable[[str], io.BytesIO]:
        def beside(name: str) -> io.BytesIO:
            raise OSError(number, os.strerror(number))

        return beside

    result = split(failing(errno.ENOENT))
    assert isinstance(result, Unreadable)
    assert "metadata.json, which it names, is not beside it" in result.error
    with pytest.raises(NamedNotOpened, match=r"metadata\.json"):
        split(failing(errno.EACCES))
    (tmp_path / "results.json").write_text(json.dumps(SPLIT))
    os.mkfifo(tmp_path / "metadata.json")
    [found] = walk(str(tmp_path))
    with found.opened() as stream:
        assert isinstance(read_metadata(stream, found.beside), Unreadable)


def test_metadata_that_were_packed_under_another_name_are_found(tmp_path: Path) -> None:
    for name, content in (("results.json", SPLIT), ("metadata.json", SET)):  # as `gzip -r` leaves a folder
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(json.dumps(content).encode()))
    [found] = walk(str(tmp_path))
    with found.opened() as stream:
        result = read_metadata(stream, found.beside)
    assert isinstance(result, ResultMetadata), result
    assert result.successful_shots == 200


def test_a_local_set_without_files_beside_it_is_read_as_it_is() -> None:
    result = read({**SPLIT, "taskMetadata": SET, "programResults": []})
    assert isinstance(result, ResultMetadata)
    assert result.requested_shots == 300


@pytest.mark.parametrize(
    "schema", ["program_result", "program_set_executable_result", "program_set_executable_failure"]
)
def test_the_other_files_of_a_program_set_are_known_as_its_parts(schema: str) -> None:
    result = read({"braketSchemaHeader": {"name": f"braket.task_result.{schema}", "version": "1"}})
    assert isinstance(result, NotATask)
    assert result.is_part
    assert isinstance(result := read(SET), NotATask)
    assert result.is_part


@pytest.mark.parametrize("kind", [io.BytesIO, lambda content: Dripping(content)])
def test_a_packed_file_is_read_by_its_content(kind: Any) -> None:
    packed = gzip.compress(b"\xef\xbb\xbf" + WHOLE)
    assert read_metadata(kind(packed)) == read_metadata(io.BytesIO(WHOLE))
    for damaged in (packed[:-12], packed[:30], packed[:2], packed[:40] + b"x" * 20 + packed[60:]):
        assert isinstance(read_metadata(kind(damaged)), Unreadable)


class Endless(io.RawIOBase):
    """A beginning, and then the same for ever."""

    def __init__(self, head: bytes, more: bytes) -> None:
        super().__init__()
        self._head, self._more = head, more

    def read(self, size: int | None = -1) -> bytes:
        head, self._head = self._head, self._more if size else self._head
        return head if size else b""


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b'{"measurements": "', b"[0, 1], " * 8_192),
        (b'{"a\\', b'"' + b"\\" * 65_535),
        (b'{"a": [1', b"1" * 65_536),
    ],
)
def test_a_text_or_a_number_without_end_is_refused(
    head: bytes, more: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser would hold it whole, and take the square of its length in time."""
    monkeypatch.setattr(json_stream, "_LONGEST_TEXT", 1 << 20)
    assert read_metadata(Endless(head, more)) == Unreadable("a text or a number in it is too long")


def test_long_texts_that_end_are_read() -> None:
    action = {"source": "\n" * 2_000_000 + '"', "inputs": {}}
    document = {
        "additionalMetadata": {"action": action},
        "taskMetadata": TASK,
        "measurements": [[0, 1]] * 99_999,
    }
    assert metadata(**document).arn == ARN


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
    names = ["b/results.json.gz", "a-1/results.json", "a/results.json", "a/z/results.json", "a/other.json"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    found = list(walk(str(tmp_path)))
    assert sorted(str(Path(each.name).relative_to(tmp_path)) for each in found) == sorted(names[:-1])
    for each in found:
        with each.opened() as stream:
            assert each.name.endswith(stream.read().decode())
    for position, each in enumerate(found):
        assert [after.name for after in walk(str(tmp_path), start_after=each.name)] == [
            later.name for later in found[position + 1 :]
        ]


def test_a_single_file_can_be_named_whatever_its_name(tmp_path: Path) -> None:
    for name in ("results.json", "of a task"):
        (tmp_path / name).write_bytes(b"{}")
        assert [found.name for found in walk(str(tmp_path / name))] == [str(tmp_path / name)]


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
