"""What becomes of each kind of answer: real boto3, real HTTP, and a server that misbehaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
import pytest

from braket_etl.aws.call import BadBody, call
from braket_etl.aws.errors import (
    AccessDenied,
    AwsProblem,
    EndpointUnreachable,
    ExpiredCredentials,
    NotFound,
    SearchFailed,
)
from braket_etl.aws.fetch import Rejected, Request, fetch_all
from braket_etl.aws.operations import SEARCH_TASKS
from braket_etl.aws.search import Window, search_devices, search_pages
from braket_etl.aws.sessions import Account, Sessions, Target
from braket_etl.aws.throttle import Budget, Files, Stopped
from tests.http_server import answered_by

ARN = "arn:aws:braket:us-east-1:123456789012:quantum-task/1"
TASK = {
    "quantumTaskArn": ARN,
    "status": "COMPLETED",
    "deviceArn": "arn:aws:braket:::device/quantum-simulator/amazon/sv1",
    "deviceParameters": "not even JSON",
    "shots": 100,
    "outputS3Bucket": "bucket",
    "outputS3Directory": "tasks/1",
    "createdAt": "2026-01-02T03:04:05.678Z",
    "memberOfTomorrow": {"a": [1, 2]},
}
WHOLE = json.dumps(TASK).encode()
DATE = "Fri, 20 Nov 2026 22:00:00 GMT"
JANUARY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))


HERE = Target(Account("default"), "us-east-1")


@dataclass
class Answer:
    """One HTTP answer; `length` may lie about the body, `hang_up` ends the connection without an answer."""

    body: bytes = WHOLE
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    hang_up: bool = False


def error(code: str, status: int, message: str = "no") -> Answer:
    return Answer(json.dumps({"message": message}).encode(), status, {"x-amzn-ErrorType": code})


@dataclass
class Script:
    """The answers that a server gives one after the other, the last one for ever; and what it was asked."""

    answers: list[Answer]
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Stage:
    """Where a server's script is changed from test to test."""

    script = Script([Answer()])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer, else each takes 40 ms

    def do_GET(self) -> None:
        script = Stage.script
        script.paths.append(self.path)
        script.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        answer = script.next()
        if answer.hang_up:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in {"Date": DATE, **answer.headers}.items():
            self.send_header(name, value)
        length = len(answer.body) if answer.length is None else answer.length
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = length != len(answer.body)

    do_POST = do_GET  # noqa: N815


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with answered_by(Handler) as started:
        yield started


