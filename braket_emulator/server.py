"""Serves an emulator with uvicorn, on 127.0.0.1 only.

The one module that imports uvicorn; nothing may import it but what is about to serve.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from braket_emulator.app import EmulatorApp
from braket_emulator.clock import Clock
from braket_emulator.control import control
from braket_emulator.delivery import Delivery
from braket_emulator.faults import Faults
from braket_emulator.intake import Intake
from braket_emulator.options import Options
from braket_emulator.quotas import Quotas
from braket_emulator.world import generate

HOST = "127.0.0.1"
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: closing sends a reset


class OpenConnections:
    """The open connections by the address of their client, so that a fault can cut one."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def reset(self, client: tuple[str, int]) -> None:
        """Break the connection of this client at once, without a word."""
        transport = self._transports.get((client[0], client[1]))
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            transport.abort()

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's HTTP protocol, which tells of its connections here."""
        transports = self._transports

        class Protocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
            def connection_made(self, transport: Any) -> None:
                self.emulator_client = transport.get_extra_info("peername")[:2]
                transports[self.emulator_client] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self.emulator_client, None)
                super().connection_lost(exc)

        return Protocol


class _Server(uvicorn.Server):
    """A uvicorn server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()


def emulator(options: Options, connections: OpenConnections) -> EmulatorApp:
    """The emulator that these options describe."""
    now = options.now or datetime.now(UTC)
    world = generate(
        options.seed,
        options.tasks,
        options.jobs,
        options.days,
        options.accounts,
        options.regions,
        now,
        by_minute=options.by_minute,
    )
    # without a wished-for instant the clock is the real one, however long the generation took
    clock = Clock(now if options.now or options.frozen else None, 0.0 if options.frozen else options.rate)
    made = EmulatorApp(
        world,
        clock,
        Quotas(options.quotas),
        Faults(options.seed),
        connections,
        Intake(world, options.seed, quick=options.quick),
        Delivery(options.s3_endpoint) if options.s3_endpoint else None,
    )
    made.others = control(made)
    gc.freeze()  # a large world is garbage to nobody: without this, collections walk it again and again
    return made


def serve(options: Options, ready: Callable[[str], None], *, stop_at_end_of_input: bool = False) -> None:
    """Serve until interrupted; `ready` is called with the URL. OSError where the port is taken.

    With `stop_at_end_of_input` it also ends when standard input does, so that it never outlives its parent.
    """
    connections = OpenConnections()
    app = emulator(options, connections)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, options.port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise OSError(
                f"port {options.port} on {HOST} cannot be had: {why}. Choose another with --port; 0 takes a free one"
            ) from error
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            http=connections.protocol(),
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=120,
        )
        server = _Server(config, lambda: ready(url))
        if stop_at_end_of_input:
            threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    while sys.stdin.buffer.read(1024):
        pass
    server.should_exit = True
