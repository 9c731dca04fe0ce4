"""A pre-rendered responder: the same GetQuantumTask body for every ARN, from processes that do nothing else.

Bare asyncio, so that its ceiling lies well above any client's; `--latency` seconds pass before each answer. Run by
bench/client_ceiling.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from email.utils import formatdate
from urllib.parse import unquote

BODY = {
    "status": "COMPLETED",
    "deviceArn": "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1",
    "deviceParameters": json.dumps({"paradigmParameters": {"qubitCount": 20, "disableQubitRewiring": False}}),
    "shots": 1000,
    "outputS3Bucket": "amazon-braket-us-east-1-123456789012",
    "outputS3Directory": "tasks/2b1c7ace-951b-4a1f-a0ab-1a5dc3cf97ac",
    "createdAt": "2026-11-01T10:00:00.000Z",
    "endedAt": "2026-11-01T10:03:00.000Z",
    "tags": {"team": "chemistry", "project": "vqe"},
    "numSuccessfulShots": 1000,
    "associations": [],
}


class Responder(asyncio.Protocol):
    """Answers each request with the ARN that its path names."""

    latency = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.waiting = b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while b"\r\n\r\n" in self.waiting:
            head, self.waiting = self.waiting.split(b"\r\n\r\n", 1)
            path = head.split(b" ", 2)[1].decode()
            arn = unquote(path.removeprefix("/quantum-task/").split("?")[0])
            body = json.dumps({"quantumTaskArn": arn, **BODY}).encode()
            answer = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: "
                + formatdate(usegmt=True).encode()
                + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
                + body
            )
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.transport.write, answer)
            else:
                self.transport.write(answer)


async def serve(port: int, latency: float) -> None:
    """Serve until killed; several processes may share the port."""
    Responder.latency = latency
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    server = await asyncio.get_running_loop().create_server(Responder, sock=listener, backlog=512)
    print(listener.getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.latency))
