"""What this process waits for at the moment, so that whoever watches it is told. Knows nothing of who shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum


class For(IntEnum):
    """What a thread may wait for, beginning with what holds up most."""

    LOCK = 0
    THROTTLE = 1
    BUDGET = 2


_Wait = tuple[For, float, Callable[[], str]]
_waits: dict[object, _Wait] = {}


@contextmanager
def waiting(what: For, told: Callable[[], str]) -> Iterator[None]:
    """This thread waits while the block runs; `told` says for what, in words that stand alone."""
    key = object()
    _waits[key] = (what, time.monotonic(), told)
    try:
        yield
    finally:
        del _waits[key]


def told() -> str:
    """In words what holds up most, and of that what has lasted longest; empty where nothing is waited for."""
    found = sorted(_waits.values(), key=lambda wait: wait[:2])
    return found[0][2]() if found else ""
