"""What is accepted as a body of Braket's, and what is not."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest

from braket_etl.aws import wire

TASK = {
    "quantumTaskArn": "arn:aws:braket:us-east-1:123456789012:quantum-task/1",
    "status": "COMPLETED",
    "deviceArn": "arn:aws:braket:::device/quantum-simulator/amazon/sv1",
    "deviceParameters": "{}",
    "shots": 100,
    "outputS3Bucket": "bucket",
    "outputS3Directory": "tasks/1",
    "createdAt": "2026-01-02T03:04:05.678Z",
}
JOB = {
    "status": "COMPLETED",
    "jobArn": "arn:aws:braket:us-east-1:123456789012:job/1",
    "roleArn": "arn:aws:iam::123456789012:role/r",
    "jobName": "name",
    "outputDataConfig": {"s3Path": "s3://b/p"},
    "algorithmSpecification": {},
    "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
    "createdAt": "2026-01-02T03:04:05.678Z",
}


def check(operation: str) -> wire.Check:
    model = botocore.session.Session().get_service_model("braket")
    return wire.body_check(operation, model.operation_model(operation).output_shape)


@pytest.fixture(scope="module")
def task_check() -> wire.Check:
    return check("GetQuantumTask")


@pytest.fixture(scope="module")
def job_check() -> wire.Check:
    return check("GetJob")


def test_whole_records_pass(task_check: wire.Check, job_check: wire.Check) -> None:
    task_check(TASK)
    job_check(JOB)
    task_check({**TASK, "jobArn": None, "newMember": {"a": 1}, "status": "HIBERNATING", "tags": {"a": "b"}})


@pytest.mark.parametrize("member", sorted(TASK))
@pytest.mark.parametrize("how", ["absent", "null"])
def test_a_task_without_a_required_member_is_refused(task_check: wire.Check, member: str, how: str) -> None:
    body: dict[str, Any] = {**TASK, member: None}
    if how == "absent":
        del body[member]
    with pytest.raises(ValueError, match=f"{member} is missing"):
        task_check(body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shots": "a lot"}, "shots: no number"),
        ({"shots": [1]}, "shots: no number"),
        ({"createdAt": "yesterday"}, "createdAt"),
        ({"createdAt": 1e300}, "createdAt"),
        ({"createdAt": True}, "createdAt"),
        ({"tags": "prod"}, "tags: no map"),
        ({"associations": {}}, "associations: no list"),
        ({"associations": [{"arn": "x"}]}, "associations: type is missing"),
        ({"numSuccessfulShots": "most"}, "numSuccessfulShots: no number"),
        ({"endedAt": "later"}, "endedAt"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(
    task_check: wire.Check, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        task_check({**TASK, **change})


def test_required_members_inside_structures_and_lists_are_wanted(job_check: wire.Check) -> None:
    with pytest.raises(ValueError, match="instanceConfig: instanceType is missing"):
        job_check({**JOB, "instanceConfig": {"volumeSizeInGb": 30}})


def test_side_information_costs_no_record_but_what_every_record_has_must_be_there(
    task_check: wire.Check, job_check: wire.Check
) -> None:
    for info in ({"queue": "QUANTUM_TASKS_QUEUE"}, {"position": 5}, "soon", [], 0):
        task_check({**TASK, "queueInfo": info, "actionMetadata": info, "experimentalCapabilities": info})
        job_check({**JOB, "queueInfo": info, "events": info, "stoppingCondition": info})
    job_check({**JOB, "events": [{}, {"timeOfEvent": "noon"}], "outputDataConfig": {}})
    for body in (
        {**JOB, "outputDataConfig": None},
        {k: v for k, v in JOB.items() if k != "algorithmSpecification"},
    ):
        with pytest.raises(ValueError, match="is missing"):
            job_check(body)


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"quantumTasks": None},
        {"quantumTasks": {}},
        {"quantumTasks": ["x"]},
        {"quantumTasks": [{"createdAt": TASK["createdAt"], "status": "QUEUED"}]},
        {"quantumTasks": [{**TASK, "quantumTaskArn": ""}]},
        {"quantumTasks": [{**TASK, "createdAt": "soon"}]},
        {"quantumTasks": [{**TASK, "status": 7}]},
        {"quantumTasks": [], "nextToken": 5},
    ],
)
def test_a_search_page_with_an_entry_that_cannot_be_read_is_refused(page: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"quantumTasks|nextToken"):
        check("SearchQuantumTasks")(page)


def test_a_summary_that_lacks_what_the_record_will_tell_does_not_spoil_its_page() -> None:
    summary = {name: TASK[name] for name in ("quantumTaskArn", "createdAt", "status")}
    check("SearchQuantumTasks")({"quantumTasks": [summary, {**summary, "status": ""}]})


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "<html>", '{"a": NaN}', '{"a": 1', "[" * 100_000, "1" * 5000]
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wire.json_object(text)


def test_a_body_keeps_what_it_says() -> None:
    body = {"text": "half a pair: \ud800", "number": 2**70, "none": None}
    assert wire.json_object(json.dumps(body)) == body
