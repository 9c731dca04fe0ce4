"""S3 over HTTP for the tests, and results.json files of every kind that one may meet, written by hand."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

SECRET = "the-secret-key-of-the-test"
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
JOB_RESULT = {
    "braketSchemaHeader": {"name": "braket.jobs_data.persisted_job_data", "version": "1"},
    "dataDictionary": {"energy": -1.1},
    "dataFormat": "plaintext",
}
LOCAL_RESULT = {
    "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
    "taskMetadata": {"id": "3f0c", "shots": 10, "deviceId": "braket_sv", "createdAt": None},
    "measurements": [[0]],
}


def task_arn(number: int, region: str = "us-west-2", account: str = "123456789012") -> str:
    return f"arn:aws:braket:{region}:{account}:quantum-task/00000000-0000-0000-0000-{number:012d}"


def simulator_result(arn: str, milliseconds: int = 4321, *, measurements: int = 10) -> dict[str, Any]:
    """What SV1 writes: the run time comes last, after all measurements."""
    return {
        "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
        "measurements": [[0, 1]] * measurements,
        "taskMetadata": task_metadata(arn, SV1),
        "additionalMetadata": {
            "action": {"source": "OPENQASM 3.0;"},
            "simulatorMetadata": {"executionDuration": milliseconds},
        },
    }


def qpu_result(arn: str) -> dict[str, Any]:
    """What a QPU writes: its members come in another order."""
    return {
        "additionalMetadata": {"action": {"source": "OPENQASM 3.0;"}, "iqmMetadata": {}},
        "taskMetadata": task_metadata(arn, GARNET),
        "resultTypes": [],
        "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
        "measurements": [[0, 0], [1, 1]],
    }


def program_set_result(arn: str) -> dict[str, Any]:
    task = task_metadata(arn, GARNET)
    del task["shots"]
    task |= {
        "requestedShots": 300,
        "successfulShots": 200,
        "totalFailedExecutables": 1,
        "programMetadata": [{"executables": [{}, {}]}, {"executables": [{}]}],
    }
    return {
        "programResults": [],
        "taskMetadata": task,
        "additionalMetadata": {},
        "braketSchemaHeader": {"name": "braket.task_result.program_set_task_result", "version": "1"},
    }


def split_program_set(arn: str) -> dict[str, Any]:
    """The files of a program set as Braket lays them down, by their names below the task's folder."""
    whole = program_set_result(arn)
    failed = {"failureReason": "The device stopped.", "retryable": True, "category": "DEVICE"}
    told = {
        **whole["taskMetadata"],
        "programMetadata": [{"executables": [{}, failed]}, {"executables": [{}]}],
    }

    def schema(name: str) -> dict[str, Any]:
        return {"braketSchemaHeader": {"name": f"braket.task_result.{name}", "version": "1"}}

    files: dict[str, Any] = {
        "results.json": {
            **schema("program_set_task_result"),
            "programResults": ["programs/0/results.json", "programs/1/results.json"],
            "s3Location": ["amazon-braket-eu-north-1-111122223333", "tasks/moved since"],
            "taskMetadata": "metadata.json",
        },
        "metadata.json": {**schema("program_set_task_metadata"), **told},
    }
    for program, size in enumerate((2, 1)):
        names = [f"executables/{index}.json" for index in range(size)]
        files[f"programs/{program}/results.json"] = {
            **schema("program_result"),
            "executableResults": names,
            "source": "program.json",
            "additionalMetadata": {},
        }
        files[f"programs/{program}/program.json"] = {"source": "OPENQASM 3.0;", "inputs": {}}
        for name in names:
            files[f"programs/{program}/{name}"] = {
                **schema("program_set_executable_result"),
                "measurements": [[0, 1]] * 100,
                "inputsIndex": 0,
            }
    return files


def task_metadata(arn: str, device: str) -> dict[str, Any]:
    return {
        "id": arn,
        "shots": 100,
        "deviceId": device,
        "deviceParameters": {"paradigmParameters": {"qubitCount": 2}},
        "createdAt": "2025-03-04T05:06:07.123Z",
        "endedAt": "2025-03-04T05:06:15.250Z",
        "status": "COMPLETED",
    }


@dataclass
class Buckets:
    """A running S3 endpoint."""

    url: str

    def env(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE123456789",
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="AKIAEXAMPLE123456789",
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}),
        )

    def put(self, bucket: str, key: str, content: Any) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        client = self.client
        if bucket not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key=key, Body=body)


@contextmanager
def empty_moto() -> Iterator[str]:
    """The address of moto's AWS with nothing in it, S3, SQS and STS: all servers of a process share one account."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
        yield url
    finally:
        server.stop()


@contextmanager
def serving() -> Iterator[Buckets]:
    with empty_moto() as url:
        yield Buckets(url)
