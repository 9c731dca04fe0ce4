"""Merging: what is stored after batches that repeat, change, age and contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from braket_etl.tables import JOB_EVENTS, QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables.job_events import event_bodies
from braket_etl.tables.normalize import normalize
from braket_etl.tables.observations import with_position
from braket_etl.warehouse import listing
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.errors import DamagedError, LockHeldError, NewerWarehouseError
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import Counts, append_events, extend_observations, upsert
from tests.unit.test_tables import AT, JOB_ARN, Response, task_body

pytestmark = pytest.mark.warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "writer", tmp_path / "warehouse.duckdb", lock_timeout=0.3)


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[Connection]:
    with warehouse.writing("testing") as opened:
        yield opened


def arn(number: int) -> str:
    return f"arn:aws:braket:us-east-1:123456789012:quantum-task/{number:04}"


def load(connection: Connection, *bodies: dict[str, Any], at: datetime = AT, origin: str = "api") -> Counts:
    responses = [Response(body, arn=body["quantumTaskArn"], fetched_at=at) for body in bodies]
    rows = normalize(QUANTUM_TASKS, responses, bookkeeping={"origin": origin}).rows
    with transaction(connection):
        return upsert(connection, QUANTUM_TASKS, rows)


def later(**by: float) -> datetime:
    return AT + timedelta(**by)


def status(connection: Connection, number: int) -> Any:
    return connection.execute(
        "SELECT status FROM quantum_tasks WHERE quantum_task_arn = ?", [arn(number)]
    ).fetchall()


def many(numbers: Sequence[int], **members: Any) -> list[dict[str, Any]]:
    return [task_body(quantumTaskArn=arn(n), tags={"n": str(n)}, **members) for n in numbers]


def test_a_batch_is_stored_and_the_same_batch_changes_nothing(connection: Connection) -> None:
    assert load(connection, *many(range(50))) == Counts(new=50)
    before = connection.execute("FROM quantum_tasks ORDER BY ALL").fetchall()
    assert load(connection, *many(range(50)), at=later(days=1)) == Counts(unchanged=50)
    assert connection.execute("FROM quantum_tasks ORDER BY ALL").fetchall() == before


def test_the_order_of_tags_is_no_change_and_their_content_is(connection: Connection) -> None:
    load(connection, task_body(quantumTaskArn=arn(1), tags={"a": "1", "b": "2"}))
    assert load(connection, task_body(quantumTaskArn=arn(1), tags={"b": "2", "a": "1"})) == Counts(
        unchanged=1
    )
    assert load(connection, task_body(quantumTaskArn=arn(1), tags={"b": "2", "a": "3"})) == Counts(changed=1)


def test_a_changed_record_replaces_its_row_and_keeps_when_it_was_first_seen(connection: Connection) -> None:
    load(connection, *many([1], status="QUEUED"))
    assert load(connection, *many([1, 2], status="RUNNING"), at=later(minutes=5)) == Counts(new=1, changed=1)
    rows = connection.execute(
        "SELECT status, first_seen_at, fetched_at FROM quantum_tasks ORDER BY 2"
    ).fetchall()
    assert rows == [("RUNNING", AT, later(minutes=5)), ("RUNNING", later(minutes=5), later(minutes=5))]


def test_older_never_overwrites_newer(connection: Connection) -> None:
    load(connection, *many([1], status="RUNNING"), at=later(minutes=5))
    assert load(connection, *many([1], status="QUEUED"), at=AT) == Counts(unchanged=1)
    assert status(connection, 1) == [("RUNNING",)]


def test_a_final_status_never_goes_back(connection: Connection) -> None:
    load(connection, *many([1]))
    assert load(connection, *many([1], status="RUNNING"), at=later(hours=1)) == Counts(unchanged=1)
    assert status(connection, 1) == [("COMPLETED",)]


def test_of_a_key_twice_in_a_batch_the_newest_is_stored(connection: Connection) -> None:
    old, new = many([1], status="QUEUED"), many([1], status="RUNNING")
    responses = [Response(new[0], fetched_at=later(minutes=1)), Response(old[0], fetched_at=AT)]
    rows = normalize(QUANTUM_TASKS, responses, bookkeeping={"origin": "api"}).rows
    with transaction(connection):
        assert upsert(connection, QUANTUM_TASKS, rows) == Counts(new=1)
    assert status(connection, 1) == [("RUNNING",)]


def test_the_api_replaces_a_recovered_row_and_is_never_replaced_by_one(connection: Connection) -> None:
    recovered = many([1], createdAt="2026-11-19T23:59:59.123456Z")
    load(connection, *recovered, origin="results_file")
    assert load(connection, *many([1]), at=later(days=-1)) == Counts(changed=1)
    assert load(connection, *recovered, at=later(days=2), origin="results_file") == Counts(unchanged=1)
    assert connection.execute("SELECT origin, count(*) FROM quantum_tasks GROUP BY 1").fetchall() == [
        ("api", 1)
    ]


def test_a_failed_merge_leaves_everything_as_it_was(connection: Connection) -> None:
    load(connection, *many([1]))
    rows = normalize(QUANTUM_TASKS, [Response(many([2])[0])], bookkeeping={"origin": "api"}).rows

    def merge_and_break() -> None:
        with transaction(connection):
            upsert(connection, QUANTUM_TASKS, rows)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        merge_and_break()
    assert connection.execute("SELECT count(*) FROM quantum_tasks").fetchall() == [(1,)]


def poll(connection: Connection, state: str, position: str | None, at: datetime, number: int = 1) -> Counts:
    queue = {"queueInfo": {"queue": "QUANTUM_TASKS_QUEUE", "position": position}} if position else {}
    body = task_body(quantumTaskArn=arn(number), status=state, **queue)
    rows = normalize(TASK_OBSERVATIONS, [Response(body, fetched_at=at)], finish=with_position).rows
    with transaction(connection):
        return extend_observations(connection, TASK_OBSERVATIONS, rows)


def test_observations_are_runs_of_equal_states(connection: Connection) -> None:
    poll(connection, "QUEUED", "9", AT)
    poll(connection, "QUEUED", "9", later(minutes=1))
    poll(connection, "QUEUED", "9", later(minutes=1))  # the same answer once more
    poll(connection, "QUEUED", "7", later(minutes=2))
    poll(connection, "QUEUED", "9", later(minutes=3))
    poll(connection, "RUNNING", "None", later(minutes=4))
    poll(connection, "COMPLETED", None, later(minutes=5))
    poll(connection, "COMPLETED", None, later(minutes=6))
    poll(connection, "QUEUED", "1", AT)  # an old answer that comes late
    rows = connection.execute(
        "SELECT status, position, n_polls, observed_at, last_observed_at FROM task_observations ORDER BY observed_at"
    ).fetchall()
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("QUEUED", 9, 2),
        ("QUEUED", 7, 1),
        ("QUEUED", 9, 1),
        ("RUNNING", None, 1),
        ("COMPLETED", None, 2),
    ]
    assert rows[0][3:] == (AT, later(minutes=1))


def test_a_record_that_was_never_watched_leaves_no_observation(connection: Connection) -> None:
    assert poll(connection, "COMPLETED", None, AT) == Counts(unchanged=1)
    assert connection.execute("SELECT count(*) FROM task_observations").fetchall() == [(0,)]


def events(connection: Connection, *names: str, at: datetime = AT) -> Counts:
    job = {
        "jobArn": JOB_ARN,
        "createdAt": "2026-11-20T08:00:00Z",
        "events": [
            {"eventType": name, "timeOfEvent": f"2026-11-20T08:00:0{ord(name[0]) % 10}Z"} for name in names
        ],
    }
    rows = normalize(JOB_EVENTS, [Response(body, "GetJob", JOB_ARN, at) for body in event_bodies(job)]).rows
    with transaction(connection):
        return append_events(connection, rows)


def test_events_once_seen_are_kept_also_when_the_list_drops_its_beginning(connection: Connection) -> None:
    assert events(connection, "A", "B") == Counts(new=2)
    assert events(connection, "A", "B", "C", at=later(minutes=1)) == Counts(new=1, unchanged=2)
    assert events(connection, "B", "C", "D", "D", at=later(minutes=2)) == Counts(new=2, unchanged=2)
    assert events(connection, "A", "B") == Counts(unchanged=2)
    rows = connection.execute("SELECT event_index, event_type FROM job_events ORDER BY 1").fetchall()
    assert rows == [(0, "A"), (1, "B"), (2, "C"), (3, "D"), (4, "D")]


def listed(number: int, tags: dict[str, str] | None, at: datetime = AT) -> pa.Table:
    created = datetime.fromisoformat("2026-11-19T23:59:59.123Z")
    row = {"arn": arn(number), "created_at": created, "status": "COMPLETED", "tags": tags, "listed_at": at}
    return pa.Table.from_pylist([row], schema=listing.LISTING)


def test_tags_that_change_after_the_end_are_taken_from_the_listing(connection: Connection) -> None:
    load(connection, *many([1]))
    assert listing.update_tags(connection, QUANTUM_TASKS, listed(1, {"n": "1"}, later(days=1))) == 0
    assert listing.update_tags(connection, QUANTUM_TASKS, listed(1, None, later(days=1))) == 0
    assert listing.update_tags(connection, QUANTUM_TASKS, listed(1, {"n": "2"}, later(days=-1))) == 0
    assert listing.update_tags(connection, QUANTUM_TASKS, listed(1, {"n": "2"}, later(days=1))) == 1
    assert connection.execute("SELECT tags['n'] FROM quantum_tasks").fetchall() == [("2",)]
    # The hash went with the tags: the same content fetched again is no change.
    body = task_body(quantumTaskArn=arn(1), tags={"n": "2"})
    assert load(connection, body, at=later(days=2)) == Counts(unchanged=1)


def test_only_what_is_not_stored_in_a_final_state_is_to_be_fetched(connection: Connection) -> None:
    load(connection, *many([1]), *many([2], status="QUEUED"))
    both = pa.concat_tables([listed(n, None) for n in (1, 2, 3, 3)])
    assert [found for found, _ in listing.to_fetch(connection, QUANTUM_TASKS, both)] == [arn(2), arn(3)]
    [(day, n_listed, stored, rejected)] = listing.covered(connection, QUANTUM_TASKS, "GetQuantumTask", both)
    assert (day.isoformat(), n_listed, stored, rejected) == ("2026-11-19", 3, 2, 0)


def test_a_forgotten_record_is_kept_marked_and_not_asked_for_again(connection: Connection) -> None:
    load(connection, *many([1], status="RUNNING"))
    assert listing.mark_expired(connection, QUANTUM_TASKS, [(arn(1), later(days=60))]) == 0
    assert listing.mark_expired(connection, QUANTUM_TASKS, [(arn(1), later(days=91)), (arn(9), AT)]) == 1
    assert listing.open_records(connection, QUANTUM_TASKS) == []
    load(connection, *many([1], status="RUNNING"), at=later(days=92))  # it came back after all
    assert len(listing.open_records(connection, QUANTUM_TASKS)) == 1


def test_text_is_compressed_and_every_duckdb_from_1_2_can_read_the_file(warehouse: Warehouse) -> None:
    with warehouse.writing("testing") as connection:
        for start in range(0, 20_000, 5_000):
            load(connection, *many(range(start, start + 5_000), deviceParameters='{"a": 1}' * 40))
        connection.execute("CHECKPOINT")
        kinds = connection.execute(
            "SELECT DISTINCT compression FROM pragma_storage_info('quantum_tasks') "
            "WHERE column_name = 'device_parameters' AND segment_type = 'VARCHAR'"
        ).fetchall()
        version = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'warehouse'"
        ).fetchall()
    assert ("ZSTD",) in kinds
    assert version[0][0]["storage_version"].startswith("v1.2.0")


def test_the_lock_is_waited_for_with_a_bound_and_its_holder_is_named(warehouse: Warehouse) -> None:
    held = pytest.raises(LockHeldError, match="a long merge")
    with warehouse.writing("a long merge"), held, warehouse.writing("another"):
        pass


def test_a_warehouse_that_lost_rows_is_not_written_to(warehouse: Warehouse) -> None:
    with warehouse.writing("testing") as connection:
        load(connection, *many(range(10)))
    with duckdb.connect(str(warehouse.file)) as damage:
        damage.execute("DELETE FROM quantum_tasks WHERE quantum_task_arn < ?", [arn(5)])
    with pytest.raises(DamagedError, match="fewer rows"), warehouse.writing("testing"):
        pass


def test_a_warehouse_of_a_newer_version_is_left_alone(warehouse: Warehouse) -> None:
    with warehouse.writing("testing") as connection:
        connection.execute("INSERT INTO etl.migrations VALUES (999, 'from_the_future', now(), '99')")
    before = warehouse.file.read_bytes()
    with pytest.raises(NewerWarehouseError, match="999"), warehouse.writing("testing"):
        pass
    assert warehouse.file.read_bytes() == before


def test_a_column_that_is_new_in_the_declaration_is_added_to_an_older_warehouse(warehouse: Warehouse) -> None:
    with warehouse.writing("testing") as connection:
        load(connection, *many([1]))
        for view in ("task_costs", "task_latency"):
            connection.execute(f'DROP VIEW IF EXISTS "{view}"')
        connection.execute("ALTER TABLE quantum_tasks DROP COLUMN failure_reason")
        connection.execute("DELETE FROM etl.properties")
    with warehouse.writing("testing") as connection:
        assert connection.execute("SELECT failure_reason FROM quantum_tasks").fetchall() == [(None,)]
        load(connection, *many([2], failureReason="tired"))
        assert connection.execute("SELECT count(failure_reason) FROM quantum_tasks").fetchall() == [(1,)]


def test_every_table_view_and_column_has_a_comment(connection: Connection) -> None:
    for query in (
        "SELECT table_name FROM duckdb_tables() WHERE comment IS NULL AND schema_name IN ('main', 'etl')",
        "SELECT view_name FROM duckdb_views() WHERE comment IS NULL AND NOT internal",
        "SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal "
        "AND table_name NOT IN ('properties', 'migrations')",
    ):
        assert connection.execute(f"{query} AND database_name = current_database()").fetchall() == []
