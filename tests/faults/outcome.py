"""What came of a fault: a row of the table in docs/reliability.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """How often a fault was injected, and what the warehouse held when all was over.

    `recovery` has, for each time the warehouse had to become whole again, the seconds that it took; `opened` is how often
    a reader opened the published copy meanwhile, `searched` how many files were searched for secrets, `killed` what the
    killed runs were doing, and `cpu` the seconds of CPU that a history took.
    """

    fault: str
    injected: int
    runs: int
    expected: int
    there: int
    recovery: tuple[float, ...]
    opened: int = 0
    searched: int = 0
    killed: tuple[str, ...] = ()
    cpu: tuple[float, ...] = ()

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Outcome:
        """What `asdict` made, once it was JSON."""
        return Outcome(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    @property
    def lost(self) -> int:
        return self.expected - self.there

    def __add__(self, other: Outcome) -> Outcome:
        return replace(
            self,
            injected=self.injected + other.injected,
            runs=self.runs + other.runs,
            expected=self.expected + other.expected,
            there=self.there + other.there,
            recovery=self.recovery + other.recovery,
            opened=self.opened + other.opened,
            searched=self.searched + other.searched,
            killed=self.killed + other.killed,
            cpu=self.cpu + other.cpu,
        )


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcomes of several rounds of one fault as one."""
    return reduce(Outcome.__add__, outcomes)
