"""`rejects`: responses that could not become a row are shown safely, asked for again, or forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from braket_emulator import Emulator, running
from braket_etl.aws.fetch import Fetched, Rejected
from braket_etl.pull.merge import Batch, merge
from braket_etl.warehouse.listing import rejects_not_due
from braket_etl.warehouse.publish import publish
from tests.conftest import NOW, Program, as_json
from tests.warehouses import empty_warehouse

HOSTILE = {"status": "\x1b]0;owned\x07\x1b[31m\u202e", "shots": "a lot", "deep": {"lone": "\ud800"}}


@dataclass
class World:
    """An emulator and some of its tasks and jobs."""

    emulator: Emulator
    tasks: list[str]
    jobs: list[str]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running(tasks=40, jobs=4, days=4, seed=11, now=NOW, frozen=True, quotas=False) as emulator:
        now = NOW.isoformat()
        arns = [arn for arn, truth in emulator.truth().items() if truth["created"] < now]
        account = arns[0].split(":")[4]
        yield World(emulator, arns, [f"arn:aws:braket:us-east-1:{account}:job/none"])


@pytest.fixture
def rejecting(program: Program, world: World) -> Program:
    """A home with three rejects: two of tasks that Braket has, one of a job that it does not know."""
    program.env = world.emulator.env()
    warehouse = empty_warehouse(program.home)
    seen = datetime(2026, 11, 19, 10, tzinfo=UTC)
    first, second = world.tasks[:2]
    rejected = [
        Rejected("GetQuantumTask", second, "shots: no number", '{"cut', seen),
        Rejected("GetJob", world.jobs[0], "wrong\x1b[31m", "", seen),
    ]
    damaged = Fetched("GetQuantumTask", first, {"quantumTaskArn": first, **HOSTILE}, seen)
    merge(warehouse, Batch([damaged], rejected), "run", "a test")
    with warehouse.writing("a test") as connection:
        publish(warehouse, connection)
    return program


def left(program: Program) -> set[str]:
    return {arn for (arn,) in program.rows("SELECT arn FROM etl.rejected_records")}


def test_they_are_listed_and_shown_without_a_control_character(rejecting: Program, world: World) -> None:
    listed = rejecting.ok("rejects", "list")
    for arn in (*world.tasks[:2], world.jobs[0]):
        assert arn in listed.replace("\n", "")
    assert "wrong\\x1b[31m" in listed
    shown = rejecting.ok("rejects", "show", world.tasks[0])
    assert '"shots": "a lot"' in shown
    assert "\\u001b]0;owned\\u0007" in shown
    assert "\\ud800" in shown
    assert '{"cut' in rejecting.ok("rejects", "show", world.tasks[1])
    for text in (listed, shown):
        assert all(c.isprintable() or c == "\n" for c in text)


def test_they_can_be_read_by_a_machine(rejecting: Program, world: World) -> None:
    found = {reject["arn"]: reject for reject in as_json(rejecting.ok("rejects", "list", "--json"))}
    assert set(found) == {*world.tasks[:2], world.jobs[0]}
    assert found[world.tasks[1]]["attempts"] == 1
    [shown] = as_json(rejecting.ok("rejects", "show", world.tasks[0], "--json"))
    assert json.loads(shown["payload"])["shots"] == "a lot"
    done = rejecting.run("rejects", "show", "arn:aws:braket:us-east-1:1:quantum-task/none")
    assert done.returncode == 1
    assert "rejects list" in done.stderr


def test_retry_asks_again_stores_what_comes_whole_and_publishes(rejecting: Program, world: World) -> None:
    first, second = world.tasks[:2]
    world.emulator.set_faults(
        [{"kind": "wrong_type", "probability": 1, "operations": ["GetQuantumTask"], "arns": [second]}]
    )
    world.emulator.reset_stats()
    told = as_json(rejecting.ok("rejects", "retry", "--json"))
    assert (told["healed"], told["still_rejected"], told["unanswered"]) == (1, 1, 1)
    assert "SearchQuantumTasks" not in world.emulator.stats()["calls"]
    assert left(rejecting) == {second, world.jobs[0]}
    assert rejecting.rows("SELECT quantum_task_arn, origin FROM quantum_tasks") == [(first, "api")]
    assert rejecting.one(f"SELECT attempts FROM etl.rejected_records WHERE arn = '{second}'") == 2
    assert rejecting.rows("SELECT kind, outcome FROM etl.runs") == [("rejects", "warning")]

    world.emulator.set_faults([])
    done = rejecting.run("rejects", "retry", second)
    assert done.returncode == 0, done.stderr
    assert left(rejecting) == {world.jobs[0]}
    assert "dummy" not in done.stdout + done.stderr
    # the statistics are of what came, too
    newest = rejecting.one("SELECT max(fetched_at) FROM quantum_tasks")
    assert rejecting.one("SELECT max(computed_at) FROM queue_wait_quantiles") == newest


def test_retry_names_what_refuses_with_exit_1(rejecting: Program, world: World) -> None:
    world.emulator.set_faults([{"kind": "access_denied", "probability": 1, "operations": ["GetQuantumTask"]}])
    done = rejecting.run("rejects", "retry", world.tasks[0])
    world.emulator.set_faults([])
    assert done.returncode == 1, done.stdout
    assert world.tasks[0].split(":")[3] in done.stderr
    assert "Traceback" not in done.stderr
    assert len(left(rejecting)) == 3


def test_purge_forgets_after_being_told_so(rejecting: Program, world: World) -> None:
    done = rejecting.run("rejects", "purge")
    assert done.returncode == 2, done.stderr
    assert "--yes" in done.stderr
    assert len(left(rejecting)) == 3
    rejecting.ok("rejects", "purge", "--arn", world.tasks[0], "--yes")
    assert left(rejecting) == {world.tasks[1], world.jobs[0]}
    rejecting.ok("rejects", "purge", "--yes")
    assert left(rejecting) == set()
    assert "no rejects" in rejecting.run("rejects", "list").stderr
    assert "no rejects" in rejecting.run("rejects", "retry").stderr


def test_bad_usage_is_exit_2_and_nothing_published_exit_1(
    rejecting: Program, program: Program, tmp_path: Path
) -> None:
    assert rejecting.run("rejects", "retry", "arn:none").returncode == 2
    without = rejecting.run("rejects", "retry", env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    assert without.returncode == 2
    assert "no AWS credentials" in without.stderr
    empty = Program(tmp_path / "empty").run("rejects", "list")
    assert empty.returncode == 1
    assert "braket-etl sync" in empty.stderr


@pytest.mark.warehouse
def test_a_reject_waits_the_longer_the_more_often_it_came(tmp_path: Path) -> None:
    """Those that came once beside those that came often: DuckDB computes the pause of both."""
    warehouse = empty_warehouse(tmp_path)
    with warehouse.writing("a test") as connection:
        for attempts in range(13):
            connection.execute(
                "INSERT INTO etl.rejected_records BY NAME SELECT 'GetJob' AS operation, ? AS arn, 'damaged' AS error, "
                "'' AS payload, 'run' AS run_id, ?::TIMESTAMPTZ AS first_seen_at, ?::TIMESTAMPTZ AS last_seen_at, "
                "? AS attempts",
                [f"arn {attempts}", NOW, NOW, attempts],
            )

        def waiting(hours: int) -> int:
            not_due = rejects_not_due(connection, "GetJob", NOW + timedelta(hours=hours))
            assert not_due == {f"arn {attempts}" for attempts in range(13 - len(not_due), 13)}
            return len(not_due)

        assert [waiting(hours) for hours in (0, 1, 3, 8, 23, 24)] == [9, 8, 7, 5, 4, 0]
