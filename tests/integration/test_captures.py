"""What real tasks tell: certain bounds hold, closed devices explain long turnarounds, own completions bound runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.captures import CAPTURES, CEPHEUS, NEAR, Found, asked

pytestmark = pytest.mark.warehouse

TURNAROUNDS = "device,shots,created_at,ended_at,turnaround_s,metadata_duration_s,source"
GAPS = "device,shots,created_at,previous_ended_at,ended_at,completion_gap_s,reserved"
WINDOWS = "device,seen_at,day,from,to,source"
GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"


@pytest.fixture(scope="module")
def captures() -> Found:
    return asked(CAPTURES)


def test_captures_of_real_tasks_contradict_no_bound(captures: Found) -> None:
    assert captures.violated == []
    assert (captures.tasks > 250, captures.bounded_gaps) == (True, captures.gaps)


def test_closed_time_explains_long_turnarounds(captures: Found) -> None:
    left = {
        (device, f"{created:%m-%d}", round(closed)): turnaround - closed
        for device, created, turnaround, _, closed in captures.closed
    }
    assert left["Garnet", "09-02", 5954] == pytest.approx(5.5, abs=0.1)
    assert left[CEPHEUS, "04-24", 4048] == pytest.approx(1484.8, abs=0.1)
    assert left["Ibex-Q1", "04-24", 6337] == pytest.approx(404.4, abs=0.1)


def test_runs_in_a_reservation_are_foretold_by_those_before(captures: Found) -> None:
    errors = np.abs(captures.errors)
    assert np.median(errors) < NEAR
    assert np.mean(errors <= NEAR) > 0.6


def written(folder: Path, **files: list[str]) -> Path:
    """A folder with these files, each of a head and rows."""
    for name, lines in files.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_rows_of_other_kinds_are_bounded_as_well(tmp_path: Path) -> None:
    """A window over midnight, tasks that end at one instant, one in a reservation, a device that nobody knows."""
    told = asked(
        written(
            tmp_path,
            windows=[WINDOWS, "iqm/Garnet,2026-03-01T00:00:00Z,Everyday,22:30:00,03:59:59,x"],
            turnarounds=[
                TURNAROUNDS,
                f"{GARNET},100,2026-03-02T21:00:00Z,2026-03-02T22:30:05Z,5405,,x",
                f"{GARNET},100,2026-03-02T23:50:00Z,2026-03-03T00:10:00Z,1200,,x",
                f"{GARNET},100,2026-03-02T23:50:01Z,2026-03-03T00:10:00Z,1199,,x",
                f"{GARNET},100,2026-03-29T00:30:00Z,2026-03-29T22:31:00Z,79260,,x",
                "arn:aws:braket:::device/qpu/someone/New,1,2026-03-02T00:00:00Z,2026-03-02T00:00:09Z,9,,x",
            ],
            service_gaps=[
                GAPS,
                "Garnet,100,2026-03-10T22:40:00Z,2026-03-10T23:00:00Z,2026-03-10T23:00:03Z,3,True",
                "Garnet,100,2026-03-10T22:40:01Z,2026-03-10T23:00:03Z,2026-03-10T23:00:07Z,4,True",
                "New,5,2026-03-02T00:00:01Z,2026-03-02T00:00:09Z,2026-03-02T00:00:30Z,21,False",
            ],
        )
    )
    assert told.violated == []
    assert told.bounded_gaps == told.gaps == 3
    assert [(turnaround, closed) for *_, turnaround, _, closed in told.closed] == [
        (5405, 5400),
        (79260, 66600),
    ]
