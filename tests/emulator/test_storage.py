"""The emulator's own S3 has the results.json of its tasks, as a real boto3 client reads and lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from braket_emulator import Emulator, running

FIRST, SECOND = "123456789012", "210987654321"
NOW = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
REGION = "us-east-1"
BUCKET = f"amazon-braket-{REGION}-{FIRST}"
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with running(
        tasks=500, jobs=10, days=10, accounts=[FIRST, SECOND], now=NOW, frozen=True, quotas=False
    ) as each:
        yield each


@pytest.fixture(autouse=True)
def as_it_was(emulator: Emulator) -> None:
    emulator.set_faults([])
    emulator.set_clock(now=NOW, rate=0)


def client(emulator: Emulator, service: str, account: str = FIRST, region: str = REGION) -> Any:
    env = emulator.env(account)
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=env[f"AWS_ENDPOINT_URL_{service.upper()}"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=ONCE,
    )


def tasks(emulator: Emulator, region: str = REGION, account: str = FIRST) -> list[dict[str, Any]]:
    braket = client(emulator, "braket", account, region)
    found: list[dict[str, Any]] = []
    for page in braket.get_paginator("search_quantum_tasks").paginate(filters=[]):
        for each in page["quantumTasks"]:
            found.append(braket.get_quantum_task(quantumTaskArn=each["quantumTaskArn"]))
    return found


def key_of(task: dict[str, Any]) -> str:
    return f"{task['outputS3Directory']}/results.json"


def results_of(s3: Any, task: dict[str, Any]) -> dict[str, Any]:
    body = s3.get_object(Bucket=task["outputS3Bucket"], Key=key_of(task))["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found


def keys_in(s3: Any, size: int = 1000, **more: Any) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, PaginationConfig={"PageSize": size}, **more
    )
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


def code_of(call: Any, **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call(**request)
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_results_say_what_the_api_says(emulator: Emulator) -> None:
    completed = [task for task in tasks(emulator) if task["status"] == "COMPLETED"]
    assert len(completed) > 50
    s3 = client(emulator, "s3")
    simulated = 0
    for task in completed:
        result = results_of(s3, task)
        told = result["taskMetadata"]
        assert (told["id"], told["status"], told["deviceId"]) == (
            task["quantumTaskArn"],
            "COMPLETED",
            task["deviceArn"],
        )
        assert told["shots"] == task["shots"]
        assert datetime.fromisoformat(told["endedAt"]) == task["endedAt"]
        assert len(result.get("measurements", ())) == task["numSuccessfulShots"]
        if "simulator" in task["deviceArn"]:
            simulated += 1
            ran = result["additionalMetadata"]["simulatorMetadata"]["executionDuration"]
            assert 0 < ran <= (task["endedAt"] - task["createdAt"]).total_seconds() * 1000
    assert simulated > 10


def test_a_program_set_lies_in_several_files_that_tell_its_shots(emulator: Emulator) -> None:
    sets = [task for task in tasks(emulator, "eu-north-1") if "programCount" in task["actionMetadata"]]
    done = [task for task in sets if task["status"] == "COMPLETED"]
    assert done
    s3 = client(emulator, "s3", region="eu-north-1")
    for task in done:
        bucket, folder = task["outputS3Bucket"], task["outputS3Directory"]
        told = folder_of(s3, bucket, folder)
        root = told.pop("results.json")
        assert root["s3Location"] == [bucket, folder]
        metadata = told.pop(root["taskMetadata"])
        assert (metadata["requestedShots"], metadata["successfulShots"]) == (
            task["shots"],
            task["numSuccessfulShots"],
        )
        measured = []
        for name, program in zip(root["programResults"], metadata["programMetadata"], strict=True):
            result = told.pop(name)
            inside = name.removesuffix("results.json")
            assert told.pop(inside + result["source"])["source"]
            executables = [told.pop(inside + each) for each in result["executableResults"]]
            assert [bool(each) for each in program["executables"]] == [
                "failureMetadata" in each for each in executables
            ]
            measured += [len(each.get("measurements", ())) for each in executables]
        assert (len(root["programResults"]), len(measured)) == (
            task["actionMetadata"]["programCount"],
            task["actionMetadata"]["executableCount"],
        )
        assert sum(measured) == task["numSuccessfulShots"]
        assert told == {}
    for key in ("programs/99/results.json", "programs/0/executables/99.json", "programs/0", "other.json"):
        assert code_of(s3.get_object, Bucket=bucket, Key=f"{folder}/{key}") == ("NoSuchKey", 404)


def folder_of(s3: Any, bucket: str, folder: str) -> dict[str, Any]:
    """What is in each file below a folder, by its name there; page by page, to be gone on with anywhere."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=f"{folder}/", PaginationConfig={"PageSize": 2}
    )
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    assert keys == sorted(set(keys))
    return {
        key.removeprefix(f"{folder}/"): json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        for key in keys
    }


