"""results.json in S3, and roles by STS: moto over HTTP, and a server for what moto does not do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

import pytest

from braket_etl.aws.errors import AwsProblem, BadConfiguration
from braket_etl.aws.results import (
    NoResult,
    NotATask,
    ResultMetadata,
    S3Results,
    Skipped,
    Unreadable,
    read_metadata,
)
from braket_etl.aws.sessions import Account, Sessions, Target
from braket_etl.aws.walk import walk
from tests.http_server import answered_by
from tests.integration.buckets import Buckets, serving

LAB = Account("lab")
ARN = "arn:aws:braket:us-west-2:123456789012:quantum-task/1"
RESULT = {
    "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
    "measurements": [[0, 1]] * 100,
    "taskMetadata": {
        "id": ARN,
        "deviceId": "arn:aws:braket:::device/quantum-simulator/amazon/sv1",
        "shots": 100,
    },
    "additionalMetadata": {"simulatorMetadata": {"executionDuration": 17}},
}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE123456789")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture(scope="module")
def buckets() -> Iterator[Buckets]:
    with serving() as started:
        yield started


@pytest.fixture
def s3(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> Buckets:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", buckets.url)
    return buckets


def test_the_metadata_of_a_task_are_read_from_its_directory(s3: Buckets) -> None:
    s3.put("results", "tasks/1/results.json", RESULT)
    s3.put(
        "results",
        "tasks/2/results.json",
        {"braketSchemaHeader": {"name": "braket.jobs_data.persisted_job_data"}},
    )
    s3.put("results", "tasks/3/results.json", json.dumps(RESULT).encode()[:-20])
    results = S3Results(Sessions([LAB]), LAB)
    read = results.read("results", "tasks/1", "us-east-1")
    assert isinstance(read, ResultMetadata)
    assert (read.arn, read.execution_duration_ms) == (ARN, 17)
    assert isinstance(results.read("results", "tasks/2", "us-east-1"), NotATask)
    assert isinstance(results.read("results", "tasks/3", "us-east-1"), Unreadable)
    assert results.read("results", "tasks/none", "us-east-1") == NoResult()
    assert results.refused == {}


def test_a_bucket_that_is_gone_or_has_no_valid_name_is_told_once(s3: Buckets) -> None:
    results = S3Results(Sessions([LAB]), LAB)
    for bucket in ("gone", "../not a bucket\x1b[31m"):
        for _ in range(2):
            assert isinstance(results.read(bucket, "tasks/1", "us-east-1"), Skipped)
    assert sorted(results.refused) == ["../not a bucket\x1b[31m", "gone"]
    assert "NoSuchBucket" in results.refused["gone"]
    assert all(reason.isprintable() for reason in results.refused.values())


def test_a_bucket_is_walked_and_can_be_resumed(s3: Buckets) -> None:
    for key in ("walk/1/results.json", "walk/2/other.json", "walk/2/xresults.json", "walk/3/results.json"):
        s3.put("results", key, RESULT)
    names = [found.name for found in walk("s3://results/walk/", client=s3.client)]
    assert names == ["s3://results/walk/1/results.json", "s3://results/walk/3/results.json"]
    rest = list(walk("s3://results/walk/", client=s3.client, start_after=names[0]))
    assert [found.name for found in rest] == names[1:]
    stream = rest[0].opened()
    assert isinstance(read_metadata(stream), ResultMetadata)
    stream.close()
    with pytest.raises(AwsProblem, match="NoSuchBucket"):
        list(walk("s3://no-such-bucket/walk", client=s3.client))


@contextmanager
def server(answers: list[tuple[int, bytes]], asked: list[tuple[str, str]]) -> Iterator[str]:
    """A server that gives its answers one after the other, the last for ever, and notes what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked.append((self.path, sent or self.headers.get("Authorization", "")))
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

    with answered_by(Handler) as url:
        yield url


