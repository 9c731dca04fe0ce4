"""What public captures of Amazon Braket tasks say of certain bounds, of closed time and of run times.

    python -m bench.captures [FOLDER]

FOLDER has turnarounds.csv, service_gaps.csv and windows.csv, as tests/fixtures/runtimes has them: facts of real tasks,
2022 to 2026, each row with its source. Their tasks are put into a warehouse as if they had been pulled after their end,
and `task_latency` is asked. Of a gap, the time between the completions of two tasks on a device, the second ran at most so
long; inside a reservation it ran just so long. Printed as a Markdown table.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bench.line import table_row
from braket_etl.analysis.run_times import learnt
from braket_etl.tables import QUANTUM_TASKS, TASK_RESULTS
from braket_etl.tables.devices import DEVICE_OBSERVATIONS, DEVICE_STATE, with_depths
from braket_etl.tables.normalize import normalize
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.upsert import extend_observations, replace_rows, upsert

CAPTURES = Path(__file__).parent.parent / "tests" / "fixtures" / "runtimes"
CEPHEUS = "Cepheus-1-108Q"
#: Seconds: sums of recorded milliseconds may differ by one.
EXACT = 0.002
#: A run is predicted well where it is within so many seconds.
NEAR = 0.2


@dataclass(frozen=True)
class Gap:
    """A task that waited when another one of its account completed on its device; lengths in seconds."""

    device: str
    shots: float
    created_at: datetime
    previous_ended_at: datetime
    ended_at: datetime
    seconds: float
    is_reserved: bool


@dataclass(frozen=True)
class _Answer:
    """One response and when it was given."""

    operation: str
    arn: str
    body: dict[str, Any]
    fetched_at: datetime


def rows_of(file: Path) -> list[dict[str, str]]:
    """The rows of a file, none where there is no such file."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def gaps_of(folder: Path) -> list[Gap]:
    """The gaps, in order of ending."""
    gaps = [
        Gap(
            row["device"].rsplit("/", 1)[-1],
            float(row["shots"]),
            *(datetime.fromisoformat(row[name]) for name in ("created_at", "previous_ended_at", "ended_at")),
            float(row["completion_gap_s"]),
            row["reserved"] == "True",
        )
        for row in rows_of(folder / "service_gaps.csv")
    ]
    return sorted(gaps, key=lambda gap: gap.ended_at)


