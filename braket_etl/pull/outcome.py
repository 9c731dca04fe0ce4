"""What a run did and what it could not do: counts, problems, and the verdict that follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from braket_etl.aws.errors import AwsProblem
from braket_etl.aws.throttle import OperationReport
from braket_etl.pull.merge import Merged
from braket_etl.tables import (
    DEVICE_OBSERVATIONS,
    DEVICES,
    JOB_OBSERVATIONS,
    SPENDING_LIMITS,
    TASK_OBSERVATIONS,
)
from braket_etl.warehouse.upsert import Counts

#: Tables whose rows each look dates anew, which is nothing new.
_SEEN_AGAIN = frozenset(
    table.name
    for table in (DEVICES, DEVICE_OBSERVATIONS, JOB_OBSERVATIONS, SPENDING_LIMITS, TASK_OBSERVATIONS)
)


class News(Exception):  # noqa: N818 - no error: see below
    """There is something to fetch, to compute or to tell, found by a `Puller` that only looks; str() says what."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be had, named so that the user can act: who, where, what, why."""

    account: str
    region: str
    operation: str
    message: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region} {self.operation}: {self.message}"

    @classmethod
    def of(cls, problem: AwsProblem, account: str, region: str, operation: str) -> Problem:
        """The problem with its place filled in where the driver did not know it."""
        return cls(
            problem.account or account,
            problem.region or region,
            problem.operation or operation,
            problem.message,
        )


@dataclass(slots=True)
class Outcome:
    """The result of a pull, added up over its batches."""

    counts: dict[str, Counts] = field(default_factory=dict)
    problems: Counter[Problem] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    """What is told and takes nothing from the result."""
    listed: Counter[str] = field(default_factory=Counter)
    fetched: int = 0
    rejected: int = 0
    expired: int = 0
    drift: int = 0
    calls: dict[str, OperationReport] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`failure` where something could not be had, `warning` where something needs a look, else `success`."""
        if self.problems:
            return "failure"
        return "warning" if self.rejected or self.drift or self.warnings else "success"

    def note(self, merged: Merged) -> None:
        """Add what one merge did."""
        for table, counts in merged.counts.items():
            self.counts[table] = self.counts.get(table, Counts()) + counts
        self.rejected += merged.rejected
        self.expired += merged.expired
        self.drift += merged.drift
        if merged.moved:
            self.warnings[
                f"the time of creation of {len(merged.moved):,} records moved by more than a second (the first is "
                f"{merged.moved[0]}): each is one row, under the time that Braket said last; see etl.schema_drift"
            ] += 1

    def note_calls(self, reports: Mapping[tuple[str, str], list[OperationReport]]) -> None:
        """Take over what the request budgets counted."""
        self.calls = {
            f"{account}/{region}/{report.operation}": report
            for (account, region), found in reports.items()
            for report in found
        }

    def __add__(self, other: Outcome) -> Outcome:
        counts = dict(self.counts)
        for table, more in other.counts.items():
            counts[table] = counts.get(table, Counts()) + more
        return Outcome(
            counts,
            self.problems + other.problems,
            self.warnings + other.warnings,
            self.notes + other.notes,
            self.listed + other.listed,
            self.fetched + other.fetched,
            self.rejected + other.rejected,
            self.expired + other.expired,
            self.drift + other.drift,
            {**self.calls, **other.calls},
        )

    def summary(self) -> dict[str, Any]:
        """The outcome as a JSON object, for etl.runs and for `--json`."""
        return {
            "verdict": self.verdict,
            "rows": {
                table: {"new": c.new, "changed": c.changed, "unchanged": c.unchanged}
                for table, c in sorted(self.counts.items())
            },
            "listed": dict(self.listed),
            "fetched": self.fetched,
            "rejected": self.rejected,
            "expired": self.expired,
            "drift": self.drift,
            "problems": [f"{problem}{_times(n)}" for problem, n in self.problems.items()],
            "warnings": [f"{warning}{_times(n)}" for warning, n in self.warnings.items()],
            "notes": list(self.notes),
            "calls": {
                name: {
                    "calls": r.calls,
                    "throttles": r.throttles,
                    "retries": r.retries,
                    "seconds_waited": round(r.seconds_waited, 3),
                    "budget_used": round(r.budget_used, 4),
                }
                for name, r in sorted(self.calls.items())
            },
        }


def refuse_news(found: Merged | Outcome) -> None:
    """Raise News where what came is more than what was seen before, seen again."""
    for table, counts in found.counts.items():
        if counts.new or (counts.changed and table not in _SEEN_AGAIN):
            raise News(f"{counts.new + counts.changed:,} rows of {table} are new")
    if found.rejected or found.expired or found.drift:
        raise News("there are answers that cannot become rows, or that are new to this version")


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""
