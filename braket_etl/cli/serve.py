"""`ui` and `emulator`: servers on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from datetime import datetime

from braket_etl.cli.output import say
from braket_etl.packaged import checkout
from braket_etl.settings import SettingsError, load_settings


def run_ui(port: int) -> int:
    """Become `dagster dev` with our instance and definitions."""
    from braket_etl.orchestration.instance import ready_instance

    settings = load_settings()
    ready_instance(settings)
    os.environ["BRAKET_ETL_HOME"] = str(settings.home)
    root = checkout()
    where = ["-w", str(root / "workspace.yaml")] if root else ["-m", "braket_etl.definitions"]
    say(f"the UI will be at http://127.0.0.1:{port} for the warehouse in {settings.home}; Ctrl-C ends it")
    sys.stderr.flush()
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "dagster",
        "dev",
        *where,
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
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
