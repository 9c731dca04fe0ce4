"""The door to readers: a key that stands twice is never published, whoever publishes, and everybody says so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest

from braket_emulator import Emulator, running
from braket_etl.pull.moved import unite_moved
from braket_etl.tables import JOB_EVENTS, JOBS
from braket_etl.tables.job_events import event_bodies
from braket_etl.tables.normalize import normalize
from braket_etl.warehouse import door, outcomes
from braket_etl.warehouse.checks import run_check
from braket_etl.warehouse.connection import Connection, Warehouse, configured
from braket_etl.warehouse.door import held_back, let_through
from braket_etl.warehouse.errors import HeldBackError
from braket_etl.warehouse.publish import publish
from braket_etl.warehouse.repair import Merged, merge_doubles, split_events
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import append_events, upsert
from tests.conftest import NOW, Program
from tests.integration.test_upsert import AT, JOB_ARN, Response, arn, later, load, many, poll
from tests.unit.test_tables import job_body
from tests.warehouses import empty_warehouse

DOUBLED = "INSERT INTO quantum_tasks FROM quantum_tasks LIMIT 1"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return replace(empty_warehouse(tmp_path), lock_timeout=0.3)


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[Connection]:
    with warehouse.writing("testing") as opened:
        yield opened


def repaired(connection: Connection) -> list[Merged]:
    with transaction(connection):
        return merge_doubles(connection)


def again(connection: Connection, table: str, **changed: Any) -> None:
    """Lay a second row beside each row of a table, with some columns changed."""
    replaced = ", ".join(f"${name} AS {name}" for name in changed)
    changes = f" REPLACE ({replaced})" if changed else ""
    connection.execute(f"INSERT INTO {table} SELECT *{changes} FROM {table}", changed)


# What becomes of rows that share a key


@pytest.mark.warehouse
@pytest.mark.parametrize("newest_is_last", [True, False])
def test_of_a_record_the_newest_answer_is_kept_and_when_it_was_first_seen(
    connection: Connection, newest_is_last: bool
) -> None:
    load(connection, *many([1], status="QUEUED"))
    load(connection, *many([2, 3]))
    newer = {"fetched_at": later(hours=3), "first_seen_at": later(hours=2), "created_at": later(days=-9)}
    older = {"fetched_at": later(hours=-3), "first_seen_at": later(hours=-4), "created_at": later(days=-9)}
    changed = newer if newest_is_last else older
    replaced = ", ".join(f"${name} AS {name}" for name in changed)
    connection.execute(
        f"INSERT INTO quantum_tasks SELECT * REPLACE ('RUNNING' AS status, {replaced}) FROM quantum_tasks "
        f"WHERE quantum_task_arn = '{arn(1)}'",
        changed,
    )
    before = connection.execute("FROM quantum_tasks WHERE quantum_task_arn <> ? ORDER BY ALL", [arn(1)])
    others = before.fetchall()
    assert repaired(connection) == [Merged("quantum_tasks", 1, 1)]
    rows = connection.execute(
        "SELECT status, fetched_at, first_seen_at, created_at < ? FROM quantum_tasks WHERE quantum_task_arn = ?",
        [later(days=-5), arn(1)],
    ).fetchall()
    assert rows == (
        [("RUNNING", later(hours=3), AT, True)]
        if newest_is_last
        else [("QUEUED", AT, later(hours=-4), False)]
    )
    assert (
        connection.execute("FROM quantum_tasks WHERE quantum_task_arn <> ? ORDER BY ALL", [arn(1)]).fetchall()
        == others
    )
    assert repaired(connection) == []


@pytest.mark.warehouse
def test_what_the_api_said_is_kept_before_what_a_results_file_said(connection: Connection) -> None:
    load(connection, *many([1]))
    again(connection, "quantum_tasks", origin="results_file", fetched_at=later(days=9), status="FAILED")
    again(connection, "quantum_tasks")
    assert repaired(connection) == [Merged("quantum_tasks", 1, 3)]
    assert connection.execute("SELECT origin, status FROM quantum_tasks").fetchall() == [("api", "COMPLETED")]


@pytest.mark.warehouse
def test_of_answers_of_one_instant_the_final_one_is_kept(connection: Connection) -> None:
    load(connection, *many([1]))
    again(connection, "quantum_tasks", status="RUNNING", is_terminal=False)
    repaired(connection)
    assert connection.execute("SELECT status FROM quantum_tasks").fetchall() == [("COMPLETED",)]


@pytest.mark.warehouse
def test_a_run_of_polls_keeps_what_was_seen_last(connection: Connection) -> None:
    poll(connection, "QUEUED", "9", AT)
    poll(connection, "QUEUED", "9", later(minutes=1))
    poll(connection, "RUNNING", None, later(minutes=2))
    whole = connection.execute("FROM task_observations ORDER BY observed_at").fetchall()
    connection.execute(
        "INSERT INTO task_observations SELECT * REPLACE (observed_at AS last_observed_at, 1 AS n_polls) "
        "FROM task_observations WHERE status = 'QUEUED'"
    )
    assert repaired(connection) == [Merged("task_observations", 1, 1)]
    assert connection.execute("FROM task_observations ORDER BY observed_at").fetchall() == whole


def see_events(connection: Connection, *kinds: str, created: str, minutes: int = 0) -> None:
    job = {
        "jobArn": JOB_ARN,
        "createdAt": created,
        "events": [{"eventType": kind, "timeOfEvent": "2026-11-20T09:00:00Z"} for kind in kinds],
    }
    responses = [Response(body, "GetJob", JOB_ARN, later(minutes=minutes)) for body in event_bodies(job)]
    with transaction(connection):
        append_events(connection, normalize(JOB_EVENTS, responses).rows)


@pytest.mark.warehouse
def test_events_of_one_job_are_one_list_whatever_time_of_creation_they_stand_under(
    connection: Connection,
) -> None:
    see_events(connection, "A", "B", "B", created="2026-11-20T08:00:00Z")
    connection.execute(  # as a merge leaves it that looks for the job's events by its time of creation
        "INSERT INTO job_events SELECT * REPLACE (job_created_at + INTERVAL 5 SECOND AS job_created_at, "
        "fetched_at + INTERVAL 1 MINUTE AS fetched_at) FROM job_events"
    )
    see_events(connection, "A", "B", "B", "C", created="2026-11-20T08:00:05Z", minutes=2)
    assert split_events(connection) == [JOB_ARN]
    assert repaired(connection) == [Merged("job_events", 3, 3, split=1)]
    rows = connection.execute(
        "SELECT event_index, event_type, count(DISTINCT job_created_at) OVER () FROM job_events ORDER BY 1"
    ).fetchall()
    assert rows == [(0, "A", 1), (1, "B", 1), (2, "B", 1), (3, "C", 1)]
    assert split_events(connection) == []
    assert repaired(connection) == []


# Records that Braket moved to another time of creation


@pytest.mark.warehouse
def test_a_record_that_moved_to_another_day_is_one_row_and_its_old_day_does_not_miss_it(
    warehouse: Warehouse, connection: Connection
) -> None:
    ended = later(hours=1).isoformat()
    load(connection, *many([1, 2], endedAt=ended), at=later(days=2))
    was = connection.execute("SELECT min(created_at) FROM quantum_tasks").fetchall()[0][0]
    connection.execute(
        "INSERT INTO etl.coverage (account, account_id, region, table_name, day, searched_at, listed, stored, "
        "rejected, run_id) VALUES ('default', '123456789012', 'us-east-1', 'quantum_tasks', ?, ?, 2, 2, 0, 'before')",
        [was.date(), AT],
    )
    # the whole table is not looked through for what is listed on a day that is not whole yet
    load(
        connection,
        *many([1], endedAt=ended, createdAt=(was + timedelta(days=2)).isoformat()),
        at=later(days=3),
    )
    assert connection.execute("SELECT count(*) FROM quantum_tasks").fetchall() == [(3,)]
    results = door.Results(connection, door.STEP)
    (moved,) = unite_moved(warehouse, connection, results, "run")
    assert (moved.arn, moved.was, moved.now) == (arn(1), was, was + timedelta(days=2))
    assert connection.execute(
        "SELECT created_at - ?, first_seen_at, fetched_at FROM quantum_tasks WHERE quantum_task_arn = ?",
        [was, arn(1)],
    ).fetchall() == [(timedelta(days=2), later(days=2), later(days=3))]
    assert connection.execute("SELECT listed, stored FROM etl.coverage").fetchall() == [(1, 1)]
    assert connection.execute("SELECT kind, path, run_id FROM etl.schema_drift").fetchall() == [
        ("moved", "createdAt", "run")
    ]
    let_through(warehouse, connection, results)
    assert unite_moved(warehouse, connection, results, "run") == []


@pytest.mark.warehouse
def test_the_events_of_a_job_that_moved_stay_one_list(warehouse: Warehouse, connection: Connection) -> None:
    for days in (0, 2):
        created = later(days=days).isoformat()
        body = job_body(createdAt=created, endedAt=later(hours=1).isoformat())
        with transaction(connection):
            job = Response(body, "GetJob", JOB_ARN, later(days=days + 2))
            upsert(connection, JOBS, normalize(JOBS, [job], bookkeeping={"origin": "api"}).rows)
        see_events(connection, "A", "B", "B", created=created, minutes=days * 1440)
    assert connection.execute("SELECT count(*) FROM jobs").fetchall() == [(2,)]
    assert len(unite_moved(warehouse, connection, door.Results(connection, door.STEP), "run")) == 1
    assert connection.execute("SELECT created_at FROM jobs").fetchall() == [(later(days=2),)]
    rows = connection.execute(
        "SELECT event_index, event_type, job_created_at FROM job_events ORDER BY 1"
    ).fetchall()
    assert rows == [(0, "A", later(days=2)), (1, "B", later(days=2)), (2, "B", later(days=2))]


@pytest.mark.warehouse
@pytest.mark.parametrize(
    "changed",
    [{}, {"created_at": later(days=-9)}, {"fetched_at": later(days=9)}, {"first_seen_at": later(days=9)}],
)
def test_a_copy_of_a_row_is_no_move_and_holds_publishing_back(
    warehouse: Warehouse, connection: Connection, changed: dict[str, Any]
) -> None:
    load(connection, *many([1]))
    again(connection, "quantum_tasks", **changed)
    results = door.Results(connection, door.STEP)
    assert unite_moved(warehouse, connection, results, "run") == []
    with pytest.raises(HeldBackError):
        let_through(warehouse, connection, results)


@pytest.mark.warehouse
def test_two_records_under_one_arn_are_no_move_and_hold_publishing_back(
    warehouse: Warehouse, connection: Connection
) -> None:
    load(connection, *many([1]))
    load(
        connection,
        *many([2], createdAt="2026-11-20T01:00:00Z", outputS3Directory="tasks/2"),
        at=later(days=1),
    )
    connection.execute("UPDATE quantum_tasks SET quantum_task_arn = ?", [arn(1)])
    results = door.Results(connection, door.STEP)
    assert unite_moved(warehouse, connection, results, "run") == []
    with pytest.raises(HeldBackError):
        let_through(warehouse, connection, results)


@pytest.mark.warehouse
def test_two_events_at_one_place_both_stay(connection: Connection) -> None:
    see_events(connection, "A", "B", created="2026-11-20T08:00:00Z")
    connection.execute("UPDATE job_events SET event_index = 0")
    assert repaired(connection) == [Merged("job_events", 1, 0)]
    rows = connection.execute("SELECT event_index, event_type FROM job_events ORDER BY 1").fetchall()
    assert rows == [(0, "A"), (1, "B")]


# The door itself


@pytest.mark.warehouse
def test_an_unchanged_warehouse_is_not_asked_again(connection: Connection, warehouse: Warehouse) -> None:
    load(connection, *many(range(20), status="QUEUED"))
    asked: list[str] = []

    def asking(*arguments: Any) -> Any:
        asked.append("asked")
        return run_check(*arguments)

    with patch("braket_etl.warehouse.checks.run_check", asking):
        let_through(warehouse, connection)
        assert asked == ["asked"]
        let_through(warehouse, connection)
        load(connection, *many(range(20), status="RUNNING"), at=later(minutes=5))
        let_through(warehouse, connection)  # the keys are the same
        assert asked == ["asked"]
        load(connection, *many([21]))
        let_through(warehouse, connection)
        assert asked == ["asked", "asked"]


@pytest.mark.warehouse
def test_what_is_refused_is_noted_until_something_is_published(warehouse: Warehouse) -> None:
    with warehouse.writing("testing") as connection:
        load(connection, *many(range(20)))
        publish(warehouse, connection)
    copy = warehouse.published.read_bytes()
    for _ in range(2):
        with warehouse.writing("testing") as connection:
            if held_back(warehouse) is None:
                connection.execute(DOUBLED)
            with pytest.raises(HeldBackError, match=r"keys_are_unique: 2 rows .*0000 \(2\)") as told:
                publish(warehouse, connection)
        held = held_back(warehouse)
        assert held is not None
        assert f"{held.since:%Y-%m-%d %H:%M:%S}" in str(told.value)
        assert outcomes.REPAIR in str(told.value)
    assert held.rows == 2
    assert warehouse.published.read_bytes() == copy
    assert (warehouse.folder / "held_back.json").stat().st_mode & 0o777 == 0o600
    with warehouse.writing("testing") as connection:
        with transaction(connection):
            merge_doubles(connection)
            warehouse.note_fewer(connection)
        publish(warehouse, connection)
    assert held_back(warehouse) is None


@pytest.mark.warehouse
def test_a_warehouse_of_an_older_version_has_its_doubles_merged_by_a_numbered_migration(
    warehouse: Warehouse,
) -> None:
    with warehouse.writing("testing") as connection:
        load(connection, *many(range(20)))
        connection.execute(DOUBLED)
        connection.execute("DELETE FROM etl.migrations WHERE version >= 2")
    with warehouse.writing("testing") as connection:
        assert connection.execute("SELECT count(*) FROM quantum_tasks").fetchall() == [(20,)]
        name = "SELECT name FROM etl.migrations WHERE version = 2"
        assert connection.execute(name).fetchall() == [("merge_doubled_keys",)]
        publish(warehouse, connection)
    with warehouse.writing("testing"):  # fewer rows than before are no damage
        pass


@pytest.mark.warehouse
def test_a_backup_with_a_double_is_restored_and_said_to_have_one(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    with warehouse.writing("testing") as connection:
        load(connection, *many(range(20)))
        connection.execute(DOUBLED)
    backup = tmp_path / "backup.duckdb"
    backup.write_bytes(warehouse.file.read_bytes())
    warehouse.file.unlink()
    done = warehouse.restore(backup)
    assert done.unfit is not None
    assert "keys_are_unique: 2 rows" in done.unfit.summary


# Every verb that publishes


@pytest.fixture(scope="module")
def account() -> Iterator[Emulator]:
    with running(tasks=30, jobs=3, days=2, seed=3, now=NOW, frozen=True, quotas=False) as started:
        yield started


def doubled(program: Program) -> None:
    """A key that stands twice, by hand, in the writer's file; and a reject, which can be asked for again."""
    with duckdb.connect(str(program.writer)) as connection:
        connection.execute(DOUBLED)
        connection.execute(
            "INSERT INTO etl.rejected_records BY NAME SELECT 'GetQuantumTask' AS operation, quantum_task_arn AS arn, "
            "account_id, region, 'wrong' AS error, 'r' AS run_id, fetched_at AS first_seen_at, "
            "fetched_at AS last_seen_at, 1 AS attempts FROM quantum_tasks LIMIT 1"
        )


