"""How far quantiles of queue waits deserve their `ok`, in worlds whose waits are known.

    nice python -m bench.wait_worlds [--repetitions 400] [--only TEXT] [--seed 1]
    nice python -m bench.wait_worlds --forecasts [--repetitions 40]

Each repetition draws 400 tasks of a device over ninety days, looks at them each minute, each hour, by events, or once
at the end, and estimates as `queue_wait_quantiles` does. Run times are drawn from several families within the ranges of
public captures; none is the estimator's. Printed as a Markdown table: how often a row says `ok`, and where it does, the
median error of p50, p90 and p95, beside that of the same quantiles of the tasks' true waits, which none can do much better
than, and how often the 90 % interval held the true quantile; where it says `not_informative`, how often the interval by
the bounds did; and how often the certain bounds held the quantile of these tasks' true waits and the estimate. With
--forecasts: what forecasts of the last four of the weeks were worth, with 1,500 tasks a repetition.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.line import table_row
from braket_etl.analysis.forecast import Device, Sample, backtested, by_hour, forecast_of, over_all_hours
from braket_etl.analysis.npmle import Floats
from braket_etl.analysis.open_clock import ALWAYS, clock_of
from braket_etl.analysis.wait_intervals import run_times
from braket_etl.analysis.wait_quantiles import Waits, quantile_rows

SHOWN = (0.5, 0.9, 0.95)
DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
SPAN = 90 * DAY
GARNET, FORTE, AQUILA, CEPHEUS = (
    f"arn:aws:braket:::device/qpu/{name}"
    for name in ("iqm/Garnet", "ionq/Forte-Enterprise-1", "quera/Aquila", "rigetti/Cepheus-1-108Q")
)
NEW = "arn:aws:braket:::device/qpu/someone/New"
SHOTS = {
    NEW: np.array([100, 100, 200, 250, 500, 500, 1000, 1000, 2500]),
    FORTE: np.array([100, 100, 200, 250, 500, 500, 1000, 1000, 2500]),
    AQUILA: np.array([20, 50, 100, 100, 200, 500, 500, 1000]),
    GARNET: np.array([20, 50, 100, 100, 200, 500, 1000, 1000, 2000, 4000, 10_000]),
    CEPHEUS: np.array([20, 50, 100, 100, 200, 500, 1000, 1000, 2000, 10_000, 50_000]),
}

Draw = Callable[[np.random.Generator, Floats], Floats]


def fixed_and_compiled(rng: np.random.Generator, shots: Floats) -> Floats:
    """IQM: 2.5 s and 0.2 to 0.4 ms a shot, of a third more for compiling, up to 11 s."""
    compiled = np.where(rng.random(len(shots)) < 1 / 3, rng.uniform(0.5, 11, len(shots)), 0)
    return 2.5 + rng.uniform(0.0002, 0.0004, len(shots)) * shots + compiled


def depths(rng: np.random.Generator, shots: Floats) -> Floats:
    """Rigetti: shots times a depth that is lognormal, and an overhead with a tail."""
    depth = np.minimum(2_500, 60 * np.exp(1.2 * rng.standard_normal(len(shots))))
    overhead = 0.7 + rng.exponential(0.9, len(shots))
    return 0.14 + (0.000204 + 16e-9 * depth) * shots + np.minimum(overhead, 7)


def heavy(rng: np.random.Generator, shots: Floats) -> Floats:
    """IonQ: from 20 ms to 1.7 s a shot, heavy-tailed by the number of gates, and 5 s around it."""
    return 5 + np.minimum(1.7, 0.02 + 0.03 * rng.pareto(1.5, len(shots))) * shots


def two_speeds(rng: np.random.Generator, shots: Floats) -> Floats:
    """QuEra: 0.43 or 0.56 s a shot, and up to 100 s around it."""
    return rng.choice([0.43, 0.56], len(shots)) * shots + rng.uniform(0, 100, len(shots))


def whatever_shots(rng: np.random.Generator, shots: Floats) -> Floats:
    """Half a minute, heavy-tailed, of any number of shots."""
    return 30 * np.exp(rng.standard_normal(len(shots)))


def lognormal(median: float, spread: float = 1.2) -> Draw:
    """Waits around a median, in seconds."""
    return lambda rng, shots: median * np.exp(spread * rng.standard_normal(len(shots)))


@dataclass(frozen=True)
class World:
    """Tasks of a device, how long they wait and run, and how they are looked at.

    `every` is the time between polls, 0 for events, None for one look at the end. The device is open `open_hours` of a day.
    Waits of forecasts grow to `growth` times in all, and are `busy` times as long from 12 to 20 o'clock. With `depth` they
    are places in a queue, whose number comes and goes around that, times what each takes.
    """

    name: str
    device: str
    wait: Draw
    run: Draw
    every: float | None
    batch: int = 1
    open_hours: float = 24.0
    growth: float = 1.0
    busy: float = 1.0
    depth: float = 0.0


def starts(world: World, rng: np.random.Generator, tasks: int) -> tuple[Floats, ...]:
    """Creation, wait and run of each task, and the wait that is certain from windows and own tasks; in seconds."""
    sent = np.sort(rng.uniform(0, SPAN, tasks // world.batch))
    created = np.repeat(sent, world.batch) + np.tile(0.5 * np.arange(world.batch), len(sent))
    shots = rng.choice(SHOTS[world.device], len(created)).astype(float)
    run = world.run(rng, shots)
    wait = np.repeat(world.wait(rng, np.zeros(len(sent))), world.batch)
    closed = np.zeros(len(created))
    if world.open_hours < 24:
        lasts = world.open_hours * HOUR
        hour = created % DAY
        closed = np.where(hour > lasts, DAY - hour, 0.0)
        into = np.where(hour > lasts, 0.0, hour) + wait
        wait = closed + wait + np.floor(into / lasts) * (DAY - lasts)
    at_least = closed
    if world.batch > 1:  # one after the other, each behind those that were sent with it
        first = np.arange(0, len(created), world.batch)
        begin = np.maximum.reduceat(created + wait, first)
        before = np.add.reduceat(run, first)
        ahead = np.cumsum(run) - run - np.repeat(np.cumsum(before) - before, world.batch)
        begun = np.repeat(begin, world.batch) + ahead
        wait = begun - created
        is_first = np.tile(np.arange(world.batch) == 0, len(first))
        at_least = np.where(is_first, closed, np.maximum(closed, wait))
    return created, shots, wait, run, at_least


def looked_at(world: World, rng: np.random.Generator, drawn: tuple[Floats, ...]) -> Waits:
    """What is known of the tasks at the end of the ninety days."""
    created, shots, wait, run, at_least = drawn
    age = SPAN - created
    turnaround = wait + run
    is_over = turnaround <= age
    if world.every is None:
        lower, upper, seen_waiting = np.zeros(len(age)), age, np.zeros(len(age), bool)
    elif world.every == 0:
        lower, upper, seen_waiting = wait, wait, np.ones(len(age), bool)
    else:
        first = (rng.uniform(0, world.every) - created) % world.every
        upper = np.where(wait <= first, first, first + np.ceil((wait - first) / world.every) * world.every)
        lower = np.where(wait <= first, 0.0, upper - world.every)
        seen_waiting = lower > 0
    seen_running = np.zeros(len(age), bool) if not world.every else (upper < turnaround)
    has_started = is_over | ((upper <= age) & (upper < turnaround)) if world.every else wait <= age
    lower = np.where(has_started, lower, np.minimum(wait, age))
    upper = np.where(has_started, upper, np.inf)
    ended = has_started & is_over
    waits = Waits(
        created=created,
        shots=shots,
        job=np.zeros(len(age)),
        lower=lower,
        upper=upper,
        at_least=np.where(has_started, np.maximum(np.minimum(lower, turnaround), at_least), lower),
        at_most=np.where(has_started, np.minimum(upper, turnaround), np.inf),
        turnaround=np.where(ended, turnaround, np.nan),
        is_unseen=ended & ~seen_waiting & ~seen_running & (world.every != 0),
        is_cancelled=np.zeros(len(age), bool),
        cancelled=np.full(len(age), np.nan),
    )  # fmt: skip
    return waits.where(age > (world.every or 0))


def measured(world: World, repetitions: int, tasks: int, seed: int) -> str:
    """One line of the table."""
    rng = np.random.default_rng(seed)
    true = np.quantile(np.concatenate([starts(world, rng, 40_000)[2] for _ in range(20)]), SHOWN)
    ok, silent, held, certain, margin = (np.zeros((repetitions, 3), bool) for _ in range(5))
    error, least = (np.full((repetitions, 3), np.nan) for _ in range(2))
    for number in range(repetitions):
        drawn = starts(world, rng, tasks)
        waits, own = looked_at(world, rng, drawn), drawn[2][SPAN - drawn[0] > (world.every or 0)]
        found = {row["quantile"]: row for row in quantile_rows(waits, run_times(world.device, waits))}
        for place, p in enumerate(SHOWN):
            row, of_these = found[p], np.quantile(own, p, method="inverted_cdf")
            certain[number, place] = _holds(row, "bound", of_these)
            least[number, place] = of_these / true[place] - 1
            ok[number, place] = row["status"] == "ok"
            margin[number, place] = row["status"] == "not_informative" and _holds(row, "ci", true[place])
            if ok[number, place]:
                error[number, place] = row["wait_seconds"] / true[place] - 1
                held[number, place] = _holds(row, "ci", true[place])
                certain[number, place] &= _holds(row, "bound", row["wait_seconds"])
            else:
                silent[number, place] = row["status"] == "not_informative"
    return table_row(
        [
            world.name,
            _cell(ok, np.ones_like(ok), np.mean, ".0%"),
            _cell(np.abs(error), ok, np.median, ".1%"),
            _cell(np.abs(least), ok, np.median, ".1%"),
            _cell(error, ok, np.median, "+.1%"),
            _cell(held, ok, np.mean, ".1%"),
            _cell(margin, silent, np.mean, ".1%"),
            _cell(certain, np.ones_like(ok), np.mean, ".0%"),
        ]
    )


def _holds(row: dict[str, Any], ends: str, wait: float) -> bool:
    """Whether the wait lies between the row's bounds (`bound`) or in its interval (`ci`); no upper end holds all."""
    low, high = (row.get(f"{ends}_{end}_seconds") for end in ("lower", "upper"))
    return bool((low or 0.0) <= wait * 1.000001 and (high is None or wait <= high * 1.000001))


