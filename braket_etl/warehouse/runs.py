"""`etl.runs`: how each run went, written step by step so that a killed one is seen as such."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from braket_etl import __version__
from braket_etl.warehouse.connection import Connection

#: From best to worst; a run is as good as its worst step.
VERDICTS = ("success", "warning", "failure")


def note_step(connection: Connection, run_id: str, kind: str, step: str, summary: Mapping[str, Any]) -> None:
    """Add what a step of a run did; the first step of a run begins its row."""
    known = run_summary(connection, run_id)
    if known is None:
        connection.execute(
            "INSERT INTO etl.runs (run_id, kind, started_at, outcome, host, pid, version, summary) "
            "VALUES (?, ?, ?, 'running', ?, ?, ?, ?)",
            [run_id, kind, datetime.now(UTC), socket.gethostname(), os.getpid(), __version__, "{}"],
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


def close_dead_runs(connection: Connection) -> int:
    """Mark runs of this host as failed whose process is gone; how many there were."""
    running = connection.execute(
        "SELECT run_id, pid FROM etl.runs WHERE outcome = 'running' AND host = ?", [socket.gethostname()]
    ).fetchall()
    dead = [run_id for run_id, pid in running if pid != os.getpid() and not is_alive(pid)]
    for run_id in dead:
        connection.execute("UPDATE etl.runs SET outcome = 'failure' WHERE run_id = ?", [run_id])
    return len(dead)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine with that id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
