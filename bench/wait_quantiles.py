"""How close queue-wait quantiles come to the truth, for how often Braket is polled, beside what others do.

Each repetition draws tasks whose true starts are known, looks at them as polls would, and estimates. Printed as a
Markdown table: median relative errors of p50, p90 and p95 in percent, and how often our 90 % intervals hold the
true value, with the Monte-Carlo error. Needs nothing but the package; about 2 minutes for 400 repetitions.

    python bench/wait_quantiles.py --repetitions 400 --tasks 400 --truth lognormal
    python bench/wait_quantiles.py --truth emulator
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist

import numpy as np

from bench.line import table_row
from braket_etl.analysis.npmle import Floats, estimated, quantile_interval

LEVELS = (0.5, 0.9, 0.95)
CONFIDENCE = 0.9
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
MINUTE = 60.0


@dataclass(frozen=True)
class Polled:
    """What polls leave known of tasks: (lower, upper] from creation to start, and the turnaround of ended ones."""

    lower: Floats
    upper: Floats
    turnaround: Floats


def lognormal_waits(rng: np.random.Generator, n: int) -> Floats:
    """Waits with a median of 55 minutes and a heavy tail (p95 = 6.6 hours)."""
    return 55 * MINUTE * np.exp(1.2 * rng.standard_normal(n))


def emulator_waits() -> Callable[[np.random.Generator, int], Floats]:
    """Waits drawn anew from those of a QPU of the emulator, whose execution windows make their distribution lumpy."""
    from braket_emulator.world import generate

    world = generate(
        seed=11, tasks=40_000, jobs=0, days=60, accounts=["123456789012"], regions=None,
        now=datetime(2026, 11, 1, tzinfo=UTC),
    )  # fmt: skip
    waits = np.array(
        [
            (task.started - task.created) / 1000
            for task in world.tasks.values()
            if task.device.name == "Forte-1" and task.started is not None and task.reservation_arn is None
        ]
    )
    return lambda rng, n: rng.choice(waits, n)


def polled(rng: np.random.Generator, wait: Floats, gap: float, quantiles: Floats) -> Polled:
    """Tasks as polls every `gap` seconds know them now: most came over a long time, a fifth in a recent burst."""
    n = len(wait)
    median, _, p95 = quantiles
    age = np.where(rng.random(n) < 0.8, rng.uniform(0, 3 * p95, n), rng.uniform(0, median, n))
    run = 30 * np.exp(rng.standard_normal(n))
    # polls happen at phase, phase + gap, … before now; seconds since the creation of each task
    last_poll = age - rng.uniform(0, gap)
    first_poll = last_poll % gap
    seen = last_poll >= 0  # a task that came after the last poll is not known yet
    before_start = np.floor((wait - first_poll) / gap) * gap + first_poll
    upper = np.where(wait <= first_poll, first_poll, before_start + gap)
    lower = np.where(wait <= first_poll, 0.0, before_start)
    is_open = upper > last_poll
    lower, upper = np.where(is_open, last_poll, lower), np.where(is_open, np.inf, upper)
    return Polled(lower[seen], upper[seen], (wait + run)[seen])


def ours(sample: Polled) -> list[float]:
    """The interval-censored estimate."""
    estimate = estimated(sample.lower, sample.upper, tolerance=1e-5)
    return [estimate.quantile(p)[1] for p in LEVELS]


def cut_at_end(sample: Polled) -> list[float]:
    """The same estimate, but with each interval cut at the task's end, which comes soon after its start."""
    upper = np.where(np.isinf(sample.upper), np.inf, np.minimum(sample.upper, sample.turnaround))
    estimate = estimated(sample.lower, np.maximum(sample.lower, upper), tolerance=1e-3)
    return [estimate.quantile(p)[1] for p in LEVELS]


def without_open(sample: Polled) -> list[float]:
    """The same estimate without the tasks that still wait."""
    started = np.isfinite(sample.upper)
    estimate = estimated(sample.lower[started], sample.upper[started], tolerance=1e-3)
    return [estimate.quantile(p)[1] for p in LEVELS]


def first_seen_running(sample: Polled) -> list[float]:
    """Quantiles of the first poll that saw a task started; tasks that still wait are dropped."""
    return list(np.quantile(sample.upper[np.isfinite(sample.upper)], LEVELS))


def midpoint(sample: Polled) -> list[float]:
    """Quantiles of the middle of the interval; tasks that still wait are dropped."""
    started = np.isfinite(sample.upper)
    return list(np.quantile((sample.lower[started] + sample.upper[started]) / 2, LEVELS))


ESTIMATORS = {
    "ours": ours,
    "first seen running": first_seen_running,
    "midpoint": midpoint,
    "drop the open ones": without_open,
    "cut at the end": cut_at_end,
}


def row(truth: Callable[..., Floats], gap_minutes: float, tasks: int, repetitions: int, seed: int) -> str:
    """One line of the table: all estimators at one interval between polls."""
    rng = np.random.default_rng(seed)
    true = np.quantile(truth(rng, 2_000_000), LEVELS)
    errors: dict[str, list[Floats]] = {name: [] for name in ESTIMATORS}
    hits, open_shares = [], []
    for _ in range(repetitions):
        sample = polled(rng, truth(rng, tasks), gap_minutes * MINUTE, true)
        open_shares.append(np.isinf(sample.upper).mean())
        for name, estimator in ESTIMATORS.items():
            errors[name].append(np.array(estimator(sample)) / true - 1)
        estimate = estimated(sample.lower, sample.upper, tolerance=1e-5)
        ends = [quantile_interval(estimate, p, Z) for p in LEVELS]
        hits.append([low <= value <= high for (low, high), value in zip(ends, true, strict=True)])
    medians = {name: np.median(found, axis=0) * 100 for name, found in errors.items()}
    covered = np.mean(hits, axis=0)
    noise = np.sqrt(covered * (1 - covered) / repetitions)
    cells = [
        f"{gap_minutes:g} min",
        f"{np.mean(open_shares):.0%}",
        *(" / ".join(f"{error:+.1f}" for error in medians[name]) for name in ESTIMATORS),
        " / ".join(f"{share:.1%} ± {error:.1%}" for share, error in zip(covered, noise, strict=True)),
    ]
    return table_row(cells)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--poll-minutes", type=float, nargs="+", default=[1, 5, 15, 60])
    parser.add_argument("--truth", choices=["lognormal", "emulator"], default="lognormal")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    truth = lognormal_waits if options.truth == "lognormal" else emulator_waits()
    head = ["polls every", "still open", *ESTIMATORS, "our 90 % intervals hold the truth"]
    print(table_row(head))
    print("|" + " --- |" * len(head))
    for gap in options.poll_minutes:
        print(row(truth, gap, options.tasks, options.repetitions, options.seed), flush=True)


if __name__ == "__main__":
    main()