def refused(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    for word in ("keys_are_unique", "2 rows", ":quantum-task/", "braket-etl maintain --repair"):
        assert word in done.stderr, done.stderr
    assert "published " not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert "ERROR severity" not in done.stderr
    told = [line for line in done.stderr.splitlines() if "keys_are_unique" in line]
    assert len(told) == 1, "it is told once"


def test_a_doubled_key_is_published_by_no_verb_until_it_is_repaired(
    account: Emulator, program: Program, tmp_path: Path
) -> None:
    program.env = {
        **account.env(),
        "BRAKET_ETL_START_DATE": f"{NOW - timedelta(days=2):%Y-%m-%d}",
        "BRAKET_ETL_REGIONS": "us-east-1",
    }
    program.ok("sync")
    rows, copy = program.contents(), program.published.read_bytes()
    doubled(program)
    seen = program.run("doctor", "--json")
    assert seen.returncode == 1
    assert any(
        each["status"] == "fail" and "keys_are_unique" in each["what"]
        for each in json.loads(seen.stdout)["findings"]
    )
    for verb in (
        ["restore", "--yes"],
        ["rejects", "retry"],  # before a sync, which sees that the record is stored
        ["sync", "--json"],
        ["backfill", "--from", "2026-11-19", "--to", "2026-11-20"],
        ["recover", str(tmp_path)],
        ["prices", "import", f"{account.price_list_url}/index.csv"],
        ["maintain"],
    ):
        done = program.run(*verb)
        refused(done)
        assert program.published.read_bytes() == copy, verb
        if "--json" in verb:
            assert json.loads(done.stdout)["held_back"].startswith("keys_are_unique")
    status = program.run("status")
    assert status.returncode == 0
    assert "keys_are_unique" in status.stderr
    assert "Held back since 2026" in status.stderr
    told = json.loads(program.ok("status", "--json"))["held_back"]
    assert (told["check"], told["rows"]) == ("keys_are_unique", 2)
    seen = program.run("doctor")
    assert seen.returncode == 1
    assert "nothing is published since" in seen.stdout
    with duckdb.connect(str(program.writer), read_only=True) as connection:
        last = configured(connection).execute(
            "SELECT outcome, ended_at IS NOT NULL FROM etl.runs WHERE kind = 'sync' ORDER BY started_at DESC LIMIT 1"
        )
        assert last.fetchall() == [("failure", True)]

    repair = program.run("maintain", "--repair")
    assert repair.returncode == 0, repair.stderr
    assert "quantum_tasks: 1 keys that stood twice are one row each, 1 rows went" in repair.stderr
    assert program.published.read_bytes() != copy
    same = {name: program.contents()[name] for name in rows if name not in ("prices",)}
    assert same == {name: rows[name] for name in same}
    assert json.loads(program.ok("status", "--json")).get("held_back") is None
    program.ok("sync")
    assert "nothing was repaired" in program.run("maintain", "--repair").stderr
