"""The emulator over HTTP: routes, headers, quotas, faults and counters around the answers of `api.py`.

Requests of the Braket protocol are dispatched by a plain ASGI function, because ARNs arrive percent-encoded
in one path segment, which routers decode, and because thousands a second must pass. Everything else (control,
price list) is an ordinary Starlette application, in `control.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Any, Protocol
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from braket_emulator.api import Api, Call
from braket_emulator.callers import Caller, Callers
from braket_emulator.clock import Clock
from braket_emulator.delivery import Delivery
from braket_emulator.faults import CONTENT, ERRORS, Fault, Faults, Target, spoil
from braket_emulator.instants import http_date
from braket_emulator.intake import Intake
from braket_emulator.quotas import Quotas
from braket_emulator.service_model import LOOKUP, ApiError, Operation, Service, braket, cloudtrail
from braket_emulator.storage import PATH as STORAGE_PATH
from braket_emulator.storage import Storage
from braket_emulator.world import World

_LARGEST_REQUEST = 1_000_000
_HTML = b"<html><head><title>Sign in</title></head><body><h1>Welcome to the hotel</h1></body></html>"
_OTHER_PATHS = (b"/_emulator", b"/offers/")


class Connections(Protocol):
    """What can cut a connection in the middle of things; the server implements it."""

    def reset(self, client: tuple[str, int]) -> None:
        """Break the connection of this client at once, without a word."""


@dataclass
class Stats:
    """What was asked since the start or the last reset."""

    calls: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    by_region: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def count(self, operation: str) -> None:
        """Count a call."""
        self.calls[operation] += 1

    def as_json(self) -> dict[str, dict[str, int]]:
        """What `GET /_emulator/stats` answers."""
        return {name: dict(getattr(self, name)) for name in ("calls", "throttled", "by_region", "errors")}


@dataclass(slots=True)
class Reply:
    """An answer before it is sent."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    error: str | None = None


