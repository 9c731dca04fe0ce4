"""`braket-etl dashboard` as a process, and requests to it."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from tests.conftest import Program


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    text: str


@dataclass(frozen=True)
class Served:
    """A dashboard that runs, at the address that it printed."""

    address: str
    process: subprocess.Popen[bytes]

    @property
    def base(self) -> str:
        """Where the pages lie, without the token."""
        return self.address.partition("?")[0]

    @property
    def token(self) -> str:
        return self.address.partition("?token=")[2]

    @property
    def host(self) -> str:
        return f"http://{urlsplit(self.address).netloc}"

    def get(self, address: str, *, method: str = "GET", **headers: str) -> Answer:
        """What an address answers, below the pages unless it is whole; nothing follows redirects, and no token is added."""
        wanted = address if address.startswith("http") else self.base + address
        request = urllib.request.Request(
            wanted,
            method=method,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())

    def shown(self, address: str = "") -> Answer:
        """The same with the token in a header."""
        return self.get(address, Authorization=f"Bearer {self.token}")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


@contextmanager
def dashboard(program: Program) -> Iterator[Served]:
    """A dashboard of that home on a free port."""
    process = program.start("dashboard", "--port", "0", stdout=subprocess.PIPE)
    assert process.stdout
    try:
        yield Served(process.stdout.readline().decode().strip(), process)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
