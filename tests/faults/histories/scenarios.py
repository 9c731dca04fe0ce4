"""Random histories as rows of docs/reliability.md: each tells how many there were, or fails with those that are wrong."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.faults.histories.command import commanded
from tests.faults.histories.draw import drawn
from tests.faults.histories.judge import Wrong, judged
from tests.faults.histories.play import Played, Stage
from tests.faults.outcome import Outcome, together

#: Histories that `make faults` plays, and how many of them at once are one scenario.
HISTORIES, AT_ONCE = 2_000, 100
COMMANDED = 5


def in_process(first: int, count: int, at: Stage, _: Path) -> Outcome:
    """So many histories in this process."""
    began = time.process_time()
    outcomes = [
        _outcome("random histories", seed, at.played(drawn(seed))) for seed in range(first, first + count)
    ]
    cpu = round((time.process_time() - began) / count, 2)
    return replace(together(outcomes), cpu=(cpu,))


def on_command_line(seed: int, _: Stage, folder: Path) -> Outcome:
    """A history through the command line."""
    with commanded(drawn(seed), folder) as played:
        return _outcome("random histories through the command line", seed, played)


def _outcome(row: str, seed: int, played: Played) -> Outcome:
    wrong = judged(played)
    assert not wrong, told(seed, wrong)
    records = len(played.world.said)
    return Outcome(row, 1, len(played.steps), records, records, ())


def told(seed: int, wrong: list[Wrong]) -> str:
    """What is wrong, and how to see more of it."""
    lines = "".join(f"\n  {each.kind}: {each.about}: {each.text}" for each in wrong[:10])
    return f"seed {seed}: python -m tests.faults.histories --seed {seed} --count 1 --bisect --show{lines}"


def scenarios(full: bool) -> list[partial[Outcome]]:
    """All of them, or few."""
    count = HISTORIES if full else AT_ONCE // 2
    many = [
        partial(in_process, first, min(AT_ONCE, count)) for first in range(1, count + 1, min(AT_ONCE, count))
    ]
    return many + [partial(on_command_line, seed) for seed in range(1, 1 + (COMMANDED if full else 1))]
