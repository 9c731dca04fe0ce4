"""`ui`, `dashboard`, `mcp` and `emulator`: servers on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from typing import Any, NoReturn

from braket_etl import stopping
from braket_etl.cli.output import say
from braket_etl.settings import Settings, SettingsError, load_settings


def run_ui(port: int) -> int:
    """Become `dagster dev` with our instance and definitions."""
    from braket_etl.orchestration.instance import workspace_arguments

    _check_free(port)
    settings = served_settings()
    say(f"the UI will be at http://127.0.0.1:{port} for the warehouse in {settings.home}; Ctrl-C ends it")
    become("dagster", "dev", *workspace_arguments(), "-h", "127.0.0.1", "-p", str(port))


def run_dashboard(port: int) -> int:
    """Serve the dashboard until Ctrl-C or SIGTERM, which are its proper end."""
    import uvicorn

    from braket_etl.report import charts
    from braket_etl.runtime import Runtime
    from braket_etl.serving.dashboard import application
    from braket_etl.serving.guard import path_of
    from braket_etl.warehouse.secret_files import kept_secret

    runtime = Runtime()
    token = kept_secret(runtime.settings.home / "dashboard-token")
    with _bound(port) as listening:
        listening.listen()  # whoever reads the address may connect at once
        port = listening.getsockname()[1]
        charts.load()
        say(f"the dashboard of {runtime.warehouse.place}; keep the address to yourself; Ctrl-C ends it")
        print(f"http://127.0.0.1:{port}{path_of(token)}?token={token}", flush=True)
        config = uvicorn.Config(
            application(runtime.warehouse, token, port),
            access_log=False,  # it would hold the token
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    stopping.leave("the dashboard is closed")


def run_mcp() -> int:
    """Serve the questions on standard input and output until it is closed."""
    try:
        from braket_etl.serving.mcp_server import serve
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{error.name} is not installed: `pip install 'braket-etl[mcp]'` brings what `mcp` needs"
        ) from None
    serve()
    return 0


def served_settings() -> Settings:
    """The settings, with the instance ready for what this process is about to become, and its home noted there."""
    from braket_etl.orchestration.instance import note_served_home, ready_instance

    settings = load_settings()
    ready_instance(settings)
    note_served_home(settings)
    os.environ["BRAKET_ETL_HOME"] = str(settings.home)
    return settings


def _check_free(port: int) -> None:
    """Raise SettingsError where another program has the port: the webserver would say so in a traceback."""
    _bound(port).close()


def _bound(port: int) -> socket.socket:
    """A socket that has the port; raises SettingsError where another program has it."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError as error:
        bound.close()
        raise SettingsError(f"--port {port}: {error.strerror}; choose another one") from None
    return bound


def become(module: str, *arguments: str) -> NoReturn:
    """Replace this process by a module of Python; the exit code will be that module's."""
    sys.stderr.flush()
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter and arguments


def run_emulator(now: str | None, **options: Any) -> int:
    """Become the emulator, with these of its `Options`; raises SettingsError where `now` is no instant."""
    from braket_emulator.options import Options, instant

    try:
        begins = instant(now) if now else None
    except ValueError:
        raise SettingsError(f"--now: {now!r} is no instant, such as 2026-11-20T12:00:00Z") from None
    become("braket_emulator", *Options(now=begins, **options).arguments())
