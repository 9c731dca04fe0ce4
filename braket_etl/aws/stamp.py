"""When an answer came: what its Date header says and what this machine's clock said, side by side.

Which of the two is believed is decided where all answers of a run are seen (`pull/clock.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Stamp:
    """`seen_at` by this machine's clock, `dated` by the answer's Date header (None without one); both aware UTC."""

    seen_at: datetime
    dated: datetime | None = None

    @property
    def at(self) -> datetime:
        """The instant of the answer, as it says itself where it does."""
        return self.dated or self.seen_at


def stamped_now() -> Stamp:
    """The stamp of something that has no date of its own."""
    return Stamp(datetime.now(UTC))
