"""How long tasks run on a QPU, as far as that is known: from dated facts, and from a device's own tasks as they come.

No answer of Braket tells a run time. A task's turnaround is known to the millisecond, though, and is its wait and its
run: who knows a range of the run knows the wait but for that range. What counts as run here lasts from the start that
Braket would tell to the end, so what the service takes around a task belongs to it where it cannot be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from braket_etl.analysis.npmle import Floats, estimated
from braket_etl.tables.arns import device_name_of
from braket_etl.tables.device_keys import device_key

#: With fewer tasks than this that were seen waiting and then seen started, they say nothing of the run times of others.
MIN_SEEN = 30
#: Runs of a device last no more than so many times as long as the quickest, for their shots or of all, where nothing else is
#: known: about what the same shots took with other circuits on Forte (factor 0.6 to 2.4 of the sum of gate times, 2026-06).
SPREAD = 4.0
#: The quickest: these shares of turnarounds, less what was certainly wait, lie below, for what is usual and for SPREAD.
_QUICK, _QUICKEST = 0.05, 0.01
#: A run counts as seen where the sights around its start are nearer to one another than this part of a usual run.
_NEAR = 0.5
#: No usual run is shorter, in seconds, where one is divided by: a task may have no shots.
_LEAST = 1e-6


@dataclass(frozen=True)
class Line:
    """Seconds of a run: so many, and so many a shot."""

    base: float
    per_shot: float

    def seconds(self, shots: Floats) -> Floats:
        """Those of tasks with so many shots."""
        return self.base + self.per_shot * shots


@dataclass(frozen=True)
class Known:
    """What is known of a device's run times before any own task: at least, usual, at most, and how well (`grade`)."""

    low: Line
    usual: Line
    high: Line
    grade: str


#: From public captures of 303 tasks on QPUs, 2023-04 to 2026-09, and fits to them; ranges hold compilation of circuits up
#: to 20 qubits or a depth of 600. By key of the device's name, and by provider for its other devices, by analogy.
KNOWN = {
    # 153 gaps between completions in a reservation of 2026-08-07: 0.14 s + 0.204 ms a shot + 16 ns x shots x depth, and
    # 0.7 to 7 s around a task on an idle device
    "cepheus-1-108q": Known(Line(0.1, 0.00018), Line(1.2, 0.00021), Line(15, 0.0003), "measured"),
    # 45 turnarounds in open windows, 2025-08 to 2026-09: 2.8 s + 0.41 ms a shot; 14 s where 20 qubits were compiled
    "garnet": Known(Line(0.15, 0.00015), Line(2.8, 0.00041), Line(15, 0.0012), "measured"),
    # 7 turnarounds, 2026-04: 9 to 27 s, nearly all compilation
    "emerald": Known(Line(0.15, 0.00015), Line(4.0, 0.00041), Line(30, 0.0015), "few"),
    # 6 gaps, 2026-06: 23 ms a shot of short circuits, 1.67 s of 6,659 gates
    "forte-enterprise-1": Known(Line(0, 0.015), Line(10, 0.08), Line(150, 2.0), "few"),
    # 5 gaps, 2026-01-17: 0.43 and 0.56 s a shot; up to 100 s around it are not explained
    "aquila": Known(Line(0, 0.25), Line(10, 0.5), Line(100, 0.65), "few"),
    # 3 tasks, 2026-04-24: at most 0.26 to 0.32 s a shot with all around it; gate times as a floor
    "ibex-q1": Known(Line(0, 0.005), Line(10, 0.1), Line(70, 0.35), "few"),
}
KNOWN |= {
    "rigetti": Known(Line(0.1, 0.00007), Line(1.5, 0.0002), Line(15, 0.0008), "by analogy"),
    "iqm": Known(Line(0.15, 0.0001), Line(4.0, 0.00041), Line(30, 0.0015), "by analogy"),
    "ionq": Known(Line(0, 0.01), Line(10, 0.08), Line(150, 2.0), "by analogy"),
    "quera": Known(Line(0, 0.2), Line(10, 0.5), Line(100, 0.8), "by analogy"),
    "aqt": Known(Line(0, 0.005), Line(10, 0.1), Line(70, 0.35), "by analogy"),
}
UNKNOWN = Known(Line(0, 0), Line(1, 0), Line(np.inf, 0), "unknown")