def _cell(found: np.ndarray, where: np.ndarray, summary: Callable[..., Any], form: str) -> str:
    """The summary at each quantile over the repetitions that count, `-` where none does."""
    columns = (found[where[:, place], place] for place in range(len(SHOWN)))
    return " / ".join(f"{summary(column):{form}}" if len(column) else "-" for column in columns)


LOOKS = (("each minute", MINUTE), ("each hour", HOUR), ("never", None))
WORLDS = [
    *(
        World(f"{name}, {how}", device, lognormal(median), run, every)
        for name, median, device, run in (
            ("10 s, IQM", 10, GARNET, fixed_and_compiled),
            ("1 min, IQM", 60, GARNET, fixed_and_compiled),
            ("1 min, Rigetti", 60, CEPHEUS, depths),
            ("1 min, IonQ", 60, FORTE, heavy),
            ("1 h, IQM", HOUR, GARNET, fixed_and_compiled),
            ("1 h, Rigetti", HOUR, CEPHEUS, depths),
            ("1 h, IonQ", HOUR, FORTE, heavy),
            ("1 h, QuEra", HOUR, AQUILA, two_speeds),
            ("1 day, IonQ", DAY, FORTE, heavy),
            ("1 day, QuEra", DAY, AQUILA, two_speeds),
        )
        for how, every in LOOKS
    ),
    *(
        World(f"open 8 h a day, {name}, {how}", device, lognormal(median), run, every, open_hours=8)
        for name, median, device, run in (
            ("1 min, Rigetti", 60, CEPHEUS, depths), ("1 h, IonQ", HOUR, FORTE, heavy),
        )
        for how, every in LOOKS
    ),
    *(
        World(f"batches of ten, {name}, {how}", device, lognormal(median), run, every, batch=10)
        for name, median, device, run in (
            ("1 min, IQM", 60, GARNET, fixed_and_compiled), ("1 h, IonQ", HOUR, FORTE, heavy),
        )
        for how, every in LOOKS
    ),
    *(
        World(f"{name}, never", device, lognormal(median), run, None)
        for name, median, device, run in (
            ("1 min, IonQ, runs of any shots", 60, FORTE, whatever_shots),
            ("1 h, IonQ, runs of any shots", HOUR, FORTE, whatever_shots),
            ("1 h, a device that nobody knows", HOUR, NEW, heavy),
        )
    ),
    *(
        World(f"{name}, events", FORTE, lognormal(median), heavy, 0, batch=batch)
        for name, median, batch in (("10 s", 10, 1), ("1 h", HOUR, 1), ("batches of ten, 1 h", HOUR, 10))
    ),
]  # fmt: skip

