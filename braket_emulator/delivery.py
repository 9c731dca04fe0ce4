"""Brings the results of created tasks to an S3 endpoint, before anything says that the tasks have ended.

For clients that need more of S3 than `storage.py` has, against any S3 that takes dummy credentials.
"""

from __future__ import annotations

import asyncio
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from braket_emulator.callers import access_key_for
from braket_emulator.records import Task
from braket_emulator.result_files import FILE_NAME, file_content, file_names, has_results

_PATIENCE = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"total_max_attempts": 2, "mode": "standard"},
    s3={"addressing_style": "path"},
)


class Delivery:
    """Writes results as their time comes; where that fails, the task fails, and its reason says so."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._clients: dict[tuple[str, str], Any] = {}
        self._expected: list[Task] = []
        self._lock = asyncio.Lock()

    def expect(self, task: Task) -> None:
        """Deliver the results of this task when it ends."""
        self._expected.append(task)

    async def settle(self, now: int) -> None:
        """Return once the results of all tasks that have ended by `now` are where they belong."""
        if not any(task.ended <= now for task in self._expected):
            return
        async with self._lock:  # whoever comes meanwhile waits too: it must not say COMPLETED before
            for task in [task for task in self._expected if task.ended <= now]:
                if has_results(task):
                    await asyncio.to_thread(self._write, task)
                self._expected.remove(task)

    def _write(self, task: Task) -> None:
        key = f"{task.directory}/{FILE_NAME}"
        try:
            for name in sorted(
                file_names(task), key=FILE_NAME.__eq__
            ):  # last the one that leads to the others
                self._client(task).put_object(
                    Bucket=task.output_bucket,
                    Key=f"{task.directory}/{name}",
                    Body=file_content(task, name),
                    ContentType="application/json",
                )
        except (ClientError, BotoCoreError) as error:
            task.outcome, task.successful = "FAILED", 0
            task.failure_reason = (
                f"The results could not be written to s3://{task.output_bucket}/{key}: {error}"
            )

    def _client(self, task: Task) -> Any:
        place = (task.account, task.region)
        if place not in self._clients:
            self._clients[place] = boto3.client(
                "s3",
                region_name=task.region,
                endpoint_url=self._endpoint,
                aws_access_key_id=access_key_for(task.account),
                aws_secret_access_key="dummy",  # noqa: S106 (the endpoint is a local one)
                config=_PATIENCE,
            )
        return self._clients[place]
