"""How often spend_anomalies calls a day unusual that is none, and how often it finds one that is, over drawn worlds.

    python -m bench.anomalies [WORLDS]

A world is a year of a group's spending on six devices by five projects. Tasks come in sessions: of a device and project,
on working days more than at weekends, in phases of work that last for weeks and stop; a session's tasks and shots are
drawn from wide distributions. So most days of a device are empty, and no two worlds spend alike. In quiet worlds nothing
else happens: whatever is listed is a false alarm. In the others one day of the last half year gets a mistake: 3, 10 or
30 times what the busiest day of some project on some device, where it was over a dollar, had cost in the four weeks
before. The model is asked as it is; only charges are drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from bench.line import table_row
from braket_etl.warehouse.models import models

FIRST = date(2025, 10, 6)
DAYS = 364
WATCHED = 182
"""Days at the end on which alarms are counted."""
DEVICES = {
    "Forte-1": (0.30, 0.08),
    "Aria-1": (0.30, 0.03),
    "Garnet": (0.30, 0.00145),
    "Ankaa-3": (0.30, 0.0009),
    "Aquila": (0.30, 0.01),
    "sv1": (0.0, 0.0),
}
PROJECTS = ("vqe", "qaoa", "dynamics", "course", "(unallocated)")
FACTORS = (3, 10, 30)


@dataclass(frozen=True)
class World:
    """Dollars by day, device and project, and the day with a mistake, if there is one."""

    usd: np.ndarray
    mistake: int | None = None


def drawn(seed: int, factor: int | None) -> World:
    """A world; with a factor, one with a mistake."""
    rng = np.random.default_rng([2026, seed])
    usd = np.zeros((DAYS, len(DEVICES), len(PROJECTS)))
    for d, (task_fee, shot_fee) in enumerate(DEVICES.values()):
        for p in range(len(PROJECTS)):
            if rng.random() < 0.45:
                usd[:, d, p] = _work(rng, task_fee, shot_fee)
    if factor is None:
        return World(usd)
    day = int(rng.integers(DAYS - WATCHED, DAYS))
    recent = usd[day - 28 : day].max(axis=0)
    busy = np.argwhere(recent > 1)
    if len(busy) == 0:
        return drawn(seed + 100_000, factor)
    d, p = busy[rng.integers(len(busy))]
    usd[day, d, p] += factor * recent[d, p]
    return World(usd, day)


def _work(rng: np.random.Generator, task_fee: float, shot_fee: float) -> np.ndarray:
    """What a project spends on a device, day by day."""
    rate, size = rng.gamma(2.0, 0.6), rng.lognormal(1.5, 0.5)
    spent, day = np.zeros(DAYS), 0
    while day < DAYS:
        length = int(rng.integers(14, 90))
        busy = rng.random() < 0.7
        for today in range(day, min(day + length, DAYS)) if busy else ():
            weekend = (FIRST + timedelta(days=today)).weekday() >= 5
            for _ in range(rng.poisson(rate * (0.15 if weekend else 1.0))):
                tasks = 1 + rng.poisson(rng.gamma(1.5, size))
                shots = rng.choice([100, 500, 1000, 2000], p=[0.3, 0.2, 0.4, 0.1])
                spent[today] += (
                    tasks * (task_fee + shot_fee * shots) if shot_fee else tasks * rng.gamma(2, 0.05)
                )
        day += length
    return spent


def alarms(world: World) -> set[int]:
    """The days, of those watched, on which the model lists anything."""
    day, device, project = np.nonzero(world.usd)
    rows = pa.table(
        {
            "day": day.astype("int32"),
            "device_name": [list(DEVICES)[n] for n in device],
            "owner": [PROJECTS[n] for n in project],
            "usd": world.usd[day, device, project],
        }
    )
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.register("rows", rows)
        connection.execute(
            f"CREATE TABLE allocated_charges AS SELECT DATE '{FIRST}' + day AS charge_date, 'project' AS owner_key, owner, "
            "device_name, usd::DECIMAL(38, 12) AS amount_usd, NULL::DECIMAL(38, 12) AS accrued_usd FROM rows"
        )
        (model,) = [each for each in models() if each.name == "spend_anomalies"]
        found = connection.execute(f"SELECT DISTINCT charge_date FROM ({model.sql})").fetchall()
    days = {(each - FIRST).days for (each,) in found}
    return {each for each in days if each >= DAYS - WATCHED}


def rows(worlds: int) -> Iterator[list[str]]:
    """What was drawn, how many worlds and days, and which share of days or mistakes was listed."""
    seeds = range(1000, 1000 + worlds)  # others than those by which the bounds were chosen
    listed = [len(alarms(drawn(seed, None))) for seed in seeds]
    yield [
        "quiet",
        f"{worlds}",
        f"{worlds * WATCHED:,} days",
        f"{sum(listed) / (worlds * WATCHED):.2%} of the days",
    ]
    yield [
        "quiet",
        f"{worlds}",
        "worlds",
        f"{np.mean([n == 0 for n in listed]):.0%} without any, {max(listed)} at most",
    ]
    for factor in FACTORS:
        found = [world.mistake in alarms(world) for world in (drawn(seed, factor) for seed in seeds)]
        yield [f"mistake of {factor} times", f"{worlds}", f"{worlds} days", f"{np.mean(found):.0%} found"]


def main() -> None:
    """Print the table."""
    worlds = int(sys.argv[1]) if sys.argv[1:] else 200
    for row in (["world", "n", "of", "listed"], ["---"] * 4, *rows(worlds)):
        print(table_row(row), flush=True)


if __name__ == "__main__":
    main()
