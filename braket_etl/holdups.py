"""What holds this process up at the moment, so that whoever watches it is told. Knows nothing of who shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum


class By(IntEnum):
    """By what a thread may be held up, beginning with what holds up most."""

    LOCK = 0
    THROTTLE = 1
    BUDGET = 2


_Holdup = tuple[By, float, Callable[[], str]]
_holdups: dict[object, _Holdup] = {}


@contextmanager
def held_up(by: By, told: Callable[[], str]) -> Iterator[None]:
    """This thread is held up while the block runs; `told` says for what, in words that stand alone."""
    key = object()
    _holdups[key] = (by, time.monotonic(), told)
    try:
        yield
    finally:
        del _holdups[key]


def told() -> str:
    """In words what holds up most, and of that what has lasted longest; empty where nothing holds it up."""
    found = sorted(_holdups.values(), key=lambda holdup: holdup[:2])
    return found[0][2]() if found else ""
