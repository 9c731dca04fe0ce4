"""Tasks and jobs that clients create and cancel at the emulator, over boto3, with S3 in moto."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from braket_emulator import Emulator, Options, running
from braket_emulator.service_model import braket as service
from braket_emulator.service_model import violations
from tests.conftest import Program
from tests.integration.buckets import empty_moto
from tests.processes import serving, wait_for
from tests.receivers import free_port

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
RETIRED = "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1"
OFFLINE = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
REGION = "eu-north-1"
BUCKET = "results-of-ours"
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})
HOUR = timedelta(hours=1)
PROGRAM = {
    "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
    "source": "OPENQASM 3.0;\nbit[3] b;\nqubit[3] q;\nh q[0];\nb = measure q;\n",
    "inputs": {},
}
RESERVATION = {
    "arn": "arn:aws:braket:eu-north-1:123456789012:reservation/7",
    "type": "RESERVATION_TIME_WINDOW_ARN",
}


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with empty_moto() as url:
        yield url


@pytest.fixture(scope="module")
def emulator(s3_url: str) -> Iterator[Emulator]:
    with running(tasks=60, jobs=3, days=5, now=NOW, frozen=True, quotas=False, s3_endpoint=s3_url) as each:
        made = client(each, "s3")
        made.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield each


@pytest.fixture(autouse=True)
def as_it_was(emulator: Emulator) -> None:
    emulator.set_clock(now=NOW, rate=0)


def client(emulator: Emulator, name: str, region: str = REGION) -> Any:
    env = emulator.env()
    return boto3.client(
        name,
        region_name=region,
        endpoint_url=env[f"AWS_ENDPOINT_URL_{name.upper()}"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=ONCE,
    )


@pytest.fixture
def braket(emulator: Emulator) -> Any:
    made = client(emulator, "braket")

    def check(model: Any, http_response: Any, **_: Any) -> None:
        if http_response.status_code < 300:
            assert http_response.status_code == model.http["responseCode"]
            body = json.loads(http_response.content)
            shape = service().operations[model.name].output
            assert list(violations(shape, body, strict=True)) == []

    made.meta.events.register("after-call.braket.*", check)
    return made


def task_request(**more: Any) -> dict[str, Any]:
    return {
        "deviceArn": GARNET,
        "shots": 100,
        "outputS3Bucket": BUCKET,
        "outputS3KeyPrefix": "tasks/mine",
        "action": json.dumps(PROGRAM),
        **more,
    }


def created(braket: Any, **more: Any) -> str:
    arn: str = braket.create_quantum_task(**task_request(**more))["quantumTaskArn"]
    return arn


def got(braket: Any, arn: str) -> dict[str, Any]:
    record: dict[str, Any] = braket.get_quantum_task(
        quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"]
    )
    return record


def job_request(**more: Any) -> dict[str, Any]:
    return {
        "jobName": "mine",
        "roleArn": "arn:aws:iam::123456789012:role/service-role/Braket",
        "algorithmSpecification": {
            "scriptModeConfig": {"entryPoint": "a:main", "s3Uri": "s3://b/c", "compressionType": "GZIP"}
        },
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
        "outputDataConfig": {"s3Path": "s3://b/out"},
        "deviceConfig": {"device": GARNET},
        **more,
    }


def refused(call: Any, **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call(**request)
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


class TestTasks:
    def test_a_created_task_is_what_was_asked_for(self, emulator: Emulator, braket: Any) -> None:
        tags = {"team": "us"}
        arn = created(
            braket,
            tags=tags,
            associations=[RESERVATION],
            deviceParameters='{"a": 1}',
            experimentalCapabilities={"enabled": "ALL"},
        )
        record = got(braket, arn)
        assert arn.startswith("arn:aws:braket:eu-north-1:123456789012:quantum-task/")
        assert record["status"] == "CREATED"
        assert record["createdAt"] == NOW
        assert record["tags"] == tags
        assert record["associations"] == [RESERVATION]
        assert record["deviceParameters"] == '{"a": 1}'
        assert record["experimentalCapabilities"] == {"enabled": "ALL"}
        assert record["actionMetadata"] == {"actionType": "braket.ir.openqasm.program"}
        assert record["outputS3Directory"] == f"tasks/mine/{arn.rpartition('/')[2]}"
        assert record["queueInfo"]["queuePriority"] == "Normal"

    def test_it_lives_through_its_states_and_is_found(self, emulator: Emulator, braket: Any) -> None:
        arn = created(braket, tags={"emulator:wait": "60", "emulator:run": "30"})
        seen = []
        for seconds in (0, 10, 75, 120):
            emulator.set_clock(now=NOW + timedelta(seconds=seconds))
            seen.append(got(braket, arn)["status"])
        assert seen == ["CREATED", "QUEUED", "RUNNING", "COMPLETED"]
        wanted = [{"name": "quantumTaskArn", "operator": "EQUAL", "values": [arn]}]
        found = braket.search_quantum_tasks(filters=wanted)["quantumTasks"]
        assert [each["status"] for each in found] == ["COMPLETED"]
        assert emulator.truth()[arn]["cancelled_in_queue"] is False

    def test_results_are_in_s3_before_it_says_completed(self, emulator: Emulator, braket: Any) -> None:
        arn = created(braket, tags={"emulator:run": "30"})
        s3 = client(emulator, "s3")
        key = f"tasks/mine/{arn.rpartition('/')[2]}/results.json"
        assert got(braket, arn)["status"] != "COMPLETED"
        assert refused(s3.head_object, Bucket=BUCKET, Key=key)[1] == 404
        emulator.set_clock(now=NOW + HOUR)
        assert got(braket, arn)["status"] == "COMPLETED"
        result = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        assert [len(row) for row in result["measurements"]] == [3] * 100
        assert result["additionalMetadata"]["action"] == PROGRAM

    def test_the_emulators_own_s3_has_them_too(self, s3_url: str) -> None:
        with running(tasks=5, jobs=0, days=5, now=NOW, quotas=False, quick=True, frozen=True) as mine:
            arn = created(client(mine, "braket"))
            mine.set_clock(now=NOW + HOUR)
            key = f"tasks/mine/{arn.rpartition('/')[2]}/results.json"
            body = client(mine, "s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
            assert json.loads(body)["taskMetadata"]["id"] == arn

    def test_without_a_bucket_the_task_fails_and_says_why(self, emulator: Emulator, braket: Any) -> None:
        arn = created(braket, outputS3Bucket="there-is-none")
        emulator.set_clock(now=NOW + HOUR)
        record = got(braket, arn)
        assert record["status"] == "FAILED"
        assert "s3://there-is-none/tasks/mine" in record["failureReason"]

    def test_a_client_token_creates_once(self, emulator: Emulator, braket: Any) -> None:
        token = str(uuid.uuid4())
        first, again = (created(braket, clientToken=token) for _ in range(2))
        assert first == again != created(braket)
        assert refused(braket.create_quantum_task, **task_request(clientToken=token, shots=7)) == (
            "ValidationException",
            400,
        )

    def test_a_program_set_counts_its_programs(self, emulator: Emulator, braket: Any) -> None:
        programs = [{**PROGRAM, "inputs": {}}, {**PROGRAM, "inputs": {"theta": [0.1, 0.2, 0.3]}}]
        header = {"name": "braket.ir.openqasm.program_set", "version": "1"}
        action = json.dumps({"braketSchemaHeader": header, "programs": programs})
        arn = created(braket, action=action, shots=80, tags={"emulator:successful_shots": "50"})
        emulator.set_clock(now=NOW + HOUR)
        record = got(braket, arn)
        assert record["actionMetadata"] == {
            "actionType": header["name"],
            "programCount": 2,
            "executableCount": 4,
        }
        assert (record["shots"], record["numSuccessfulShots"]) == (80, 50)
        key = f"{record['outputS3Directory']}/metadata.json"
        told = json.loads(client(emulator, "s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())
        assert (told["successfulShots"], told["totalFailedExecutables"]) == (50, 1)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"shots": 10_000_000}, "ValidationException"),
            ({"action": "no JSON"}, "ValidationException"),
            ({"action": "[]"}, "ValidationException"),
            ({"action": json.dumps({"braketSchemaHeader": {"name": "x"}})}, "ValidationException"),
            ({"deviceArn": "arn:aws:braket:::device/qpu/none/None"}, "ValidationException"),
            ({"deviceArn": RETIRED}, "ValidationException"),  # it stands in another Region
            ({"jobToken": "made-up"}, "ValidationException"),
            ({"outputS3Bucket": "x" * 80}, "ValidationException"),
            ({"tags": {"emulator:outcome": "GLORIOUS"}}, "ValidationException"),
            ({"tags": {"emulator:colour": "blue"}}, "ValidationException"),
            ({"tags": {"emulator:wait": "-1"}}, "ValidationException"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, braket: Any, change: dict[str, Any], code: str) -> None:
        assert refused(braket.create_quantum_task, **task_request(**change)) == (code, 400)

    def test_retired_and_offline_devices_take_nothing(self, emulator: Emulator) -> None:
        braket = client(emulator, "braket", "us-east-1")
        request = task_request(deviceArn=RETIRED)
        assert refused(braket.create_quantum_task, **request) == ("DeviceRetiredException", 410)
        emulator.set_clock(now="2026-11-18T16:00:00Z")  # a Wednesday afternoon: its maintenance
        request = task_request(deviceArn=OFFLINE)
        assert refused(braket.create_quantum_task, **request) == ("DeviceOfflineException", 424)


class TestCancelling:
    def test_a_waiting_task_is_cancelled_in_the_queue(self, emulator: Emulator, braket: Any) -> None:
        arn = created(braket, tags={"emulator:wait": "600", "emulator:cancel": "60"})
        emulator.set_clock(now=NOW + timedelta(seconds=10))
        answer = braket.cancel_quantum_task(quantumTaskArn=arn)
        assert answer["cancellationStatus"] == "CANCELLING"
        assert braket.cancel_quantum_task(quantumTaskArn=arn)["cancellationStatus"] == "CANCELLING"
        assert got(braket, arn)["status"] == "CANCELLING"
        emulator.set_clock(now=NOW + HOUR)
        record = got(braket, arn)
        assert record["status"] == "CANCELLED"
        assert record["endedAt"] == NOW + timedelta(seconds=70)
        assert emulator.truth()[arn]["cancelled_in_queue"] is True
        key = f"{record['outputS3Directory']}/results.json"
        assert refused(client(emulator, "s3").head_object, Bucket=BUCKET, Key=key)[1] == 404

    def test_what_is_over_cannot_be_cancelled(self, emulator: Emulator, braket: Any) -> None:
        arn = created(braket)
        emulator.set_clock(now=NOW + HOUR)
        assert refused(braket.cancel_quantum_task, quantumTaskArn=arn) == ("ConflictException", 409)

    def test_what_is_unknown_is_not_found(self, braket: Any) -> None:
        arn = "arn:aws:braket:eu-north-1:123456789012:quantum-task/none"
        assert refused(braket.cancel_quantum_task, quantumTaskArn=arn) == ("ResourceNotFoundException", 404)


class TestJobs:
    def test_a_job_runs_and_tells_of_it(self, emulator: Emulator, braket: Any) -> None:
        hyper = {"layers": "3"}
        arn = braket.create_job(
            **job_request(hyperParameters=hyper, associations=[RESERVATION], tags={"emulator:run": "100"})
        )["jobArn"]
        emulator.set_clock(now=NOW + timedelta(seconds=60))
        running_job = braket.get_job(jobArn=arn)
        assert running_job["status"] == "RUNNING"
        emulator.set_clock(now=NOW + HOUR)
        job = braket.get_job(jobArn=arn)
        assert job["status"] == "COMPLETED"
        assert (job["hyperParameters"], job["associations"]) == (hyper, [RESERVATION])
        assert job["outputDataConfig"] == {"s3Path": "s3://b/out"}
        assert "checkpointConfig" not in job
        assert [event["eventType"] for event in job["events"]][-2:] == ["UPLOADING_RESULTS", "COMPLETED"]
        ran = (job["endedAt"] - job["startedAt"]).total_seconds()
        assert ran == 100
        assert 100 <= job["billableDuration"] <= 105

    def test_its_token_makes_tasks_its_own(self, emulator: Emulator, braket: Any) -> None:
        arn = braket.create_job(**job_request(tags={"emulator:run": "100"}))["jobArn"]
        token = emulator.job_token(arn)
        task = created(braket, jobToken=token)
        record = got(braket, task)
        assert record["jobArn"] == arn
        assert record["queueInfo"]["queuePriority"] == "Priority"
        wanted = [{"name": "jobArn", "operator": "EQUAL", "values": [arn]}]
        found = braket.search_quantum_tasks(filters=wanted)["quantumTasks"]
        assert [each["quantumTaskArn"] for each in found] == [task]
        emulator.set_clock(now=NOW + HOUR)
        late = task_request(jobToken=token)
        assert refused(braket.create_quantum_task, **late) == ("ValidationException", 400)

    def test_a_cancelled_job_is_billed_for_what_it_ran(self, emulator: Emulator, braket: Any) -> None:
        tags = {"emulator:run": "600", "emulator:cancel": "0"}
        arn = braket.create_job(**job_request(tags=tags))["jobArn"]
        emulator.set_clock(now=NOW + timedelta(seconds=100))
        assert braket.cancel_job(jobArn=arn)["cancellationStatus"] in ("CANCELLING", "CANCELLED")
        job = braket.get_job(jobArn=arn)
        assert job["status"] == "CANCELLED"
        assert 90 <= job["billableDuration"] <= 100
        assert refused(braket.cancel_job, jobArn=arn) == ("ConflictException", 409)

    def test_a_failed_job_says_why(self, emulator: Emulator, braket: Any) -> None:
        arn = braket.create_job(**job_request(tags={"emulator:outcome": "FAILED"}))["jobArn"]
        emulator.set_clock(now=NOW + HOUR)
        job = braket.get_job(jobArn=arn)
        assert (job["status"], bool(job["failureReason"])) == ("FAILED", True)

    def test_what_makes_no_sense_is_refused(self, emulator: Emulator, braket: Any) -> None:
        wrong = {"instanceConfig": {"instanceType": "ml.abacus", "volumeSizeInGb": 30}}
        assert refused(braket.create_job, **job_request(**wrong)) == ("ValidationException", 400)
        retired = {"deviceConfig": {"device": RETIRED}}
        elsewhere = client(emulator, "braket", "us-east-1")
        assert refused(elsewhere.create_job, **job_request(**retired)) == ("DeviceRetiredException", 410)
        local = {"deviceConfig": {"device": "local:pennylane/lightning.qubit"}}
        assert braket.create_job(**job_request(**local))["jobArn"]


def test_quotas_hold_for_creating() -> None:
    with running(tasks=5, jobs=0, days=5, quick=True) as mine:
        braket = client(mine, "braket")
        codes = []
        for _ in range(8):
            try:
                braket.create_job(**job_request())
            except ClientError as error:
                codes.append(error.response["Error"]["Code"])
        assert codes.count("ThrottlingException") == mine.stats()["throttled"]["CreateJob"] > 0


def test_equal_requests_in_equal_order_give_equal_records() -> None:
    told = []
    for _ in range(2):
        with running(tasks=20, jobs=2, days=5, now=NOW, frozen=True, quotas=False) as mine:
            braket = client(mine, "braket")
            arns = [created(braket, clientToken=f"token-{number}") for number in range(3)]
            mine.set_clock(now=NOW + HOUR)
            records = [got(braket, arn) for arn in arns]
            told.append([{k: v for k, v in each.items() if k != "ResponseMetadata"} for each in records])
    assert told[0] == told[1]


def test_the_verb_ends_what_is_created_at_once_and_writes_its_results_elsewhere(
    program: Program, s3_url: str
) -> None:
    port = free_port()
    arguments = ("--tasks", "0", "--jobs", "0", "--days", "1", "--quick", "--s3-endpoint", s3_url)
    with serving(program, "emulator", "--port", str(port), *arguments):
        verbs = Emulator(f"http://127.0.0.1:{port}", Options(s3_endpoint=s3_url))
        wait_for(lambda: answers(port), "the emulator answers")
        braket, s3 = client(verbs, "braket"), client(verbs, "s3")
        if BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        arn = created(braket, outputS3KeyPrefix="of-the-verb")
        wait_for(lambda: got(braket, arn)["status"] == "COMPLETED", "the task ends", 20)
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="of-the-verb/")["Contents"]
    assert [key["Key"].endswith("/results.json") for key in listed] == [True]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