@pytest.fixture(autouse=True)
def environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE123456789")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    monkeypatch.setenv("AWS_ENDPOINT_URL_BRAKET", url)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    """One for all tests: making a client takes longer than most of them."""
    return Sessions()


@pytest.fixture
def client(sessions: Sessions) -> Any:
    return sessions.braket(HERE)


@pytest.fixture
def client_for(client: Any) -> Callable[[Script], Any]:
    """A client of a server that follows a script."""

    def client_of(script: Script) -> Any:
        Stage.script = script
        return client

    return client_of


def get_task(client: Any, budget: Budget | None = None, **options: Any) -> Any:
    return call(client, "GetQuantumTask", {"quantumTaskArn": ARN}, budget, **options)


def test_a_whole_answer_comes_back_as_it_was_sent(client_for: Callable[[Script], Any]) -> None:
    script = Script([Answer()])
    response = get_task(client_for(script))
    assert response.body == TASK
    assert response.raw.encode() == WHOLE
    assert response.stamp.at == datetime(2026, 11, 20, 22, 0, 0, tzinfo=UTC)
    assert script.paths == ["/quantum-task/arn%3Aaws%3Abraket%3Aus-east-1%3A123456789012%3Aquantum-task%2F1"]


@pytest.mark.parametrize("date", ["", "the day before yesterday"])
def test_without_a_date_header_the_answer_is_of_now(client_for: Callable[[Script], Any], date: str) -> None:
    before = datetime.now(UTC)
    response = get_task(client_for(Script([Answer(headers={"Date": date})])))
    assert before <= response.stamp.at <= datetime.now(UTC)


DAMAGED = {
    "cut in half": Answer(WHOLE[:100]),
    "empty": Answer(b""),
    "HTML": Answer(b"<html>Log in to the hotel</html>", headers={"Content-Type": "text/html"}),
    "a list": Answer(b"[]"),
    "null": Answer(b"null"),
    "a required member missing": Answer(WHOLE.replace(b"shots", b"shuts")),
    "not UTF-8": Answer(WHOLE.replace(b"COMPLETED", b"COMPL\xff")),
    "cut off by the connection": Answer(WHOLE[:100], length=len(WHOLE)),
    "no answer": Answer(hang_up=True),
    "status 500": error("InternalServiceException", 500),
    "status 503 without JSON": Answer(b"busy", 503),
    "status 500 with a list": Answer(b"[1]", 500),
    "throttled": error("ThrottlingException", 429),
    "throttled by another code": error("TooManyRequestsException", 400),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_an_answer_that_may_get_better_is_asked_for_again(
    client_for: Callable[[Script], Any], damage: str
) -> None:
    script = Script([DAMAGED[damage], DAMAGED[damage], Answer()])
    assert get_task(client_for(script)).body == TASK
    assert len(script.paths) == 3


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(WHOLE[:100]), r"Unterminated|Expecting"),
        (Answer(WHOLE.replace(b"100", b'"a lot"')), "shots: no number"),
    ],
)
def test_an_answer_that_stays_bad_is_given_up_with_its_payload(
    client_for: Callable[[Script], Any], answer: Answer, reason: str
) -> None:
    script = Script([answer])
    with pytest.raises(BadBody, match=reason) as caught:
        get_task(client_for(script))
    assert caught.value.operation == "GetQuantumTask"
    assert caught.value.payload.encode() == answer.body
    assert caught.value.stamp.at == datetime(2026, 11, 20, 22, 0, 0, tzinfo=UTC)
    assert len(script.paths) == 5


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error("AccessDeniedException", 403), AccessDenied),
        (error("ExpiredTokenException", 403), ExpiredCredentials),
        (error("ResourceNotFoundException", 404), NotFound),
        (error("ValidationException", 400), AwsProblem),
        (Answer(b"<html>blocked by the proxy</html>", 403), AccessDenied),
    ],
)
def test_an_answer_that_will_not_get_better_is_final_at_once(
    client_for: Callable[[Script], Any], answer: Answer, kind: type[AwsProblem]
) -> None:
    script = Script([answer])
    with pytest.raises(kind) as caught:
        get_task(client_for(script))
    assert (caught.value.region, caught.value.operation) == ("us-east-1", "GetQuantumTask")
    assert len(script.paths) == 1


def test_no_message_tells_a_credential(client_for: Callable[[Script], Any]) -> None:
    said = "the key AKIAEXAMPLE123456789 may not do this\r\n\x1b[31m"
    with pytest.raises(AccessDenied) as caught:
        get_task(client_for(Script([error("AccessDeniedException", 403, said)])))
    assert "AKIAEXAMPLE" not in str(caught.value)
    assert "secret-of-the-test" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_refused_connection_names_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, client_for: Callable[[Script], Any]
) -> None:
    client_for(Script([Answer()]))
    monkeypatch.setenv("AWS_ENDPOINT_URL_BRAKET", "http://127.0.0.1:9")
    with pytest.raises(EndpointUnreachable, match=r"127\.0\.0\.1:9"):
        get_task(Sessions().braket(Target(Account("lab"), "us-east-1")))


def test_an_internal_error_that_stays_is_retryable_later(client_for: Callable[[Script], Any]) -> None:
    script = Script([error("InternalServiceException", 500)])
    with pytest.raises(AwsProblem, match="InternalServiceException") as caught:
        call(client_for(script), "GetJob", {"jobArn": ARN}, None)
    assert caught.value.retryable
    assert len(script.paths) > 4


def test_throttling_is_waited_out_only_so_long(client_for: Callable[[Script], Any]) -> None:
    with pytest.raises(AwsProblem, match="ThrottlingException") as caught:
        get_task(client_for(Script([error("ThrottlingException", 429)])), patience=0.2)
    assert caught.value.retryable


def test_every_request_takes_its_token_and_throttles_are_told(
    client_for: Callable[[Script], Any], tmp_path: Path
) -> None:
    budget = Budget(Files(tmp_path), "lab", "us-east-1", 1.0)
    answers = [
        error("ThrottlingException", 429),
        Answer(b""),
        error("InternalServiceException", 500),
        Answer(),
    ]
    get_task(client_for(Script(answers)), budget)
    (report,) = budget.report()
    assert (report.calls, report.throttles, report.retries) == (4, 1, 3)


def test_a_call_ends_when_nobody_wants_its_answer(client_for: Callable[[Script], Any]) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Stopped):
        get_task(client_for(Script([error("ThrottlingException", 429)])), stop=stop)


def test_any_client_of_boto3_will_do(client_for: Callable[[Script], Any]) -> None:
    client_for(Script([Answer()]))
    client = boto3.Session().client("braket", region_name="us-east-1")
    assert get_task(client).body == TASK


def test_a_value_that_cannot_be_sent_is_a_problem_and_not_a_crash(
    client_for: Callable[[Script], Any],
) -> None:
    client = client_for(Script([Answer()]))
    for arn in ("\ud800", 5):
        with pytest.raises(AwsProblem):
            call(client, "GetQuantumTask", {"quantumTaskArn": arn}, None)


def test_the_answer_of_another_record_is_rejected(
    client_for: Callable[[Script], Any], sessions: Sessions
) -> None:
    device = {
        "deviceArn": "arn:aws:braket:::device/quantum-simulator/amazon/dm1",
        "deviceName": "DM1",
        "providerName": "Amazon Braket",
        "deviceType": "SIMULATOR",
        "deviceStatus": "ONLINE",
        "deviceCapabilities": "{}",
    }
    client_for(Script([Answer(json.dumps(device).encode())]))
    asked = Request(HERE, "GetDevice", "arn:aws:braket:::device/quantum-simulator/amazon/sv1")
    [got] = fetch_all(sessions, None, [asked])
    assert isinstance(got, Rejected)
    assert "another record" in got.error


def summary(number: int, created: str = "2026-01-02T03:04:05Z") -> dict[str, Any]:
    return {**TASK, "quantumTaskArn": f"{ARN}{number}", "createdAt": created}


def page(*summaries: dict[str, Any], token: str | None = None) -> Answer:
    return Answer(json.dumps({"quantumTasks": summaries, "nextToken": token}).encode())


def test_a_search_asks_a_little_more_and_keeps_what_is_in_the_window(
    client_for: Callable[[Script], Any],
) -> None:
    script = Script(
        [
            page(
                summary(1, "2025-12-31T23:59:59.999Z"),
                summary(2, "2026-01-01T00:00:00.000Z"),
                summary(3, "2026-01-31T23:59:59.999Z"),
                summary(4, "2026-02-01T00:00:00.000Z"),
            )
        ]
    )
    (found,) = search_pages(SEARCH_TASKS, client_for(script), None, JANUARY)
    assert [item.arn for item in found.summaries] == [f"{ARN}2", f"{ARN}3"]
    (asked,) = (json.loads(body) for body in script.bodies)
    assert asked["maxResults"] == 100
    (created,) = asked["filters"]
    assert (created["name"], created["operator"]) == ("createdAt", "BETWEEN")
    assert created["values"][0] <= "2025-12-31T23:59:59Z"
    assert created["values"][1] >= "2026-02-01T00:00:01Z"


def test_pages_come_as_they_are_and_tags_may_be_absent(client_for: Callable[[Script], Any]) -> None:
    tagged = {**summary(2), "tags": {"team": "a", "n": 5}}
    script = Script([page(summary(1), token="t1"), page(summary(1), token="t2"), page(tagged)])
    pages = [found.summaries for found in search_pages(SEARCH_TASKS, client_for(script), None, JANUARY)]
    assert [[item.arn for item in found] for found in pages] == [[f"{ARN}1"], [f"{ARN}1"], [f"{ARN}2"]]
    assert pages[0][0].tags is None
    assert pages[2][0].tags == {"team": "a", "n": "5"}
    assert pages[0][0].created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (Answer(b'{"quantumTasks": [{"quantumTaskArn": "'), "stays broken"),
        (page({**summary(2), "quantumTaskArn": None}), "stays broken"),
        (page(summary(2), token="t1"), "circle"),
        (error("ValidationException", 400, "the token has expired"), "page token was refused"),
    ],
)
def test_a_search_that_breaks_off_fails_and_names_its_window(
    client_for: Callable[[Script], Any], last: Answer, reason: str
) -> None:
    script = Script([page(summary(1), token="t1"), last])
    with pytest.raises(SearchFailed, match=reason) as caught:
        list(search_pages(SEARCH_TASKS, client_for(script), None, JANUARY))
    assert "us-east-1" in str(caught.value)
    assert "[2026-01-01T00:00:00Z, 2026-02-01T00:00:00Z)" in str(caught.value)


def test_device_summaries_come_from_all_pages(client_for: Callable[[Script], Any]) -> None:
    pages = [
        {"devices": [{"deviceArn": "a", "deviceName": "A"}], "nextToken": "t"},
        {"devices": [{"deviceArn": "b"}]},
    ]
    script = Script([Answer(json.dumps(one).encode()) for one in pages])
    assert search_devices(client_for(script), None) == [
        {"deviceArn": "a", "deviceName": "A"},
        {"deviceArn": "b"},
    ]
