"""`ui` and `emulator`: servers on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
from datetime import datetime
from typing import NoReturn

from braket_etl.cli.output import say
from braket_etl.settings import SettingsError, load_settings


def run_ui(port: int) -> int:
    """Become `dagster dev` with our instance and definitions."""
    from braket_etl.orchestration.instance import note_served_home, ready_instance, workspace_arguments

    settings = load_settings()
    _check_free(port)
    ready_instance(settings)
    note_served_home(settings)
    os.environ["BRAKET_ETL_HOME"] = str(settings.home)
    say(f"the UI will be at http://127.0.0.1:{port} for the warehouse in {settings.home}; Ctrl-C ends it")
    become("dagster", "dev", *workspace_arguments(), "-h", "127.0.0.1", "-p", str(port))


def _check_free(port: int) -> None:
    """Raise SettingsError where another program has the port: the webserver would say so in a traceback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SettingsError(f"--port {port}: {error.strerror}; choose another one") from None


def become(module: str, *arguments: str) -> NoReturn:
    """Replace this process by a module of Python; the exit code will be that module's."""
    sys.stderr.flush()
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter and arguments


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--now: {text!r} is no instant, such as 2026-11-20T12:00:00Z") from None


def run_emulator(
    port: int,
    tasks: int,
    jobs: int,
    days: int,
    seed: int,
    now: str | None,
    frozen: bool,
    rate: float,
    quotas: bool,
) -> int:
    """Become the emulator."""
    from braket_etl.emulator.options import Options

    options = Options(
        port=port,
        tasks=tasks,
        jobs=jobs,
        days=days,
        seed=seed,
        now=_instant(now) if now else None,
        frozen=frozen,
        rate=rate,
        quotas=quotas,
    )
    os.execv(sys.executable, [sys.executable, "-m", "braket_etl.emulator", *options.arguments()])  # noqa: S606
