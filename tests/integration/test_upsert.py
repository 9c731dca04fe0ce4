"""Merging: what is stored after batches that repeat, change, age and contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from braket_etl.tables import JOB_EVENTS, QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables.job_events import event_bodies
from braket_etl.tables.normalize import normalize
from braket_etl.tables.observations import with_position
from braket_etl.warehouse import future, listing, unsettled
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.errors import DamagedError, LockHeldError, NewerWarehouseError
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import Counts, append_events, extend_observations, moved_records, upsert
from tests.unit.test_tables import AT, JOB_ARN, Response, task_body
from tests.warehouses import empty_warehouse

pytestmark = pytest.mark.warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return replace(empty_warehouse(tmp_path), lock_timeout=0.3)


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


def test_the_last_word_counts_also_where_it_takes_back_a_final_status(connection: Connection) -> None:
    load(connection, *many([1]))
    assert load(connection, *many([1], status="FAILED"), at=later(hours=1)) == Counts(changed=1)
    assert load(connection, *many([1], status="RUNNING"), at=later(hours=2)) == Counts(changed=1)
    assert status(connection, 1) == [("RUNNING",)]


def test_of_two_answers_of_one_second_the_final_one_counts(connection: Connection) -> None:
    load(connection, *many([1], status="RUNNING"))
    assert load(connection, *many([1])) == Counts(changed=1)
    assert load(connection, *many([1], status="RUNNING")) == Counts(unchanged=1)
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


def timed_events(connection: Connection, *seconds: float, at: datetime = AT) -> Counts:
    job = {
        "jobArn": JOB_ARN,
        "createdAt": "2026-11-20T08:00:00Z",
        "events": [
            {"eventType": f"E{n}", "timeOfEvent": (AT + timedelta(seconds=s)).isoformat(), "message": "m"}
            for n, s in enumerate(seconds)
        ],
    }
    rows = normalize(JOB_EVENTS, [Response(body, "GetJob", JOB_ARN, at) for body in event_bodies(job)]).rows
    with transaction(connection):
        return append_events(connection, rows)


def test_events_whose_times_shift_are_the_same_events(connection: Connection) -> None:
    for n in range(4):  # by some milliseconds at each answer
        timed_events(connection, *(s + n / 1000 for s in (1, 2, 3)), at=later(minutes=n))
    assert timed_events(connection, 1, 2, 600, 601, at=later(minutes=9)) == Counts(
        new=1, changed=1, unchanged=2
    )
    rows = connection.execute("SELECT event_index, time_of_event FROM job_events ORDER BY 1").fetchall()
    assert rows == [
        (0, later(seconds=1)),
        (1, later(seconds=2)),
        (2, later(seconds=600)),
        (3, later(seconds=601)),
    ]
    # twenty are as many as Braket shows: what was dropped is not known, so that they are compared one by one
    timed_events(connection, *range(3, 23), at=later(minutes=10))
    assert connection.execute("SELECT count(*) FROM job_events").fetchall() == [(24,)]


CREATED = datetime.fromisoformat("2026-11-19T23:59:59.123Z")
WINDOW = (datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))


def listed(*numbers: int, **said: Any) -> pa.Table:
    """Summaries of tasks as `task_body` has them, but for what is said otherwise."""
    summary = {
        "created_at": CREATED,
        "status": "COMPLETED",
        "ended_at": datetime.fromisoformat("2026-11-20T00:00:30Z"),
        "shots": 1000,
        "is_complete": True,
    }
    rows = [{**summary, "tags": {"n": str(n)}, **said, "arn": arn(n)} for n in numbers]
    return pa.Table.from_pylist(rows, schema=listing.LISTING)


def ended(*numbers: int, **members: Any) -> list[dict[str, Any]]:
    """Tasks that ended as `listed` says."""
    return many(numbers, endedAt="2026-11-20T00:00:30Z", **members)


def wanted(connection: Connection, summaries: pa.Table, at: datetime) -> list[str]:
    """What of a listing is asked for; then, as a pull does, what still contradicts is noted."""
    with listing.compared(connection, QUANTUM_TASKS, summaries, WINDOW):
        return [found for found, _ in listing.to_fetch(connection, at)]


def noted(connection: Connection, summaries: pa.Table, at: datetime) -> None:
    with transaction(connection), listing.compared(connection, QUANTUM_TASKS, summaries, WINDOW):
        listing.note_contradictions(connection, QUANTUM_TASKS, at)


@pytest.mark.parametrize(
    "said",
    [
        {"status": "FAILED"},
        {"ended_at": datetime.fromisoformat("2026-11-20T00:00:33Z")},
        {"shots": 900},
        {"tags": {"n": "1", "team": "b"}},
        {"tags": None},  # of a complete summary: there are none any longer
        {"created_at": CREATED + timedelta(seconds=5)},
    ],
)
def test_what_the_listing_says_otherwise_is_asked_for_at_once(
    connection: Connection, said: dict[str, Any]
) -> None:
    load(connection, *ended(1, 2))
    assert wanted(connection, listed(1, 2), later(days=1)) == []
    assert wanted(connection, listed(1, **said), later(days=1)) == [arn(1)]


@pytest.mark.parametrize(
    "said",
    [
        {"ended_at": None},
        {"ended_at": datetime.fromisoformat("2026-11-20T00:00:30.4Z")},
        {"shots": None},
        {"tags": None, "is_complete": False},
    ],
)
def test_what_a_summary_leaves_out_or_rounds_is_no_contradiction(
    connection: Connection, said: dict[str, Any]
) -> None:
    load(connection, *ended(1))
    assert wanted(connection, listed(1, **said), later(days=1)) == []


def test_a_contradiction_that_stays_is_asked_for_ever_later_and_then_no_more(connection: Connection) -> None:
    load(connection, *ended(1), at=later(days=2))
    contradicting = listed(1, status="FAILED")
    asked, at = [], later(days=1)
    for hour in range(60):
        now = at + timedelta(hours=hour)
        if wanted(connection, contradicting, now):
            asked.append(hour)
        noted(connection, contradicting, now)
    assert asked == [0, 1, 3, 7, 15]
    assert wanted(connection, listed(1, status="CANCELLED"), at + timedelta(hours=60)) == [arn(1)]
    noted(connection, listed(1), at + timedelta(hours=61))  # it agrees: settled
    assert connection.execute("FROM etl.unsettled_records").fetchall() == []


def test_what_is_not_stored_in_a_final_state_is_to_be_fetched(connection: Connection) -> None:
    load(connection, *ended(1), *many([2], status="QUEUED"))
    summaries = listed(1, 2, 3, 3)
    with listing.compared(connection, QUANTUM_TASKS, summaries, WINDOW):
        assert [found for found, _ in listing.to_fetch(connection, AT)] == [arn(2), arn(3)]
        assert listing.covered(connection, "GetQuantumTask") == [listing.Covered(CREATED.date(), 3, 2, 0)]
        assert [found for found, _ in listing.not_stored(connection, "GetQuantumTask")] == [arn(3)]


def due(connection: Connection, at: datetime) -> list[str]:
    return [found for _, _, found, _ in unsettled.due_records(connection, QUANTUM_TASKS, at)]


def test_what_had_just_ended_is_got_once_more_after_an_hour_and_never_again(connection: Connection) -> None:
    ended = "2026-11-20T00:00:30Z"
    first = datetime.fromisoformat("2026-11-20T06:00:00Z")
    load(connection, *many([1], endedAt=ended), at=first)
    assert due(connection, first + timedelta(minutes=59)) == []
    assert due(connection, first + timedelta(hours=1)) == [arn(1)]
    load(connection, *many([1], endedAt=ended), at=first + timedelta(minutes=30))  # too early to count
    assert due(connection, first + timedelta(hours=1)) == [arn(1)]
    load(connection, *many([1], endedAt=ended, numSuccessfulShots=998), at=first + timedelta(hours=1))
    assert due(connection, first + timedelta(days=9)) == []
    assert connection.execute("FROM etl.unsettled_records").fetchall() == []


def test_what_is_not_found_at_its_second_get_is_asked_for_ever_later_until_it_is_forgotten(
    connection: Connection,
) -> None:
    load(connection, *ended(1))
    asked = []
    for hours in (1, 2, 4, 8, 16, 32, 100, 300, 900, 2_160):
        if due(connection, at := later(hours=hours)):
            asked.append(hours)
            listing.mark_expired(connection, QUANTUM_TASKS, [(arn(1), at)])
            assert due(connection, at + timedelta(minutes=59)) == []
    assert len(asked) > 5
    assert asked[-1] == 2_160
    assert connection.execute("FROM etl.unsettled_records").fetchall() == []


def test_what_ended_a_day_ago_is_settled_at_once(connection: Connection) -> None:
    load(connection, *many([1], endedAt="2026-11-20T00:00:30Z"), at=later(days=2))
    assert connection.execute("FROM etl.unsettled_records").fetchall() == []
    load(connection, *many([2], endedAt=None), at=later(days=2))  # nobody knows when
    assert due(connection, later(days=3)) == [arn(2)]


def test_an_open_record_of_an_older_warehouse_is_found(connection: Connection) -> None:
    load(connection, *many([1], status="QUEUED"))
    connection.execute("DELETE FROM etl.unsettled_records")
    unsettled.refill(connection, QUANTUM_TASKS)
    assert [found for _, _, found, _ in unsettled.open_records(connection, QUANTUM_TASKS)] == [arn(1)]


@pytest.mark.parametrize("seconds", [0.0004, 3, 90_000, 30 * 86_400])
def test_a_record_whose_time_of_creation_moves_is_one_row(connection: Connection, seconds: float) -> None:
    created = datetime.fromisoformat("2026-11-19T23:59:59.123Z")
    for n in range(4):
        body = many([1], status="QUEUED", createdAt=(created + n * timedelta(seconds=seconds)).isoformat())
        load(connection, *body, at=later(minutes=n))
    rows = connection.execute("SELECT created_at, first_seen_at FROM quantum_tasks").fetchall()
    assert rows == [(created + 3 * timedelta(seconds=seconds), AT)]


def test_an_ended_record_is_found_under_the_time_that_it_was_asked_for_with(connection: Connection) -> None:
    load(connection, *many([1], createdAt="2026-09-01T00:00:00Z"), at=later(days=2))
    moved = Response(many([1], createdAt="2026-10-01T00:00:00Z")[0], arn=arn(1), fetched_at=later(days=3))
    rows = normalize(QUANTUM_TASKS, [moved], bookkeeping={"origin": "api"}).rows
    with transaction(connection):
        upsert(connection, QUANTUM_TASKS, rows, {arn(1): datetime(2026, 9, 1, tzinfo=UTC)})
        assert [found for found, _, _ in moved_records(connection, QUANTUM_TASKS)] == [arn(1)]
    assert connection.execute("SELECT count(*) FROM quantum_tasks").fetchall() == [(1,)]


def test_an_unknown_record_of_a_whole_day_is_looked_for_in_the_whole_table(connection: Connection) -> None:
    load(connection, *ended(1, createdAt="2026-09-01T00:00:00Z"), at=later(days=2))
    with listing.compared(connection, QUANTUM_TASKS, listed(1), WINDOW):
        assert listing.to_fetch(connection, AT) == [(arn(1), CREATED)]
        assert listing.look_up(connection, QUANTUM_TASKS, [CREATED.date()]) == 1
        assert listing.to_fetch(connection, AT) == [(arn(1), datetime(2026, 9, 1, tzinfo=UTC))]


def test_rows_dated_later_than_now_are_dated_now_and_give_way_to_what_comes(connection: Connection) -> None:
    poll(connection, "QUEUED", "9", later(days=365 * 73))
    load(connection, *many([1], status="QUEUED"), at=later(days=365 * 73))
    assert future.heal(connection, later(hours=1), timedelta(minutes=5)) > 0
    assert future.heal(connection, later(hours=1), timedelta(minutes=5)) == 0
    assert load(connection, *many([1], status="RUNNING"), at=later(hours=2)) == Counts(changed=1)
    assert poll(connection, "RUNNING", None, later(hours=2)) == Counts(new=1)


def test_a_forgotten_record_is_kept_marked_and_not_asked_for_again(connection: Connection) -> None:
    load(connection, *many([1], status="RUNNING"))
    assert listing.mark_expired(connection, QUANTUM_TASKS, [(arn(1), later(days=60))]) == 0
    assert listing.mark_expired(connection, QUANTUM_TASKS, [(arn(1), later(days=91)), (arn(9), AT)]) == 1
    assert unsettled.open_records(connection, QUANTUM_TASKS) == []
    load(connection, *many([1], status="RUNNING"), at=later(days=92))  # it came back after all
    assert len(unsettled.open_records(connection, QUANTUM_TASKS)) == 1


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
