"""`python -m tests.faults.histories`: play histories and print those that are wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.histories.draw import ALL, FEATURES, drawn
from tests.faults.histories.judge import Wrong, judged
from tests.faults.histories.play import Played, Stage, stage


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=100, help="how many seeds")
    parser.add_argument("--only", type=_features, help=f"features to draw: {', '.join(FEATURES)}")
    parser.add_argument("--without", type=_features, default=frozenset(), help="features not to draw")
    parser.add_argument(
        "--ignore", default="", help="kinds of wrong to leave out, by how they begin; comma list"
    )
    parser.add_argument("--bisect", action="store_true", help="name the features that each wrong one needs")
    parser.add_argument("--show", action="store_true", help="show each wrong history's records and answers")
    asked = parser.parse_args()
    features = (ALL if asked.only is None else asked.only) - asked.without
    ignored = tuple(filter(None, asked.ignore.split(","))) or ("\0",)
    kinds: Counter[str] = Counter()
    first: dict[str, list[int]] = {}
    requests = wrong_ones = 0
    began, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as at:
        for seed in range(asked.seed, asked.seed + asked.count):
            played, wrongs = _judged(at, seed, features)
            requests += len(played.world.asked)
            wrongs = [wrong for wrong in wrongs if not wrong.kind.startswith(ignored)]
            if not wrongs:
                continue
            wrong_ones += 1
            for kind in {wrong.kind for wrong in wrongs}:
                kinds[kind] += 1
                first.setdefault(kind, []).append(seed)
            needed = f" needs {', '.join(_needed(at, seed, features, wrongs))}" if asked.bisect else ""
            print(f"seed {seed}: {len(wrongs)} wrong{needed}")
            for wrong in wrongs[:6]:
                print(f"  {wrong.kind}: {wrong.about[-50:]}: {wrong.text}")
            if asked.show:
                print(shown(played, {wrong.about for wrong in wrongs}))
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    print(f"\n{asked.count} histories, {wrong_ones} wrong, {requests} requests")
    print(f"{cpu / asked.count:.2f} s of CPU and {seconds / asked.count:.2f} s a history")
    for kind, count in kinds.most_common():
        print(f"  {count:5} {kind}: seeds {', '.join(map(str, first[kind][:8]))}")
    return bool(wrong_ones)


def _features(text: str) -> frozenset[str]:
    names = frozenset(filter(None, text.split(",")))
    if unknown := names - ALL:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}")
    return names


def _judged(at: Stage, seed: int, features: frozenset[str]) -> tuple[Played, list[Wrong]]:
    played = at.played(drawn(seed, features))
    return played, judged(played)


def _needed(at: Stage, seed: int, features: frozenset[str], wrongs: list[Wrong]) -> list[str]:
    """The features without which the first kind of wrong does not come."""
    kind = wrongs[0].kind
    needed = features
    for feature in sorted(features):
        _, still = _judged(at, seed, needed - {feature})
        if kind in {wrong.kind for wrong in still}:
            needed -= {feature}
    return sorted(needed) or ["nothing"]


def shown(played: Played, about: set[str]) -> str:
    """The script of the records, and what was asked and said about them."""
    world, lines = played.world, [_frame(played)]
    for record in world.records:
        if record.arn not in about:
            continue
        lines.append(f"  {record.arn}, jitter {record.jitter}")
        lines += [f"    {c.at:%m-%d %H:%M:%S} becomes {dict(c.members)}" for c in record.changes]
        lines += [
            f"    {t.start:%m-%d %H:%M:%S} to {t.end:%m-%d %H:%M:%S} {t.kind} {t.detail or ''}"
            for t in record.troubles
        ]
        for n, step in enumerate(played.steps):
            lines += [
                f"    step {n} {step.kind} {step.at:%m-%d %H:%M:%S} {operation}: {answer}"
                for number, operation, arn, answer in world.asked
                if (number, arn) == (n, record.arn)
            ]
            lines += [f"      said {dict(s.body)}" for s in world.said.get(record.arn, []) if s.step == n]
            lines += [
                f"    step {n} listed {c.listed[record.arn]}"
                for c in world.chains
                if c.step == n and record.arn in c.listed
            ]
    return "\n".join(lines)


def _frame(played: Played) -> str:
    steps = [f"{n} {s.kind} {s.at:%m-%d %H:%M}" for n, s in enumerate(played.steps)]
    return f"  steps {', '.join(steps)}; still from {played.world.still:%m-%d %H:%M}"


if __name__ == "__main__":
    sys.exit(main())
