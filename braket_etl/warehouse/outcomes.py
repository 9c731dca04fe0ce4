"""What came of publishing, compacting and restoring, as it is told to users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

#: What makes one row of those that share a key.
REPAIR = "braket-etl maintain --repair"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Why nothing is published: the check, how many rows it found, the first of them in words, and since when (UTC)."""

    check: str
    rows: int
    examples: tuple[str, ...]
    since: datetime

    @property
    def what(self) -> str:
        """What was found, in a line."""
        more = "; …" if self.rows > 2 * len(self.examples) else ""
        return (
            f"{self.check}: {self.rows:,} rows share their key with another: {'; '.join(self.examples)}{more}"
        )

    @property
    def summary(self) -> str:
        """What was found, and what repairs it."""
        return f"{self.what}. `{REPAIR}` makes one row of those that share a key"


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore: rows by table of schema main, the state it is of (UTC), where the old file is kept."""

    rows: dict[str, int]
    as_of: datetime | None
    """When the newest run in the copy began; None where it holds no run."""
    kept: Path | None
    """The folder that now holds what lay in the writer's place; None where nothing did."""
    unfit: HeldBack | None = None
    """Why what was restored cannot be published as it is."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a look at the writer's file found, and what came of it; sizes in bytes."""

    before: int
    free: int
    after: int
    files: tuple[int, int] | None = None
    """Of a lake: in how many files its tables were, and are."""

    @property
    def was_done(self) -> bool:
        """Whether files were written anew."""
        return self.after != self.before or (self.files is not None and self.files[0] != self.files[1])