@dataclass
class EmulatorApp:
    """All that one emulator consists of; also the ASGI application."""

    world: World
    clock: Clock
    quotas: Quotas
    faults: Faults
    connections: Connections
    intake: Intake
    delivery: Delivery | None = None
    others: ASGIApp | None = None
    stats: Stats = field(default_factory=Stats)
    callers: Callers = field(init=False)
    api: Api = field(init=False)
    service: Service = field(init=False)
    storage: Storage = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self.callers = Callers(self.world.accounts)
        self.api = Api(self.world, self.intake)
        self.service = braket()
        self.storage = Storage(
            self.world, self.callers, self.clock.now, self.faults.denies_bucket, self.stats.count
        )
        self.intake.on_task.append(self.storage.add)
        if self.delivery is not None:
            self.intake.on_task.append(self.delivery.expect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        raw_path: bytes = scope["raw_path"]
        if raw_path.startswith(_OTHER_PATHS) and self.others is not None:
            await self.others(scope, receive, send)
            return
        if raw_path.startswith(STORAGE_PATH):
            await self.storage(scope, receive, send)
            return
        self._number += 1
        now = self.clock.now()
        body = await _body(receive) if scope["method"] != "GET" else b""
        if self.delivery is not None:
            await self.delivery.settle(now)
        reply, met = self._reply(scope, raw_path, body, now)
        await self._send(reply, met, scope, receive, send, now)

    def _reply(self, scope: Scope, raw_path: bytes, body: bytes, now: int) -> tuple[Reply, list[Fault]]:
        path, _, rest = raw_path[1:].partition(b"/")
        label, _, action = rest.partition(b"/")
        operation = self.service.operation_at(
            scope["method"], path.decode("latin-1"), labelled=bool(label), action=action.decode("latin-1")
        ) or cloudtrail().get((_header(scope, b"x-amz-target") or b"").decode("latin-1"))
        if operation is None:
            return _error_reply(404, ApiError("UnknownOperationException", "No such operation here")), []
        self.stats.count(operation.name)
        met: list[Fault] = []
        try:
            service = "cloudtrail" if operation.name == LOOKUP else "braket"
            caller = self.callers.caller(_header(scope, b"authorization"), service)
            self.stats.by_region[caller.region] += 1
            call = Call(operation, caller, now, unquote(label.decode("latin-1")), scope["query_string"], body)
            self._admit(caller, operation)
            met = self._faults(call)
            content = self._content(call, met)
            return Reply(operation.status, json.dumps(content, separators=(",", ":")).encode()), met
        except ApiError as error:
            self.stats.errors[error.code] += 1
            if error.code == "ThrottlingException":
                self.stats.throttled[operation.name] += 1
            return _error_reply(operation.error_status(error.code), error), met

    def _admit(self, caller: Caller, operation: Operation) -> None:
        if not self.quotas.admits(caller.account, caller.region, operation.name):
            raise ApiError("ThrottlingException", "Rate exceeded")

    def _faults(self, call: Call) -> list[Fault]:
        if not self.faults.faults:
            return []
        return self.faults.for_call(
            Target(
                number=self._number,
                operation=call.operation,
                account=call.caller.account,
                region=call.caller.region,
                arn=call.label,
                has_page_token=b'extToken"' in call.body,
            )
        )

    def _content(self, call: Call, met: list[Fault]) -> dict[str, Any]:
        kinds = {fault.kind for fault in met}
        for fault in met:
            if fault.kind in ERRORS:
                raise ApiError(ERRORS[fault.kind], f"{ERRORS[fault.kind]} on request (fault {fault.kind})")
        call.token_expired = "expired_page_token" in kinds
        call.repeat_last = "duplicate_page" in kinds
        content = self.api.answer(call)
        for fault in met:
            if fault.kind in CONTENT:
                spoil(fault, call.operation, content, self._number)
        return content

    async def _send(
        self, reply: Reply, met: list[Fault], scope: Scope, receive: Receive, send: Send, now: int
    ) -> None:
        cut_at: int | None = None
        for fault in met:
            match fault.kind:
                case "stall":
                    await asyncio.sleep(fault.seconds)
                case "reset_before":
                    await self._reset(scope, receive)
                    return
                case "reset_mid_body":
                    cut_at = len(reply.body) // 2
                case "truncated_body":
                    reply.body = reply.body[: len(reply.body) // 2]
                case "empty_body":
                    reply.body = b""
                case "html_body":
                    reply.status, reply.body, reply.content_type = 200, _HTML, b"text/html"
                case "wrong_content_type":
                    reply.content_type = b"text/plain"
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": self._headers(reply, now)}
        )
        if cut_at is None:
            await send({"type": "http.response.body", "body": reply.body})
        else:
            await send({"type": "http.response.body", "body": reply.body[:cut_at], "more_body": True})
            await asyncio.sleep(0.02)  # so that the half is on its way before the connection breaks
            await self._reset(scope, receive)

    async def _reset(self, scope: Scope, receive: Receive) -> None:
        self.connections.reset(scope["client"])
        while (await receive())["type"] != "http.disconnect":
            pass

    def _headers(self, reply: Reply, now: int) -> list[tuple[bytes, bytes]]:
        request_id = blake2s(f"{self.faults.seed}/{self._number}".encode(), digest_size=16).hexdigest()
        headers = [
            (b"date", http_date(now).encode()),
            (b"content-type", reply.content_type),
            (b"content-length", str(len(reply.body)).encode()),
            (b"x-amzn-requestid", request_id.encode()),
        ]
        if reply.error:
            headers.append((b"x-amzn-errortype", reply.error.encode()))
        return headers


def _header(scope: Scope, name: bytes) -> bytes | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for each, value in headers:
        if each == name:
            return value
    return None


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        size += len(part)
        if size <= _LARGEST_REQUEST:
            parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _error_reply(status: int, error: ApiError) -> Reply:
    # Braket's clients read the code in a header, CloudTrail's in the body
    return Reply(
        status, json.dumps({"__type": error.code, "message": error.message}).encode(), error=error.code
    )