HEAD = [
    "queue (median), device, looked at", "says ok", "median error", "of the true waits'", "bias", "90 % interval holds",
    "the interval by bounds, where not informative", "certain bounds hold",
]  # fmt: skip


FORECAST_WORLDS = [
    *(
        World(f"{name}, {how}", FORTE, lognormal(HOUR), heavy, every, open_hours=hours, growth=growth, busy=busy)
        for name, hours, growth, busy in (
            ("the same all the time", 24.0, 1.0, 1.0), ("open 8 h a day", 8.0, 1.0, 1.0),
            ("four times as long after ninety days", 24.0, 4.0, 1.0),
            ("ten times as long in the afternoon", 24.0, 1.0, 10.0),
        )
        for how, every in LOOKS
    ),
    World("as long as the queue is deep, events", FORTE, lognormal(2 * MINUTE, 0.5), heavy, 0, depth=30),
]  # fmt: skip
FORECAST_HEAD = [
    "queue of 1 h (median), IonQ", "inside 50 %, 90 %", "loss by that of the true p50, p90",
    "by that of the week before", "the true p50, p90 by the week before",
]  # fmt: skip


def forecasts(world: World, repetitions: int, tasks: int, seed: int) -> str:
    """One line of the table of forecasts."""
    rng = np.random.default_rng(seed)
    days = DAY * np.arange(int(SPAN / DAY) + 1)
    clock = clock_of(days[:-1] + world.open_hours * HOUR, days[1:]) if world.open_hours < 24 else ALWAYS
    true = np.quantile(world.wait(rng, np.zeros(400_000)), LOSS_LEVELS)
    found = []
    for _ in range(repetitions):
        created, shots, wait, run, at_least = starts(world, rng, tasks)
        is_busy = np.abs(created % DAY / HOUR - 16) < 4
        level = np.where(is_busy, world.busy, 1.0) * world.growth ** (created / SPAN - 0.5)
        if world.depth:
            level = places = np.ceil(world.depth * np.exp(_coming_and_going(rng, created)))
            once = np.zeros(tasks), created, created, places, wait, wait
            held = backtested(Device(Sample(created, *once), ALWAYS), SPAN, over_all_hours)
        else:
            waits = looked_at(world, rng, (created, shots, wait * level, run, at_least))
            held = backtested(forecast_of(world.device, waits, clock), SPAN, by_hour)
        later = (created >= SPAN - 28 * DAY) & (wait * level < SPAN - created)
        sent = created[later]
        best = [
            _loss(p, (wait * level)[later], clock.when(clock.at(sent) + q * level[later]) - sent)
            for p, q in zip(LOSS_LEVELS, true, strict=True)
        ]
        ours, rival = np.array(held.losses[:2], float), np.array(held.losses[2:], float)
        found.append([held.coverage_50, held.coverage_90, *(ours / best), *(ours / rival), *(best / rival)])
    mean = np.mean(np.array(found, float), axis=0)
    pairs = [f"{mean[place]:.2f}, {mean[place + 1]:.2f}" for place in (2, 4, 6)]
    return table_row([world.name, f"{mean[0]:.0%}, {mean[1]:.0%}", *pairs])


