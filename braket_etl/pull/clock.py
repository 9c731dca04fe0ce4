"""What time it is: which date of an answer is believed, held against this machine's clock and the run's other answers.

Rows are dated by Braket's own clock, so that several machines agree about which answer is newer. One date that is wrong
would make every later answer "older", and a day that has not ended look whole. So a date that is off by more than a few
minutes is believed only where most of the run's answers say the same: then it is this machine's clock that is wrong.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median

from braket_etl.aws.stamp import Stamp

#: How far an answer's date may be off this machine's clock without a second opinion. AWS itself refuses requests whose
#: signature is more than five minutes off.
TOLERANCE = timedelta(minutes=5)
#: So many answers that agree outweigh this machine's clock.
_QUORUM = 3
#: The newest answers are what a date is held against: the clock of an endpoint may be set while a run lasts.
_REMEMBERED = 64


@dataclass
class Clock:
    """The time of one run. Used by one thread: the one that sees every answer."""

    replaced: dict[datetime, None] = field(default_factory=dict)
    """Dates of answers that were not believed, each once, in order of sight."""
    known: timedelta | None = None
    """How far Braket was ahead of this machine when answers last agreed, which a few answers are held against too; None
    where they never did. Unless they agreed with this machine, a few that agree about an earlier time are believed: too
    early a date only asks again."""
    _offset: timedelta = timedelta()
    _has_told: set[str] = field(default_factory=set)
    _offsets: deque[timedelta] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def note(self, stamp: Stamp | None) -> None:
        """See an answer's date; the earlier it is seen, the more dates it can speak for."""
        if stamp is not None and stamp.dated is not None:
            self._offsets.append(stamp.dated - stamp.seen_at)
            self._offset = self._agreed()

    def at(self, stamp: Stamp) -> datetime:
        """When the answer was given (aware UTC), by its own date where that can be believed."""
        if stamp.dated is None:
            return stamp.seen_at + self.offset
        off = stamp.dated - stamp.seen_at
        if abs(off - self.offset) <= TOLERANCE:
            return stamp.dated
        self.replaced.setdefault(stamp.dated)
        return (stamp.seen_at + self.offset).replace(microsecond=0)

    @property
    def offset(self) -> timedelta:
        """How far Braket is ahead of this machine, as far as the run's answers agree about it; 0 where they do not."""
        return self._offset

    def _agreed(self) -> timedelta:
        if all(abs(off) <= TOLERANCE for off in self._offsets):
            return timedelta()
        if len(self._offsets) < _QUORUM:
            return self._agreed_by_few()
        middle = timedelta(seconds=median(off.total_seconds() for off in self._offsets))
        agreeing = sum(abs(off - middle) <= TOLERANCE for off in self._offsets)
        return middle if agreeing >= _QUORUM and 2 * agreeing > len(self._offsets) else timedelta()

    def _agreed_by_few(self) -> timedelta:
        is_ours_proven = self.known is not None and abs(self.known) <= TOLERANCE
        earlier = timedelta() if is_ours_proven else min(max(self._offsets), timedelta())
        for wanted in (self.known or timedelta(), earlier):
            if all(abs(off - wanted) <= TOLERANCE for off in self._offsets):
                return wanted
        return timedelta()

    @property
    def is_sure(self) -> bool:
        """Whether answers agree about the time, with this machine's clock or against it."""
        agreeing = sum(abs(off - self.offset) <= TOLERANCE for off in self._offsets)
        is_backed = len(self._offsets) >= _QUORUM or self.offset in (timedelta(), self.known)
        return is_backed and 0 < len(self._offsets) < 2 * agreeing

    @property
    def is_news(self) -> bool:
        """Whether the answers agree about another time than they did before."""
        return self.is_sure and (self.known is None or abs(self.offset - self.known) > TOLERANCE)

    @property
    def is_ours_wrong(self) -> bool:
        """Whether Braket's answers agree that this machine's clock is off by more than is tolerated."""
        return abs(self.offset) > TOLERANCE

    def now(self) -> datetime:
        """The present by Braket's clock (aware UTC)."""
        return datetime.now(UTC) + self.offset

    def note_of_ours(self) -> list[str]:
        """What to tell of this machine's clock, once a run; nothing about the data is wrong for it."""
        lines = []
        if self.is_ours_wrong and "ours" not in self._has_told:
            self._has_told.add("ours")
            seconds = abs(self.offset).total_seconds()
            which = "behind" if self.offset > timedelta() else "ahead of"
            lines.append(
                f"this machine is {seconds:,.0f} s {which} the time that Braket's answers agree on: rows are dated by "
                "theirs; set its time, since AWS refuses requests that are more than five minutes off"
            )
        return lines

    def told(self) -> list[str]:
        """What to tell of dates that were not believed, once a run."""
        lines = []
        if self.replaced and "theirs" not in self._has_told:
            self._has_told.add("theirs")
            first, *others = self.replaced
            more = f" and {len(others):,} more" if others else ""
            lines.append(
                f"answers of Braket were dated {first:%Y-%m-%d %H:%M:%S} UTC{more}, which neither this machine's clock nor "
                "the other answers bear out: they are dated by this machine's clock; see etl.schema_drift"
            )
        return lines
