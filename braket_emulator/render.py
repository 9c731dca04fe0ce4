"""The wire form of records at an instant: what the API's JSON bodies say, no more and no less.

Members and their spelling are those of botocore's service model, which the tests hold them against.
"""

from __future__ import annotations

import math
from decimal import Decimal
from hashlib import blake2s
from typing import Any

from braket_emulator.capabilities import capabilities
from braket_emulator.devices import Device, display_name
from braket_emulator.instants import DAY, MINUTE, SECOND, iso
from braket_emulator.records import Job, JobEvent, SpendingLimit, Task, default_bucket

_TASK_POSITION_CAP = 2_000
_JOB_POSITION_CAP = 15
_QUEUE_STEP = 5 * MINUTE  # how often the drawn length of a queue changes
_TASK_QUEUE_CAP = 4_000
_JOB_QUEUE_CAP = 1_000


def task_record(task: Task, now: int, *, queue_info: bool) -> dict[str, Any]:
    """The answer of GetQuantumTask."""
    body = task_summary(task, now)
    status = body["status"]
    body["deviceParameters"] = task.parameters
    body["actionMetadata"] = _action(task)
    if now >= task.ended:
        if task.failure_reason is not None:
            body["failureReason"] = task.failure_reason
        if status == "COMPLETED":
            body["numSuccessfulShots"] = task.successful
    if task.job_arn:
        body["jobArn"] = task.job_arn
    if task.reservation_arn:
        body["associations"] = _associations(task.reservation_arn)
    if task.experimental:
        body["experimentalCapabilities"] = {"enabled": task.experimental}
    if queue_info:
        body["queueInfo"] = {
            "queue": "QUANTUM_TASKS_QUEUE",
            "queuePriority": "Priority" if task.job_arn else "Normal",
            **_position(task.position_at(now), _TASK_POSITION_CAP, "Task", status),
        }
    return body


def task_summary(task: Task, now: int) -> dict[str, Any]:
    """The record in a page of SearchQuantumTasks."""
    body: dict[str, Any] = {
        "quantumTaskArn": task.arn,
        "status": task.status_at(now),
        "deviceArn": task.device.arn,
        "shots": task.shots,
        "outputS3Bucket": task.output_bucket,
        "outputS3Directory": task.directory,
        "createdAt": iso(task.created),
    }
    if now >= task.ended:
        body["endedAt"] = iso(task.ended)
    if task.tags is not None:
        body["tags"] = task.tags
    return body


def job_record(job: Job, now: int, *, queue_info: bool) -> dict[str, Any]:
    """The answer of GetJob."""
    home = f"s3://{default_bucket(job.region, job.account)}/jobs/{job.name}/{job.created}"
    status = job.status_at(now)
    body: dict[str, Any] = {
        "jobArn": job.arn,
        "jobName": job.name,
        "status": status,
        "roleArn": f"arn:aws:iam::{job.account}:role/service-role/AmazonBraketJobsExecutionRole",
        "algorithmSpecification": {
            "scriptModeConfig": {
                "entryPoint": "algorithm:main",
                "s3Uri": f"{home}/script/source.tar.gz",
                "compressionType": "GZIP",
            },
            "containerImage": {
                "uri": f"292282985366.dkr.ecr.{job.region}.amazonaws.com/amazon-braket-base-jobs:latest"
            },
        },
        "outputDataConfig": {"s3Path": f"{home}/data"},
        "checkpointConfig": {"s3Uri": f"{home}/checkpoints", "localPath": "/opt/jobs/checkpoints"},
        "inputDataConfig": _inputs(job, home),
        "instanceConfig": {
            "instanceType": job.instance_type,
            "volumeSizeInGb": job.volume_gb,
            "instanceCount": job.instance_count,
        },
        "stoppingCondition": {"maxRuntimeInSeconds": job.max_runtime},
        "deviceConfig": {"device": job.device},
        "hyperParameters": job.hyper_parameters,
        "createdAt": iso(job.created),
        "events": [_event(event) for event in job.events_at(now)],
    }
    if job.request is not None:
        for name in ("checkpointConfig", "inputDataConfig"):
            del body[name]
        body |= job.request
    elif job.reservation_arn:
        body["associations"] = _associations(job.reservation_arn)
    _add_times(body, job, now)
    if now >= job.ended:
        body["billableDuration"] = job.billable
        if job.failure_reason is not None:
            body["failureReason"] = job.failure_reason
    if job.tags is not None:
        body["tags"] = job.tags
    if queue_info:
        position = _position(job.position_at(now), _JOB_POSITION_CAP, "Job", status)
        body["queueInfo"] = {"queue": "JOBS_QUEUE", **position}
    return body


