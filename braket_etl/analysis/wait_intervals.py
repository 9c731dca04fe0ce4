"""What each task says of its wait, as an interval that one likelihood can take.

A start that an event told is a point. Polls enclose it, from one to the next. A task that completed has a turnaround,
which is its wait and its run: with a range for the run it encloses the wait too, whether anybody looked while it
waited or not. Of the two the one that tells more is taken, by widths that do not depend on the task's own wait: to
take the narrower interval, or the overlap, would take short waits for more exact than long ones and bend the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Self, TypeVar

import duckdb
import numpy as np
import pyarrow as pa

from braket_etl.analysis.npmle import Floats
from braket_etl.analysis.run_times import RunTimes, learnt

Mask = np.ndarray[Any, np.dtype[np.bool_]]

#: A turnaround is taken where the range of the run is narrower than this part of the time between two polls.
NARROWER = 0.1
#: Tasks that were sent at most so many seconds after one another are a batch: their waits are not independent.
BATCH_SECONDS = 30.0
#: An end that was first seen so long after creation tells nothing of the wait by itself.
_LATE = 86_400.0

#: What SQL tells of a task, from `waits`, by the name that it has in `Tasks`.
_TOLD = {
    "created": "epoch_us(created_at) / 1e6",
    "shots": "coalesce(shots, 0)::DOUBLE",
    "job": "CASE WHEN job_arn IS NULL THEN 0 ELSE (hash(job_arn) >> 12)::DOUBLE END",
    "lower": "coalesce(stat_seconds_lower, 0)",
    "upper": "coalesce(stat_seconds_upper, 'infinity'::DOUBLE)",
    "at_least": "coalesce(wait_seconds_lower, 0)",
    "at_most": "wait_seconds_at_most",
    "turnaround": "CASE WHEN end_kind = 'completed' AND device_type = 'QPU' AND turnaround_seconds IS NOT NULL "
    "THEN turnaround_seconds ELSE 'nan'::DOUBLE END",
    "is_unseen": "basis = 'bounds_only'",
    "is_cancelled": "end_kind IS NOT DISTINCT FROM 'cancelled_in_queue'",
    "cancelled": "CASE WHEN end_kind = 'cancelled_in_queue' THEN greatest(stat_seconds_lower, turnaround_seconds) "
    "ELSE 'nan'::DOUBLE END",
    "is_estimated_from": "coalesce(is_estimated_from, false)",
    "is_counted": "coalesce(is_counted, false)",
}


@dataclass(frozen=True)
class Tasks:
    """Tasks of one device. Lengths are seconds, `created` is seconds since 1970, unknown numbers are NaN.

    (lower, upper] holds the wait by sights that do not depend on it; upper is infinite where no start was seen.
    (at_least, at_most] holds it for certain. `turnaround` is given of those that completed on a QPU.
    `is_unseen`: first seen when it had ended. `job` is 0 for a task that no job sent.
    """

    created: Floats
    shots: Floats
    job: Floats
    lower: Floats
    upper: Floats
    at_least: Floats
    at_most: Floats
    turnaround: Floats
    is_unseen: Mask

    def __len__(self) -> int:
        return len(self.created)

    def where(self, mask: Mask | slice) -> Self:
        """The tasks that the mask or slice picks."""
        return replace(self, **{column.name: getattr(self, column.name)[mask] for column in fields(self)})


T = TypeVar("T", bound=Tasks)


def read(
    connection: duckdb.DuckDBPyConnection,
    kind: type[T],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    devices: Sequence[str] | None = None,
) -> dict[str, tuple[T, Mask]]:
    """By device, in order, its tasks that count, in order of creation, and which of them estimates rest on.

    Those sent in [since, until), and of the devices that are named; where nothing is given, all. They come as columns and
    are put in order here: to list them by device and week in SQL takes three times as long.
    """
    names = [*(column.name for column in fields(kind)), "is_estimated_from", "is_counted"]
    # what does not count is left out here: a condition on it would let DuckDB expect few tasks, and hash the many
    reader = connection.execute(
        f"""SELECT device_arn, {", ".join(f"{_TOLD[name]} AS {name}" for name in names)}
        FROM waits
        WHERE record_kind = 'task' AND ($since IS NULL OR created_at >= $since) AND ($until IS NULL OR created_at < $until)
            AND ($devices IS NULL OR list_contains($devices, device_arn))""",
        {"since": since, "until": until, "devices": devices},
    ).to_arrow_reader()
    number: dict[str, int] = {}
    parts = [_columns(batch, names, number) for batch in reader]
    if not parts:
        return {}
    device, *columns = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((columns[0], device))  # `created` is the first
    begins = np.concatenate([[0], np.cumsum(np.bincount(device, minlength=len(number)))])
    told: dict[str, tuple[T, Mask]] = {}
    for name in sorted(number):
        picked = order[begins[number[name]] : begins[number[name] + 1]]
        *values, is_estimated_from, _ = (column[picked] for column in columns)
        if len(picked):
            told[name] = kind(*values), is_estimated_from
    return told


def _columns(
    batch: pa.RecordBatch, names: Sequence[str], number: dict[str, int]
) -> list[np.ndarray[Any, Any]]:
    """The device's number and the columns of these names, of the tasks that count; devices seen first get a number."""
    counts = batch["is_counted"].to_numpy(zero_copy_only=False)
    found = batch["device_arn"].dictionary_encode()
    numbers = np.array(
        [number.setdefault(name, len(number)) for name in found.dictionary.to_pylist()], np.int64
    )
    columns = (batch[name].to_numpy(zero_copy_only=False) for name in names)
    return [column[counts] for column in (numbers[found.indices.to_numpy()], *columns)]


