"""Whatever becomes of records, and however Braket answers meanwhile: at the end the warehouse holds what it said last.

`make test` plays some of the histories of `make faults` (tests/faults/histories); a failure tells how to see more of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import cases
from tests.faults.histories.draw import drawn
from tests.faults.histories.judge import judged
from tests.faults.histories.play import Stage, stage
from tests.faults.histories.scenarios import in_process, on_command_line


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("histories")) as made:
        yield made


@pytest.mark.parametrize("first", cases({str(first): first for first in range(1, 31, 3)}, ["1", "4"]))
def test_the_warehouse_holds_what_was_said_last(at: Stage, tmp_path: Path, first: int) -> None:
    outcome = in_process(first, 3, at, tmp_path)
    assert outcome.expected > outcome.injected
    assert outcome.lost == 0


@pytest.mark.parametrize(
    "seed",
    [
        632,  # ended, then moved into a day that was not whole yet: two rows, and publishing held back
        1201,  # the only record of an account, moved out of its day: whose it is was forgotten, and the second get with it
    ],
)
def test_what_was_wrong_once_is_right(at: Stage, tmp_path: Path, seed: int) -> None:
    assert in_process(seed, 1, at, tmp_path).lost == 0


def test_so_it_does_through_the_command_line(at: Stage, tmp_path: Path) -> None:
    assert on_command_line(1, at, tmp_path / "at").lost == 0


def test_a_seed_gives_the_same_history_again(at: Stage) -> None:
    seen = []
    for _ in range(2):
        played = at.played(drawn(4))
        seen.append((played.steps, sorted(played.world.asked), played.world.said))
    assert seen[0] == seen[1]
    assert seen[0][2]


#: What a fault would leave, and how it is called.
DAMAGE = {
    "UPDATE quantum_tasks SET shots = shots + 1": "row: shots (listed too)",
    "UPDATE quantum_tasks SET num_successful_shots = -1": "row: num_successful_shots (not listed)",
    "UPDATE quantum_tasks SET tags = MAP {'a': 'b'}": "row: tags (listed too)",
    "UPDATE jobs SET expired_at = created_at": "expired",
    "INSERT INTO jobs FROM jobs LIMIT 1": "doubled",
    "DELETE FROM quantum_tasks": "lost",
    "DELETE FROM task_observations": "observations: not seen",
    "DELETE FROM job_events WHERE event_index = 0": "events: lost",
    "UPDATE job_events SET time_of_event = time_of_event + INTERVAL 1 MINUTE": "events: doubled",
    "UPDATE etl.coverage SET stored = 0": "coverage: not whole",
    "UPDATE etl.coverage SET searched_at = searched_at + INTERVAL 2 DAY": "coverage: promised",
}


def test_what_is_wrong_is_seen(at: Stage) -> None:
    played = at.played(drawn(7))
    assert judged(played) == []
    for damage, kind in DAMAGE.items():
        played.connection.execute("BEGIN")
        played.connection.execute(damage)
        assert kind in {wrong.kind for wrong in judged(played)}, damage
        played.connection.execute("ROLLBACK")