def known(device_arn: str) -> Known:
    """What is known of a device before any own task on it."""
    parts = device_arn.split("/")
    provider = parts[-2] if len(parts) > 1 else ""
    return KNOWN.get(device_key(device_name_of(device_arn)) or "") or KNOWN.get(provider) or UNKNOWN


@dataclass(frozen=True)
class RunTimes:
    """The run times of one device, as multiples of its usual ones: at least, usual, at most."""

    shape: Line
    low: float
    usual: float
    high: float
    before: Known
    any_high: float = 0.0
    """Seconds up to which any run may last: not all runs grow with shots."""

    @property
    def usual_line(self) -> Line | None:
        """The usual run; None where nothing is known of it."""
        if self.before is UNKNOWN and np.isinf(self.high):
            return None
        return Line(self.shape.base * self.usual, self.shape.per_shot * self.usual)

    def ranges(self, shots: Floats) -> tuple[Floats, Floats, Floats]:
        """At least, usual and at most, in seconds, of tasks with so many shots."""
        shape = self.shape.seconds(shots)
        low, usual = self.low * shape, self.usual * shape
        high = np.maximum(self.high * shape, self.any_high)
        if np.isnan(self.low):
            low = np.minimum(self.before.low.seconds(shots), usual / 2)
            high = np.minimum(high, np.maximum(self.before.high.seconds(shots), 2 * usual))
        return low, np.maximum(usual, low), np.maximum(high, usual)


def _shape(usual: Line, shots: Floats, at_most: Floats) -> Line:
    """The usual line, or that without what the service does around a run, whichever own tasks leave room for more run.

    Behind one another on a device tasks with few shots take next to no time, which tells nothing of those with many.
    """
    shapes = (usual, Line(0.0, usual.per_shot))
    rooms = [
        min(1.0, float(np.quantile(at_most / np.maximum(shape.seconds(shots), _LEAST), _QUICK)))
        * shape.seconds(np.median(shots, keepdims=True))[0]
        for shape in shapes
    ]
    return shapes[int(np.argmax(rooms))]


def learnt(device_arn: str, shots: Floats, at_most: Floats, seen_low: Floats, seen_high: Floats) -> RunTimes:
    """The run times of a device from its own completed tasks, beside what is known of it.

    `at_most` bounds each run for certain: the turnaround, less what was certainly wait. `seen_low` and `seen_high` enclose
    it by sights that do not depend on it, from the last of it waiting to the first of it started; NaN where there is none.
    """
    before = known(device_arn)
    if not len(shots):
        return RunTimes(before.usual, np.nan, 1.0, np.inf, before)
    shape = _shape(before.usual, shots, at_most)
    usual = np.maximum(shape.seconds(shots), _LEAST)
    quick, quickest = (float(each) for each in np.quantile(at_most / usual, (_QUICK, _QUICKEST)))
    seen = seen_high - seen_low <= _NEAR * usual
    if np.count_nonzero(seen) >= MIN_SEEN:
        found = estimated(
            np.maximum(seen_low[seen], 0) / usual[seen], seen_high[seen] / usual[seen], tolerance=1e-2
        )
        low, (left, right), high = found.quantile(0.1)[0], found.quantile(0.5), found.quantile(0.9)[1]
        if np.isfinite(high):
            return RunTimes(shape, low, (left + right) / 2, high, before)
    typical = min(1.0, quick) if before is not UNKNOWN else quick / 2
    any_high = SPREAD * float(np.quantile(at_most, _QUICKEST))
    return RunTimes(shape, np.nan, typical, SPREAD * quickest, before, any_high)
