"""Processes of a test's own: to wait for what they bring about, to end them with their children, to give them a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import Program


def wait_for(condition: Callable[[], object], what: str, seconds: float = 600) -> None:
    """Wait until it is so; only a product that never gets there takes the whole time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it never happened: {what}"
        time.sleep(0.05)


def heeds(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM; skips where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("only Linux tells which signals a process has a handler for")
    caught = re.search(r"SigCgt:\s*(\w+)", status.read_text())
    return bool(caught and int(caught.group(1), 16) & 1 << (signal.SIGTERM - 1))


@contextmanager
def serving(program: Program, *arguments: str, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The program in a session of its own while the block runs; then it is told to end, and what is left is killed."""
    with Path(log or os.devnull).open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "braket_etl", *arguments],
            env=program.environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def begun_together(command: Sequence[str], envs: Sequence[Mapping[str, str] | None]) -> list[str]:
    """What a Python program says last in each environment; all go on at one moment: after 'ready' they wait for a line."""
    processes = [
        subprocess.Popen(
            [sys.executable, *command], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for env in envs
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=600)[0] for process in processes]


def on_terminal(program: Program, *arguments: str, columns: int = 80) -> tuple[int, str]:
    """The exit code of a verb, and what it writes to a terminal of so many columns, standard error included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "braket_etl", *arguments],
        env={**program.environment(), "TERM": "xterm", "COLUMNS": str(columns)},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = bytearray()
    with suppress(OSError):  # the terminal is gone with its last writer
        while part := os.read(ours, 65_536):
            written += part
    os.close(ours)
    return process.wait(), written.decode(errors="surrogateescape")


def bound_by_modes() -> list[str]:
    """What to start a program with so that modes of files hold for it: nothing does for root."""
    if os.geteuid() != 0:
        return []
    capabilities = "-dac_override,-dac_read_search"
    prefix = ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("root may write everywhere, and setpriv cannot take that away here")
    return prefix