def run_times(device_arn: str, tasks: Tasks) -> RunTimes:
    """How long tasks of the device run, from those that completed."""
    ran = tasks.where(np.isfinite(tasks.turnaround))
    watched = ~ran.is_unseen & (ran.lower > 0) & np.isfinite(ran.upper)
    return learnt(
        device_arn,
        ran.shots,
        ran.turnaround - ran.at_least,
        np.where(watched, ran.turnaround - ran.upper, np.nan),
        np.where(watched, ran.turnaround - ran.lower, np.nan),
    )


@dataclass(frozen=True)
class Intervals:
    """What the tasks that say something of their wait say: it lies in (lower, upper], taking run times as usual.

    `shortest` and `longest` are `lower` with the longest and the shortest run that is likely, `run` is the usual one.
    `source` is e (event, or a simulator's own duration), p (polls) or t (turnaround and run time). `used` are, of all
    tasks, those that are here.
    """

    lower: Floats
    upper: Floats
    shortest: Floats
    longest: Floats
    source: np.ndarray[Any, np.dtype[np.str_]]
    run: Floats
    batch: np.ndarray[Any, np.dtype[np.int64]]
    used: Mask

    def where(self, mask: slice) -> Intervals:
        """Those that the slice picks; `used` stays that of all."""
        picked = {
            column.name: getattr(self, column.name)[mask] for column in fields(self) if column.name != "used"
        }
        return replace(self, **picked)


def intervals(tasks: Tasks, runs: RunTimes) -> Intervals:
    """What each task says of its wait; without those that say nothing."""
    low, usual, high = runs.ranges(tasks.shots)
    has_run = np.isfinite(tasks.turnaround) & np.isfinite(high) & (tasks.lower < tasks.upper)
    narrow = high - low < NARROWER * (tasks.upper - tasks.lower)
    by_run = has_run & (tasks.is_unseen | np.isinf(tasks.upper) | narrow)
    used = by_run | ~(tasks.is_unseen & (tasks.upper > _LATE) & (tasks.lower < tasks.upper))
    tasks, by_run = tasks.where(used), by_run[used]
    shortest, wait, longest = (
        np.where(by_run, np.clip(tasks.turnaround - run[used], tasks.at_least, tasks.at_most), tasks.lower)
        for run in (high, usual, low)
    )
    upper = np.where(by_run, wait, np.maximum(tasks.lower, tasks.upper))
    source = np.where(by_run, "t", np.where(tasks.lower == tasks.upper, "e", "p"))
    return Intervals(wait, upper, shortest, longest, source, usual[used], batches(tasks), used)


def batches(tasks: Tasks) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A number for each batch: the tasks of a job, and those that were sent shortly after one another."""
    order = np.argsort(tasks.created, kind="stable")
    alone = order[tasks.job[order] == 0]
    number = np.zeros(len(tasks), np.int64)
    number[alone] = np.cumsum(np.diff(tasks.created[alone], prepend=-np.inf) > BATCH_SECONDS)
    jobs = tasks.job != 0
    number[jobs] = -1 - np.unique(tasks.job[jobs], return_inverse=True)[1]
    return number
