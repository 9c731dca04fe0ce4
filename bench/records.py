"""Responses of GetQuantumTask for the benchmarks of storing: many, of believable content, and always the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 1, tzinfo=UTC)
_SEEDS, _DAYS = 20_000, 30


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, as the flattener takes it."""

    body: dict[str, Any]
    fetched_at: datetime = NOW
    operation: str = "GetQuantumTask"

    @property
    def arn(self) -> str:
        """The ARN that was asked for."""
        return str(self.body["quantumTaskArn"])


@cache
def _seeds() -> list[dict[str, Any]]:
    """The tasks of a synthetic account that have ended, by time of creation."""
    from braket_emulator.instants import milliseconds
    from braket_emulator.render import task_record
    from braket_emulator.world import generate

    world = generate(
        seed=7, tasks=_SEEDS, jobs=400, days=_DAYS, accounts=["123456789012"], regions=None, now=NOW
    )
    now = milliseconds(NOW)
    records = [task_record(t, now, queue_info=True) for t in world.tasks.values() if t.ended <= now]
    return sorted(records, key=lambda body: str(body["createdAt"]))


def bodies(first: int, last: int) -> Iterator[dict[str, Any]]:
    """The records from one place to another (not in) of an endless sequence in order of creation."""
    seeds = _seeds()
    places = range(first, last)
    for place in places:
        tile, index = divmod(place, len(seeds))
        yield _moved(seeds[index], tile)


def _moved(body: dict[str, Any], tile: int) -> dict[str, Any]:
    """The record so many times thirty days later, under an ARN and an output folder of its own."""
    arn = f"{body['quantumTaskArn'][:-8]}{tile:08x}"
    moved = {
        **body,
        "quantumTaskArn": arn,
        "outputS3Directory": f"tasks/{arn.rpartition('/')[2]}",
        "createdAt": _later(body["createdAt"], tile),
    }
    if "endedAt" in body:
        moved["endedAt"] = _later(body["endedAt"], tile)
    return moved


def _later(instant: str, tile: int) -> str:
    moved = datetime.fromisoformat(instant) + timedelta(days=_DAYS * tile - 1_200)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def changed(body: dict[str, Any]) -> dict[str, Any]:
    """The record with another tag."""
    return {**body, "tags": {**(body.get("tags") or {}), "reviewed": "yes"}}


def write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Keep the records, one JSON object a line."""
    with path.open("w") as file:
        file.writelines(json.dumps(body) + "\n" for body in records)


def read_lines(path: Path, most: int | None = None) -> list[dict[str, Any]]:
    """The records of a file."""
    with path.open() as file:
        return [json.loads(line) for line in islice(file, most)]