def test_what_left_no_result_is_not_there(emulator: Emulator) -> None:
    s3 = client(emulator, "s3")
    without = [task for task in tasks(emulator) if task["status"] not in ("COMPLETED", "FAILED")]
    assert "CANCELLED" in {task["status"] for task in without}
    for task in without:
        assert code_of(s3.get_object, Bucket=BUCKET, Key=key_of(task)) == ("NoSuchKey", 404)


def test_results_appear_when_the_task_ends(emulator: Emulator) -> None:
    task = next(task for task in tasks(emulator) if task["status"] == "COMPLETED")
    s3 = client(emulator, "s3")
    emulator.set_clock(now=task["createdAt"])
    assert code_of(s3.head_object, Bucket=BUCKET, Key=key_of(task)) == ("404", 404)
    emulator.set_clock(now=task["endedAt"])
    assert s3.head_object(Bucket=BUCKET, Key=key_of(task))["ContentLength"] > 100


def test_a_listing_has_each_key_once_and_in_order(emulator: Emulator) -> None:
    s3 = client(emulator, "s3")
    known = {key_of(task) for task in tasks(emulator) if task["status"] == "COMPLETED"}
    keys = keys_in(s3, size=7)
    assert keys == sorted(set(keys))
    assert known <= set(keys)
    assert keys_in(s3, Prefix="jobs/") == [key for key in keys if key.startswith("jobs/")] != []
    assert keys_in(s3, StartAfter=keys[10]) == keys[11:]
    assert keys_in(s3, Prefix="nothing/") == []


def test_a_listing_tells_true_sizes(emulator: Emulator) -> None:
    s3 = client(emulator, "s3")
    for entry in s3.list_objects_v2(Bucket=BUCKET, MaxKeys=20)["Contents"]:
        got = s3.get_object(Bucket=BUCKET, Key=entry["Key"])
        assert len(got["Body"].read()) == entry["Size"] == got["ContentLength"]
        assert got["ETag"] == entry["ETag"]


def test_s3_keeps_what_the_api_has_forgotten(emulator: Emulator) -> None:
    task = next(task for task in tasks(emulator) if task["status"] == "COMPLETED")
    emulator.expire(task["quantumTaskArn"])
    braket = client(emulator, "braket")
    assert code_of(braket.get_quantum_task, quantumTaskArn=task["quantumTaskArn"])[1] == 404
    assert results_of(client(emulator, "s3"), task)["taskMetadata"]["id"] == task["quantumTaskArn"]


def test_refusals(emulator: Emulator) -> None:
    s3 = client(emulator, "s3")
    assert code_of(s3.get_object, Bucket="someone-elses", Key="x") == ("NoSuchBucket", 404)
    other = f"amazon-braket-{REGION}-{SECOND}"
    assert code_of(s3.list_objects_v2, Bucket=other) == ("AccessDenied", 403)
    assert client(emulator, "s3", SECOND).list_objects_v2(Bucket=other)["KeyCount"] > 0
    assert code_of(s3.put_object, Bucket=BUCKET, Key="x", Body=b"x") == ("MethodNotAllowed", 405)
    assert code_of(s3.list_objects_v2, Bucket=BUCKET, ContinuationToken="?") == ("InvalidArgument", 400)


def test_a_bucket_can_be_made_to_refuse(emulator: Emulator) -> None:
    s3 = client(emulator, "s3")
    emulator.set_faults([{"kind": "bucket_denied", "buckets": ["amazon-braket-us-west-*"]}])
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] > 0
    emulator.set_faults([{"kind": "bucket_denied", "buckets": ["amazon-braket-us-east-*"]}])
    assert code_of(s3.list_objects_v2, Bucket=BUCKET) == ("AccessDenied", 403)
    assert tasks(emulator)  # the API goes on
    emulator.set_faults([{"kind": "bucket_denied", "first_n": 1}])
    assert code_of(s3.list_objects_v2, Bucket=BUCKET) == ("AccessDenied", 403)
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] > 0


def test_calls_are_counted(emulator: Emulator) -> None:
    emulator.reset_stats()
    s3 = client(emulator, "s3")
    keys = keys_in(s3, size=50)
    s3.get_object(Bucket=BUCKET, Key=keys[0])
    s3.head_object(Bucket=BUCKET, Key=keys[0])
    calls = emulator.stats()["calls"]
    assert calls == {"ListObjectsV2": -(-len(keys) // 50), "GetObject": 1, "HeadObject": 1}
