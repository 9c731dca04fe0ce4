"""`etl.runs`: how each run went, written step by step so that a killed one is seen as such."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from braket_etl import __version__
from braket_etl.warehouse.connection import Connection

#: From best to worst; a run is as good as its worst step.
VERDICTS = ("success", "warning", "failure")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of some machine; `began` tells it from another that had its id."""

    host: str
    pid: int
    began: str | None


def process_here(pid: int | None = None) -> Process:
    """A process of this machine, by default this one."""
    pid = pid or os.getpid()
    return Process(socket.gethostname(), pid, process_began(pid))


def note_step(
    connection: Connection,
    run_id: str,
    kind: str,
    step: str,
    summary: Mapping[str, Any],
    *,
    process: Process | None = None,
) -> None:
    """Add what a step of a run did; the first step of a run begins its row, and closes those of dead runs.

    `process` is the one that lives as long as the run; by default this one.
    """
    known = run_summary(connection, run_id)
    if known is None:
        close_dead_runs(connection)
        process = process or process_here()
        connection.execute(
            "INSERT INTO etl.runs (run_id, kind, started_at, outcome, host, pid, pid_began, version, summary) "
            "VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?)",
            [
                run_id,
                kind,
                datetime.now(UTC),
                process.host,
                process.pid,
                process.began,
                __version__,
                "{}",
            ],
        )
    steps = {**(known or {}), step: summary}
    connection.execute("UPDATE etl.runs SET summary = ? WHERE run_id = ?", [json.dumps(steps), run_id])


def finish(connection: Connection, run_id: str) -> str:
    """Close a run with the worst verdict of its steps, and give that."""
    steps = run_summary(connection, run_id) or {}
    verdict = max(
        (step.get("verdict", "success") for step in steps.values()), key=VERDICTS.index, default="success"
    )
    connection.execute(
        "UPDATE etl.runs SET ended_at = ?, outcome = ? WHERE run_id = ?", [datetime.now(UTC), verdict, run_id]
    )
    return verdict


def close(connection: Connection, run_id: str, verdict: str) -> None:
    """Close a run that could not close itself."""
    connection.execute(
        "UPDATE etl.runs SET ended_at = ?, outcome = ? WHERE run_id = ? AND ended_at IS NULL",
        [datetime.now(UTC), verdict, run_id],
    )


def has_ended(connection: Connection, run_id: str) -> bool:
    """Whether a run was closed."""
    return bool(
        connection.execute(
            "SELECT count(*) FROM etl.runs WHERE run_id = ? AND ended_at IS NOT NULL", [run_id]
        ).fetchall()[0][0]
    )


def run_summary(connection: Connection, run_id: str) -> dict[str, Any] | None:
    """The summaries of a run's steps by step; None for a run that is not known."""
    found = connection.execute("SELECT summary FROM etl.runs WHERE run_id = ?", [run_id]).fetchall()
    return json.loads(found[0][0] or "{}") if found else None


def problems_of(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the summaries of steps say could not be had, each once."""
    return list(dict.fromkeys(problem for step in steps for problem in step.get("problems", ())))


def close_dead_runs(connection: Connection) -> int:
    """Mark runs of this host as failed whose process is gone; how many there were."""
    running = connection.execute(
        "SELECT run_id, pid, pid_began FROM etl.runs WHERE outcome = 'running' AND host = ?",
        [socket.gethostname()],
    ).fetchall()
    dead = [run_id for run_id, pid, began in running if not is_alive(pid, began)]
    for run_id in dead:
        connection.execute("UPDATE etl.runs SET outcome = 'failure' WHERE run_id = ?", [run_id])
    return len(dead)


def is_alive(pid: int, began: str | None = None) -> bool:
    """Whether that process of this machine still runs.

    A process id alone is used again: in a container every program has the same. So it is also asked whether
    the process with that id is the one that `process_began` told of, where that is known.
    """
    if began and (now := process_began(pid)):
        return now == began
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def process_began(pid: int) -> str | None:
    """When that process of this machine began, as the system tells it; None where it cannot be told.

    Linux counts clock ticks since the machine started (proc(5), field 22 of stat); others are asked through ps.
    """
    if Path("/proc/self/stat").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return None
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(  # noqa: S603 - a number is the only argument
            ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - where ps lies differs between systems
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        return " ".join(told.stdout.split()) or None
    return None