def refusal(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>no, AKIAEXAMPLE123456789</Message></Error>".encode()


def test_a_bucket_that_refuses_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    with server([(403, refusal("AccessDenied"))], asked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        results = S3Results(Sessions([LAB]), LAB)
        for number in range(5):
            assert isinstance(results.read("secret", f"tasks/{number}", "us-east-1"), Skipped)
    assert len(asked) == 1
    assert list(results.refused) == ["secret"]
    assert "AKIAEXAMPLE" not in results.refused["secret"]


def test_an_archived_file_says_nothing_about_its_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(403, refusal("InvalidObjectState")), (200, json.dumps(RESULT).encode())]
    with server(answers, []) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        results = S3Results(Sessions([LAB]), LAB)
        assert isinstance(results.read("results", "tasks/1", "us-east-1"), Unreadable)
        assert isinstance(results.read("results", "tasks/2", "us-east-1"), ResultMetadata)
    assert results.refused == {}


def test_an_endpoint_out_of_reach_is_tried_once_for_all_its_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    results = S3Results(Sessions([LAB], attempts=1), LAB)
    for bucket in ("one", "two"):
        assert isinstance(results.read(bucket, "tasks/1", "us-east-1"), Skipped)
    assert results.refused["one"] == results.refused["two"]
    assert "127.0.0.1:9" in results.refused["one"]


ROLE = Account("prod", role_arn="arn:aws:iam::210987654321:role/reader", external_id="the external id")


def assumed(key: str, minutes: float) -> tuple[int, bytes]:
    until = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return 200, (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
        f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        f"<SessionToken>t</SessionToken><Expiration>{until}</Expiration></Credentials>"
        "<AssumedRoleUser><Arn>arn:aws:sts::210987654321:assumed-role/reader/x</Arn>"
        "<AssumedRoleId>A:x</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
    ).encode()


def signed_with(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Authorization header of a Braket request of the role account."""
    asked: list[tuple[str, str]] = []
    with server([(404, b"{}")], asked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BRAKET", url)
        client = sessions.braket(Target(ROLE, "eu-north-1"))
        with pytest.raises(client.exceptions.ClientError):
            client.get_device(deviceArn="arn")
    return asked[0][1]


def test_a_role_is_assumed_with_its_external_id_and_used_for_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, str]] = []
    with server([assumed("ASIAROLEKEY000000001", 60)], asked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        sessions = Sessions([ROLE])
        sessions.braket(Target(ROLE, "eu-west-2"))
        assert asked == []  # nothing is asked for before it is needed
        authorization = signed_with(sessions, monkeypatch)
        sessions.check_credentials(ROLE)
    assert "Credential=ASIAROLEKEY000000001/" in authorization
    assert "/eu-north-1/braket/" in authorization
    (body,) = (parse_qs(sent) for _, sent in asked)
    assert body["RoleArn"] == [ROLE.role_arn]
    assert body["ExternalId"] == ["the external id"]


def test_a_role_that_runs_out_is_assumed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    answers = [assumed("ASIAROLEKEY000000001", 2), assumed("ASIAROLEKEY000000002", 60)]
    with server(answers, asked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        sessions = Sessions([ROLE])
        sessions.check_credentials(ROLE)
        assert "ASIAROLEKEY000000002" in signed_with(sessions, monkeypatch)


def test_moto_knows_the_role_too(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", buckets.url)
    Sessions([ROLE]).check_credentials(ROLE)


def test_a_role_that_may_not_be_assumed_is_bad_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = (
        b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"
    )
    with server([(403, refused)], []) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        with pytest.raises(BadConfiguration, match=r"prod.*role cannot be assumed.*not you"):
            Sessions([ROLE]).check_credentials(ROLE)


def test_without_a_role_sts_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    with server([(500, b"")], asked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        sessions = Sessions([LAB])
        sessions.check_credentials(LAB)
        sessions.braket(Target(LAB, "us-east-1"))
    assert asked == []