LOSS_LEVELS = (0.5, 0.9)


def _loss(p: float, true: Floats, told: Floats) -> float:
    """The mean pinball loss."""
    return float(np.maximum(p * (true - told), (p - 1) * (true - told)).mean())


def _coming_and_going(rng: np.random.Generator, created: Floats) -> Floats:
    """The logarithm of a level that has a spread of 1 and is another after some days."""
    days = np.arange(int(SPAN / DAY) + 2)
    steps, level = 0.5 * rng.standard_normal(len(days)), np.zeros(len(days))
    for day in days[1:]:
        level[day] = 0.87 * level[day - 1] + steps[day]
    return np.asarray(np.interp(created, DAY * days, level), np.float64)


def main() -> None:
    """Print the table; each cell is of p50 / p90 / p95."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--forecasts", action="store_true")
    options = parser.parse_args()
    if options.forecasts:
        print(table_row(FORECAST_HEAD))
        print("|" + " --- |" * len(FORECAST_HEAD))
        for number, world in enumerate(FORECAST_WORLDS):
            if options.only not in world.name:
                continue
            print(forecasts(world, options.repetitions, 1_500, options.seed + number), flush=True)
        return
    print(table_row(HEAD))
    print("|" + " --- |" * len(HEAD))
    for number, world in enumerate(WORLDS):
        if options.only in world.name:
            print(measured(world, options.repetitions, options.tasks, options.seed + number), flush=True)


if __name__ == "__main__":
    main()