def job_summary(job: Job, now: int) -> dict[str, Any]:
    """The record in a page of SearchJobs."""
    body: dict[str, Any] = {
        "jobArn": job.arn,
        "jobName": job.name,
        "status": job.status_at(now),
        "device": job.device,
        "createdAt": iso(job.created),
    }
    _add_times(body, job, now)
    if job.tags is not None:
        body["tags"] = job.tags
    return body


def device_record(device: Device, now: int) -> dict[str, Any]:
    """The answer of GetDevice."""
    reason = device.reason_at(now)
    return {
        **device_summary(device, now),
        **({"deviceStatusReason": reason} if reason else {}),
        "deviceCapabilities": capabilities(device, now),
        "deviceQueueInfo": _queues(device, now),
    }


def device_summary(device: Device, now: int) -> dict[str, Any]:
    """The record in a page of SearchDevices."""
    return {
        "deviceArn": device.arn,
        "deviceName": display_name(device),
        "providerName": device.provider_name,
        "deviceType": device.kind,
        "deviceStatus": device.status_at(now),
    }


def limit_summary(limit: SpendingLimit, queued: Decimal, total: Decimal) -> dict[str, Any]:
    """The record in a page of SearchSpendingLimits; its period is in epoch seconds, as no other time."""
    body: dict[str, Any] = {
        "spendingLimitArn": limit.arn,
        "deviceArn": limit.device.arn,
        "timePeriod": {"startAt": limit.start // SECOND, "endAt": limit.end // SECOND},
        "spendingLimit": f"{limit.limit:.2f}",
        "queuedSpend": f"{queued:f}",
        "totalSpend": f"{total:f}",
        "createdAt": iso(limit.created),
        "updatedAt": iso(limit.updated),
    }
    if limit.tags is not None:
        body["tags"] = limit.tags
    return body


def _action(task: Task) -> dict[str, Any]:
    action: dict[str, Any] = {"actionType": task.action}
    if task.programs is not None:
        action["programCount"] = task.programs
        action["executableCount"] = task.executables
    return action


def _associations(reservation_arn: str) -> list[dict[str, str]]:
    return [{"arn": reservation_arn, "type": "RESERVATION_TIME_WINDOW_ARN"}]


def _inputs(job: Job, home: str) -> list[dict[str, Any]]:
    if not job.has_input:
        return []
    source = {"s3DataSource": {"s3Uri": f"{home}/data/input"}}
    return [{"channelName": "input", "contentType": "application/json", "dataSource": source}]


def _add_times(body: dict[str, Any], job: Job, now: int) -> None:
    if job.started is not None and now >= job.started:
        body["startedAt"] = iso(job.started)
    if now >= job.ended:
        body["endedAt"] = iso(job.ended)


def _event(event: JobEvent) -> dict[str, Any]:
    body: dict[str, Any] = {"eventType": event.kind, "timeOfEvent": iso(event.at)}
    if event.message != "":
        body["message"] = event.message
    return body


def _position(position: int | None, cap: int, kind: str, status: str) -> dict[str, str]:
    """`position` as Braket writes it: a number, a cap like `>2000`, or the word None with a reason."""
    if position is None:
        reason = f"{kind} is in {status} status. AmazonBraket does not show queue position for this status."
        return {"position": "None", "message": reason}
    return {"position": f">{cap}" if position > cap else str(position)}


def _queues(device: Device, now: int) -> list[dict[str, str]]:
    """The three queues of a device; lengths are a function of the device and the instant."""
    if device.status == "RETIRED":
        return []
    step = now // _QUEUE_STEP
    busy = 1.0 if device.schedule.is_open(now) else 2.5  # what comes in while it is closed piles up
    day = 1.0 + 0.5 * math.sin(2 * math.pi * (now % DAY) / DAY)
    normal = int(device.pace.queue_length * busy * day * math.exp(1.2 * _noise(device.arn, step, "normal")))
    priority = int(2 * busy * math.exp(_noise(device.arn, step, "priority")))
    jobs = int(3 * busy * math.exp(_noise(device.arn, step, "jobs")) - 1)
    if not device.is_qpu:
        normal, priority, jobs = normal // 4, 0, 0
    size = _capped(jobs, _JOB_QUEUE_CAP)
    if device.is_qpu and _noise(device.arn, step // 6, "running") > 0:
        size = f"{size} (1 prioritized job(s) running)"
    return [
        {"queue": "QUANTUM_TASKS_QUEUE", "queuePriority": "Normal", "queueSize": _capped(normal)},
        {"queue": "QUANTUM_TASKS_QUEUE", "queuePriority": "Priority", "queueSize": _capped(priority)},
        {"queue": "JOBS_QUEUE", "queueSize": size},
    ]


def _noise(*parts: object) -> float:
    """A number between -1 and 1, the same for the same parts."""
    digest = blake2s("|".join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest) / 2**31 - 1


def _capped(length: int, cap: int = _TASK_QUEUE_CAP) -> str:
    return f">{cap}" if length > cap else str(max(0, length))