def stored(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Put the captures into an empty warehouse, as a pull after the end of all would have."""
    turnarounds, gaps = rows_of(folder / "turnarounds.csv"), gaps_of(folder)
    arns = {row["device"].rsplit("/", 1)[-1]: row["device"] for row in turnarounds}
    reserved = {(gap.device, gap.ended_at) for gap in gaps if gap.is_reserved}
    tasks: dict[tuple[str, datetime, datetime], tuple[float, str | None]] = {}
    for row in turnarounds:
        created, ended = (datetime.fromisoformat(row[name]) for name in ("created_at", "ended_at"))
        key = row["device"].rsplit("/", 1)[-1], created, ended
        tasks[key] = float(row["shots"]), row["metadata_duration_s"] or None
    for gap in gaps:
        tasks.setdefault((gap.device, gap.created_at, gap.ended_at), (gap.shots, None))
    known = {(device, ended) for device, _, ended in tasks}
    for gap in gaps:  # the one before, of which only its end is told
        if (gap.device, gap.previous_ended_at) not in known:
            tasks[gap.device, gap.previous_ended_at, gap.previous_ended_at] = gap.shots, None
            known.add((gap.device, gap.previous_ended_at))
    answers: list[_Answer] = []
    results: list[dict[str, Any]] = []
    for number, ((device, created, ended), (shots, lasted)) in enumerate(sorted(tasks.items()), 1):
        arn = f"arn:aws:braket:us-east-1:123456789012:quantum-task/{number}"
        reservation = f"arn:aws:braket:us-east-1:123456789012:reservation/{device}"
        body = {
            "quantumTaskArn": arn,
            "status": "COMPLETED",
            "deviceArn": arns.get(device, f"arn:aws:braket:us-east-1::device/qpu/unknown/{device}"),
            "deviceParameters": "{}",
            "shots": int(shots),
            "outputS3Bucket": "bucket",
            "outputS3Directory": "folder",
            "createdAt": created.isoformat(),
            "endedAt": ended.isoformat(),
        }
        if (device, ended) in reserved:
            body["associations"] = [{"arn": reservation, "type": "RESERVATION_TIME_WINDOW_ARN"}]
        fetched = datetime(2026, 11, 1, tzinfo=UTC)
        answers.append(_Answer("GetQuantumTask", arn, body, fetched))
        if lasted:
            results.append(
                {
                    "quantum_task_arn": arn,
                    "account_id": "123456789012",
                    "region": "us-east-1",
                    "execution_duration_ms": round(float(lasted) * 1000),
                    "fetched_at": fetched,
                }
            )
    upsert(connection, QUANTUM_TASKS, normalize(QUANTUM_TASKS, answers, bookkeeping={"origin": "api"}).rows)
    replace_rows(connection, TASK_RESULTS, pa.Table.from_pylist(results, schema=TASK_RESULTS.arrow_schema))
    extend_observations(
        connection,
        DEVICE_OBSERVATIONS,
        normalize(DEVICE_OBSERVATIONS, list(_polls(folder, arns)), finish=with_depths).rows,
        DEVICE_STATE,
    )


def _polls(folder: Path, arns: dict[str, str]) -> Iterable[_Answer]:
    """A first and a last look at each device whose windows are told."""
    rows = rows_of(folder / "windows.csv")
    for (device, seen_at), members in groupby(rows, key=lambda row: (row["device"], row["seen_at"])):
        windows = [
            {"executionDay": row["day"], "windowStartHour": row["from"], "windowEndHour": row["to"]}
            for row in members
        ]
        name = device.rsplit("/", 1)[-1]
        body = {
            "deviceArn": arns.get(name, f"arn:aws:braket:us-east-1::device/qpu/{device}"),
            "deviceName": name,
            "providerName": device.split("/")[0],
            "deviceType": "QPU",
            "deviceStatus": "ONLINE",
            "deviceCapabilities": json.dumps({"service": {"executionWindows": windows}}),
        }
        for fetched in (datetime.fromisoformat(seen_at), datetime(2026, 11, 1, tzinfo=UTC)):
            yield _Answer("GetDevice", body["deviceArn"], body, fetched)


@dataclass(frozen=True)
class Found:
    """What the captures say; each violated bound is a line."""

    tasks: int
    violated: list[str]
    bounded_gaps: int
    gaps: int
    closed: list[tuple[str, datetime, float, float, float]]
    """Device and creation; in seconds, the turnaround, what was certainly wait, and of it the device's closed time."""
    errors: list[float]
    """Of runs in a reservation, seconds between what is learnt from the half before and what they took."""


def found(connection: duckdb.DuckDBPyConnection, folder: Path) -> Found:
    """Ask the warehouse that holds the captures."""
    rows = connection.execute(
        """SELECT device_name, created_at, ended_at, wait_seconds_lower, wait_seconds_upper, run_seconds_lower,
            run_seconds_upper, turnaround_seconds, lower_from, execution_duration_ms / 1e3
        FROM task_latency
        LEFT JOIN (SELECT quantum_task_arn, execution_duration_ms FROM task_results) USING (quantum_task_arn)
        ORDER BY created_at, ended_at"""
    ).fetchall()
    gaps = gaps_of(folder)
    violated = [
        f"{name} {created}: {row}"
        for name, created, _, *row in rows
        if not (-EXACT <= row[0] <= row[1] + EXACT and row[1] <= row[4] + EXACT)
        or not (row[2] - EXACT <= (row[3] if row[6] is None else row[6]) <= row[3] + EXACT)
    ]
    by_end = {(name, created, ended): row for name, created, ended, *row in rows}
    narrow = 0
    for gap in gaps:
        row = by_end[gap.device, gap.created_at, gap.ended_at]
        if gap.is_reserved and row[3] < gap.seconds - EXACT:
            violated.append(f"{gap.device} {gap.created_at}: ran {gap.seconds} s, at most {row[3]} s")
        narrow += row[3] <= gap.seconds + EXACT
    closed = connection.execute(
        """SELECT t.device_name, t.created_at, t.turnaround_seconds, t.wait_seconds_lower,
            sum(epoch_us(least(c.closed_to, t.ended_at)) - epoch_us(greatest(c.closed_from, t.created_at))) / 1e6,
            -- until it opened, for a task that was sent while it was closed
            max(epoch_us(c.closed_to) - epoch_us(t.created_at)) FILTER (c.closed_from <= t.created_at) / 1e6
        FROM task_latency AS t
        JOIN device_closures AS c
            ON c.device_arn = t.device_arn AND c.closed_from < t.ended_at AND c.closed_to > t.created_at
        WHERE NOT t.is_reservation
        GROUP BY ALL ORDER BY t.created_at"""
    ).fetchall()
    violated += [
        f"{name} {created}: waited at least {lower} s, but for {shut} s it was closed"
        for name, created, _, lower, _, shut in closed
        if shut is not None and lower < shut - EXACT
    ]
    return Found(len(rows), violated, narrow, len(gaps), [row[:5] for row in closed], predicted(gaps))


def predicted(gaps: Sequence[Gap]) -> list[float]:
    """Errors of the usual run that is learnt from the first half of the gaps of a reservation, in the second half."""
    held = [gap for gap in gaps if gap.is_reserved and gap.device == CEPHEUS]
    half = len(held) // 2
    if not half:
        return []
    shots, seconds = np.array([[gap.shots, gap.seconds] for gap in held]).T
    nobody = np.full(half, np.nan)
    runs = learnt(
        f"arn:aws:braket:us-west-1::device/qpu/rigetti/{CEPHEUS}",
        shots[:half],
        seconds[:half],
        nobody,
        nobody,
    )
    return (runs.ranges(shots[half:])[1] - seconds[half:]).tolist()


def asked(folder: Path) -> Found:
    """Put the captures of a folder into a warehouse of their own, and ask it."""
    with (
        tempfile.TemporaryDirectory() as home,
        FileWarehouse(Path(home), Path(home) / "published.duckdb").writing("captures") as connection,
    ):
        stored(connection, folder)
        return found(connection, folder)


def main(folder: Path) -> None:
    """Print the table, and what violates a bound below it."""
    told = asked(folder)
    print(table_row(["what", "found"]))
    print("|" + " --- |" * 2)
    print(
        table_row(
            [
                "tasks whose certain bounds contradict what is recorded",
                f"{len(told.violated)} of {told.tasks}",
            ]
        )
    )
    print(
        table_row(
            ["runs that an own completion bounds by the gap, or more", f"{told.bounded_gaps} of {told.gaps}"]
        )
    )
    for device, created, turnaround, _, closed in told.closed:
        what = f"{device}, {created.astimezone(UTC):%Y-%m-%d %H:%M:%S}: closed, of a turnaround of {turnaround:,.1f} s"
        print(table_row([what, f"{closed:,.1f} s, {turnaround - closed:,.1f} s are left"]))
    if told.errors:
        errors = np.abs(told.errors)
        print(
            table_row([
                f"{len(errors)} reserved runs on {CEPHEUS}, learnt from the half before, by shots alone",
                f"median error {np.median(errors):.2f} s, {np.mean(errors <= NEAR):.0%} within {NEAR} s",
            ])
        )  # fmt: skip
    for line in told.violated:
        print(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else CAPTURES)
