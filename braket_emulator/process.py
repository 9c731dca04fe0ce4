"""Runs an emulator in a process of its own, and talks to its control endpoints.

Standard library only: importing this starts nothing and loads no server.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from braket_emulator.options import DEFAULTS, Options, instant

_START_SECONDS = 180.0  # the largest worlds take their time
_ANSWER_SECONDS = 60.0


class Emulator:
    """A running emulator, seen from outside."""

    def __init__(self, url: str, options: Options = DEFAULTS) -> None:
        self.url = url
        self.s3_url = options.s3_endpoint or f"{url}/s3"
        self._account = options.accounts[0]
        self._region = options.first_region

    @property
    def price_list_url(self) -> str:
        """Where its price list is, without the file's name."""
        return f"{self.url}/offers/v1.0/aws/AmazonBraket/current"

    def env(self, account: str | None = None) -> dict[str, str]:
        """Environment variables that make boto3 and the AWS CLI its clients, as the first account or as `account`.

        Requests go to its first Region unless a client names another. The keys are dummies.
        """
        from braket_emulator.callers import access_key_for

        return {
            "AWS_ENDPOINT_URL_BRAKET": self.url,
            "AWS_ENDPOINT_URL_S3": self.s3_url,
            "AWS_ENDPOINT_URL_CLOUDTRAIL": self.url,
            "AWS_ACCESS_KEY_ID": access_key_for(account or self._account),
            "AWS_SECRET_ACCESS_KEY": "dummy",
            "AWS_DEFAULT_REGION": self._region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stats(self) -> dict[str, dict[str, int]]:
        """Counts since the start or the last reset: calls, throttled, by_region, errors, faults."""
        counts: dict[str, dict[str, int]] = self._call("GET", "stats")
        return counts

    def reset_stats(self) -> None:
        """Count from zero again."""
        self._call("DELETE", "stats")

    def clock(self) -> dict[str, Any]:
        """The instant of its clock (ISO-8601, UTC) and its rate."""
        told: dict[str, Any] = self._call("GET", "clock")
        return told

    def set_clock(self, now: datetime | str | None = None, rate: float | None = None) -> None:
        """Jump to an instant (UTC where it names no zone), run at another rate (0 is frozen), or both."""
        text = now.isoformat() if isinstance(now, datetime) else now
        self._call("PUT", "clock", {"now": text, "rate": rate})

    def set_faults(self, faults: list[dict[str, Any]]) -> None:
        """Replace all faults; each is an object as `braket_emulator.faults.Fault` describes it."""
        self._call("PUT", "faults", faults)

    def truth(self) -> dict[str, dict[str, Any]]:
        """By ARN of every task created so far: created, started, ended (also to come), cancelled_in_queue."""
        told: dict[str, dict[str, Any]] = self._call("GET", "truth")
        return told

    def set_tags(self, arn: str, tags: dict[str, str]) -> None:
        """Replace the tags of a record."""
        self._call("POST", "tags", {"arn": arn, "tags": tags})

    def expire(self, arn: str) -> None:
        """Make the API forget a record."""
        self._call("POST", "expire", {"arn": arn})

    def map_credentials(self, keys: dict[str, str]) -> None:
        """Let access keys belong to accounts."""
        self._call("PUT", "credentials", keys)

    def job_token(self, arn: str) -> str:
        """The token with which a client creates tasks of this job, as Braket hands it to the job itself."""
        return str(self._call("POST", "job-token", {"arn": arn})["token"])

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        """Call a control endpoint; ValueError with its message where it refuses."""
        request = urllib.request.Request(  # noqa: S310 (the URL is our own process's)
            f"{self.url}/_emulator/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        # a proxy set for the outside world must not get to see this
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_ANSWER_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(error.read().decode(errors="replace")) from None


@contextlib.contextmanager
def running(**options: Any) -> Iterator[Emulator]:
    """An emulator in a process of its own, on a free port, ended at exit or with the parent.

    Takes the fields of `Options` by name; `now` may also be an ISO-8601 text. RuntimeError with what it said
    where it does not start.
    """
    if isinstance(options.get("now"), str):
        options["now"] = instant(options["now"])
    chosen = Options(**options)
    command = [sys.executable, "-m", "braket_emulator", "--stop-at-end-of-input", *chosen.arguments()]
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            yield Emulator(_url(process, errors), chosen)
        finally:
            process.kill()
            process.communicate()
            sys.stderr.write(_said(errors))  # a traceback of its own must not get lost


def _said(errors: IO[bytes]) -> str:
    """What it wrote to standard error; told only once."""
    errors.seek(0)
    text = errors.read().decode(errors="replace")
    errors.truncate(0)
    return text


def _url(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    """The first line that the emulator prints when it is ready."""
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read_line, args=(process.stdout, lines), daemon=True).start()
    try:
        line = lines.get(timeout=_START_SECONDS).decode().strip()
    except queue.Empty:
        raise RuntimeError(f"the emulator did not start within {_START_SECONDS:.0f} s") from None
    if not line:
        process.wait()
        raise RuntimeError(f"the emulator did not start: {_said(errors).strip()}")
    return line


def _read_line(stream: IO[bytes] | None, lines: queue.Queue[bytes]) -> None:
    lines.put(stream.readline() if stream else b"")
