"""Each fault of the emulator does on the wire what its name says, and only where it was asked to."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from braket_emulator import Emulator, running
from braket_emulator.faults import HOSTILE, KINDS

NOW = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with running(tasks=150, jobs=8, days=6, now=NOW, frozen=True, quotas=False) as each:
        yield each


@pytest.fixture(autouse=True)
def without_faults(emulator: Emulator) -> Iterator[None]:
    emulator.set_faults([])
    emulator.reset_stats()
    yield
    emulator.set_faults([])


class Wire:
    """Plain HTTP to an emulator, one connection a call."""

    def __init__(self, emulator: Emulator) -> None:
        self.place = urlsplit(emulator.url)
        key = emulator.env()["AWS_ACCESS_KEY_ID"]
        scope = f"{key}/20261118/us-east-1/braket/aws4_request"
        self.headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        }

    def call(
        self, method: str, path: str, body: Any = None, timeout: float = 10
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(self.place.hostname or "", self.place.port, timeout=timeout)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, body=text, headers=self.headers)
        response = connection.getresponse()
        try:
            return response, response.read()
        finally:
            connection.close()

    def task(self, arn: str) -> tuple[http.client.HTTPResponse, bytes]:
        return self.call("GET", f"/quantum-task/{quote(arn, safe='')}?additionalAttributeNames=QueueInfo")

    def tasks(self, **request: Any) -> dict[str, Any]:
        page: dict[str, Any] = json.loads(self.call("POST", "/quantum-tasks", {"filters": [], **request})[1])
        return page


@pytest.fixture
def wire(emulator: Emulator) -> Wire:
    return Wire(emulator)


@pytest.fixture
def arn(emulator: Emulator, wire: Wire) -> str:
    found: str = wire.tasks(maxResults=1)["quantumTasks"][0]["quantumTaskArn"]
    return found


def test_every_kind_is_tried_here() -> None:
    text = Path(__file__).read_text()
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("throttle", 429, "ThrottlingException"),
        ("internal_error", 500, "InternalServiceException"),
        ("access_denied", 403, "AccessDeniedException"),
        ("expired_token", 403, "ExpiredTokenException"),
        ("vanish", 404, "ResourceNotFoundException"),
    ],
)
def test_error_answers(emulator: Emulator, wire: Wire, arn: str, kind: str, status: int, code: str) -> None:
    emulator.set_faults([{"kind": kind, "operations": ["GetQuantumTask"]}])
    response, body = wire.task(arn)
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (status, code)
    assert json.loads(body)["message"]
    assert emulator.stats()["errors"] == {code: 1}
    assert emulator.stats()["faults"] == {kind: 1}
    assert arn in {each["quantumTaskArn"] for each in wire.tasks()["quantumTasks"]}


def test_boto3_reads_them_as_what_they_are(emulator: Emulator, arn: str) -> None:
    emulator.set_faults([{"kind": "throttle"}])
    env = emulator.env()
    braket = boto3.client(
        "braket",
        region_name="us-east-1",
        endpoint_url=emulator.url,
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )
    with pytest.raises(ClientError) as error:
        braket.get_quantum_task(quantumTaskArn=arn)
    assert error.value.response["Error"]["Code"] == "ThrottlingException"


def test_a_reset_before_the_answer(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "reset_before"}])
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        wire.task(arn)


def test_a_reset_in_the_middle_of_the_body(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "reset_mid_body"}])
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        wire.task(arn)


def test_the_emulator_lives_on_after_resets(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "reset_before", "first_n": 1}, {"kind": "reset_mid_body", "first_n": 1}])
    with pytest.raises((ConnectionResetError, http.client.HTTPException)):
        wire.task(arn)
    assert wire.task(arn)[0].status == 200


def test_a_body_cut_in_half_is_complete_http(emulator: Emulator, wire: Wire, arn: str) -> None:
    whole = wire.task(arn)[1]
    emulator.set_faults([{"kind": "truncated_body"}])
    response, body = wire.task(arn)
    assert response.status == 200
    assert body == whole[: len(whole) // 2]
    assert int(response.headers["Content-Length"]) == len(body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


def test_an_empty_body(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "empty_body"}])
    response, body = wire.task(arn)
    assert (response.status, response.headers["Content-Length"], body) == (200, "0", b"")


def test_a_page_of_html(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "html_body"}])
    response, body = wire.task(arn)
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html")
    assert body.startswith(b"<html>")


def test_a_wrong_content_type(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "wrong_content_type"}])
    response, body = wire.task(arn)
    assert response.headers["Content-Type"] == "text/plain"
    assert json.loads(body)["quantumTaskArn"] == arn


def test_a_stall(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "stall", "seconds": 60, "first_n": 1}])
    with pytest.raises(TimeoutError):
        wire.call("POST", "/jobs", {"filters": []}, timeout=0.5)
    assert wire.task(arn)[0].status == 200  # others are answered meanwhile


def test_an_expired_page_token(emulator: Emulator, wire: Wire) -> None:
    emulator.set_faults([{"kind": "expired_page_token"}])
    first = wire.tasks(maxResults=5)
    response, body = wire.call("POST", "/quantum-tasks", {"filters": [], "nextToken": first["nextToken"]})
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, "ValidationException")
    assert "expired" in json.loads(body)["message"]


def test_a_record_again_on_the_next_page(emulator: Emulator, wire: Wire) -> None:
    emulator.set_faults([{"kind": "duplicate_page"}])
    first = wire.tasks(maxResults=5)
    second = wire.tasks(maxResults=5, nextToken=first["nextToken"])
    assert second["quantumTasks"][0] == first["quantumTasks"][-1]
    assert len({each["quantumTaskArn"] for each in first["quantumTasks"] + second["quantumTasks"]}) == 9


def test_an_unknown_member(emulator: Emulator, wire: Wire, arn: str) -> None:
    whole = json.loads(wire.task(arn)[1])
    emulator.set_faults([{"kind": "unknown_member"}])
    more = json.loads(wire.task(arn)[1])
    assert more.pop("carbonFootprint")
    assert more == whole
    assert all("carbonFootprint" in each for each in wire.tasks()["quantumTasks"])


def test_an_unknown_enum_value(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "unknown_enum"}])
    assert json.loads(wire.task(arn)[1])["status"] == "HIBERNATING"


def test_a_wrong_type(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "wrong_type"}])
    assert json.loads(wire.task(arn)[1])["shots"] == "a lot"
    assert {each["shots"] for each in wire.tasks()["quantumTasks"]} == {"a lot"}


def test_a_missing_required_member(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "missing_required", "member": "createdAt"}])
    assert "createdAt" not in json.loads(wire.task(arn)[1])
    assert not any("createdAt" in each for each in wire.tasks()["quantumTasks"])
    emulator.set_faults([{"kind": "missing_required"}])
    assert "quantumTasks" not in wire.tasks()
    required = {"quantumTaskArn", "status", "deviceArn", "deviceParameters", "shots", "outputS3Bucket"}
    required |= {"outputS3Directory", "createdAt"}
    assert len(required - json.loads(wire.task(arn)[1]).keys()) == 1


def test_half_of_a_surrogate_pair(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "lone_surrogate"}])
    body = wire.task(arn)[1]
    assert b"\\ud800" in body
    assert any("\ud800" in value for value in json.loads(body)["tags"].values())


def test_hostile_text(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "hostile_text"}])
    task = json.loads(wire.task(arn)[1])
    assert task["failureReason"] == HOSTILE
    assert task["tags"][HOSTILE] == HOSTILE
    emulator.set_faults([])
    assert HOSTILE not in json.loads(wire.task(arn)[1]).get("tags", {})  # the record itself stayed as it was


def test_a_fault_fires_on_the_first_calls_only(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "internal_error", "first_n": 2, "operations": ["GetQuantumTask"]}])
    assert wire.tasks()["quantumTasks"]  # does not count: it is another operation
    assert [wire.task(arn)[0].status for _ in range(4)] == [500, 500, 200, 200]


def test_a_fault_can_be_narrowed_down(emulator: Emulator, wire: Wire) -> None:
    one, two = (each["quantumTaskArn"] for each in wire.tasks(maxResults=2)["quantumTasks"])
    emulator.set_faults([{"kind": "internal_error", "arns": [one]}])
    assert [wire.task(each)[0].status for each in (one, two)] == [500, 200]
    emulator.set_faults([{"kind": "missing_required", "arns": [two], "member": "status"}])
    assert ["status" in each for each in wire.tasks(maxResults=2)["quantumTasks"]] == [True, False]
    emulator.set_faults([{"kind": "internal_error", "regions": ["eu-north-1"]}])
    assert wire.task(one)[0].status == 200
    emulator.set_faults([{"kind": "internal_error", "accounts": ["210987654321"]}])
    assert wire.task(one)[0].status == 200


def test_chance_is_the_same_for_the_same_calls() -> None:
    def statuses() -> list[int]:
        with running(tasks=20, jobs=0, days=2, now=NOW, frozen=True, quotas=False) as mine:
            wire = Wire(mine)
            arn = wire.tasks(maxResults=1)["quantumTasks"][0]["quantumTaskArn"]
            mine.set_faults([{"kind": "internal_error", "probability": 0.4}])
            return [wire.task(arn)[0].status for _ in range(40)]

    one = statuses()
    assert one == statuses()
    assert 5 <= one.count(500) <= 30


def test_what_vanished_stays_gone(emulator: Emulator, wire: Wire) -> None:
    arns = [each["quantumTaskArn"] for each in wire.tasks(maxResults=30)["quantumTasks"]]
    emulator.set_faults([{"kind": "vanish", "probability": 0.4}])
    first = [wire.task(each)[0].status for each in arns]
    assert first == [wire.task(each)[0].status for each in arns]
    assert set(first) == {200, 404}


@pytest.mark.parametrize(
    "fault",
    [{"kind": "plague"}, {"kind": "throttle", "odds": 1}, {"kind": "throttle", "probability": 2}, "throttle"],
)
def test_a_fault_that_makes_no_sense_is_refused(emulator: Emulator, fault: Any) -> None:
    with pytest.raises(ValueError, match="message"):
        emulator.set_faults([fault])


def test_a_denied_bucket_concerns_s3_alone(emulator: Emulator, wire: Wire, arn: str) -> None:
    emulator.set_faults([{"kind": "bucket_denied"}])
    assert wire.task(arn)[0].status == 200
    assert emulator.stats()["faults"] == {}  # what it does to S3 is in test_storage
