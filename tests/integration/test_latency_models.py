"""What task_latency, job_stages, job_latency and the models of devices and depths say, case by case."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from braket_etl.analysis.forecast import compute
from braket_etl.analysis.next_wait import closed_now, next_wait
from braket_etl.pull.events import event_rows
from braket_etl.tables import DEVICES, JOB_EVENTS, JOBS, QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables.devices import DEVICE_OBSERVATIONS, DEVICE_STATE, with_depths
from braket_etl.tables.job_events import event_bodies
from braket_etl.tables.normalize import normalize
from braket_etl.tables.observations import with_position
from braket_etl.tables.state_change_events import STATE_CHANGE_EVENTS
from braket_etl.tables.task_results import TASK_RESULTS
from braket_etl.tables.wait_forecast import WAIT_FORECAST
from braket_etl.warehouse.checks import checks, run_check
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.upsert import append_events, extend_observations, replace_rows, upsert

pytestmark = pytest.mark.warehouse

CREATED = datetime(2026, 11, 2, 10, 0, 0, 500_000, UTC)  # a Monday
ARN = "arn:aws:braket:us-east-1:123456789012:quantum-task/1"
JOB = "arn:aws:braket:us-east-1:123456789012:job/1"
QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"


@dataclass
class Answer:
    """One response and when it was given."""

    operation: str
    arn: str
    body: dict
    fetched_at: datetime


def at(seconds):
    return CREATED + timedelta(seconds=seconds)


def iso(seconds):
    return at(seconds).isoformat()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warehouse")
    with FileWarehouse(folder, folder / "published.duckdb").writing("test") as connection:
        yield connection


@pytest.fixture
def con(warehouse):
    """The warehouse, empty again after each test."""
    warehouse.execute("BEGIN TRANSACTION")
    yield warehouse
    warehouse.execute("ROLLBACK")
    warehouse.execute("SET TimeZone = 'UTC'")


def task_body(status, ended=None, arn=ARN, **more):
    body = {
        "quantumTaskArn": arn,
        "status": status,
        "deviceArn": QPU,
        "deviceParameters": "{}",
        "shots": 100,
        "outputS3Bucket": "bucket",
        "outputS3Directory": "folder",
        "createdAt": iso(0),
        **more,
    }
    return body if ended is None else {**body, "endedAt": iso(ended)}


def seen(con, *sights, arn=ARN, **more):
    """Store each sight of a task, (seconds, status) or (seconds, status, ended), as a pull does."""
    for seconds, status, *ended in sights:
        body = task_body(status, *ended, arn=arn, **more)
        answers = [Answer("GetQuantumTask", arn, body, at(seconds))]
        upsert(con, QUANTUM_TASKS, normalize(QUANTUM_TASKS, answers, bookkeeping={"origin": "api"}).rows)
        polls = normalize(TASK_OBSERVATIONS, answers, finish=with_position).rows
        extend_observations(con, TASK_OBSERVATIONS, polls)


def rows(con, query):
    cursor = con.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def latency(con):
    (row,) = rows(con, "FROM task_latency")
    return row


def wait(row):
    return row["wait_seconds_lower"], row["wait_seconds_upper"]


def counted(con):
    (row,) = rows(con, "FROM waits")
    return {key: row[key] for key in ("certainty", "is_counted", "left_out", "is_waiting")}


def run(row):
    return row["run_seconds_lower"], row["run_seconds_upper"]


def test_a_watched_task_waited_from_the_last_sight_of_it_waiting_to_the_first_of_it_running(con):
    seen(con, (60, "CREATED"), (120, "QUEUED"), (180, "RUNNING"), (240, "COMPLETED", 200))
    row = latency(con)
    assert (wait(row), run(row)) == ((120, 180), (20, 80))
    assert (row["turnaround_seconds"], row["basis"], row["end_kind"]) == (200, "polled", "completed")
    assert (row["is_censored"], row["is_reservation"], row["is_counted"]) == (False, False, True)


def test_a_task_that_started_and_ended_between_two_polls_started_before_its_end(con):
    seen(con, (60, "QUEUED"), (960, "COMPLETED", 100))
    row = latency(con)
    assert (wait(row), run(row)) == ((60, 100), (0, 40))
    # statistics take the poll, which does not depend on the wait, and not the end, which does
    assert (row["stat_seconds_lower"], row["stat_seconds_upper"]) == (60, 960)


def test_a_task_first_seen_after_its_end_is_known_by_bounds_only(con):
    seen(con, (900, "COMPLETED", 100))
    row = latency(con)
    assert (wait(row), run(row), row["basis"]) == ((0, 100), (0, 100), "bounds_only")
    assert (row["stat_seconds_lower"], row["stat_seconds_upper"]) == (0, 900)


@pytest.mark.parametrize("status", ["CREATED", "QUEUED"])
def test_a_waiting_task_is_censored_at_the_last_sight_of_it(con, status):
    seen(con, (60, status), (360, status))
    row = latency(con)
    assert (wait(row), run(row)) == ((360, None), (None, None))
    assert (row["is_censored"], row["end_kind"], row["turnaround_seconds"]) == (True, None, None)


def test_a_task_seen_once_running_started_before_that_sight(con):
    seen(con, (60, "RUNNING"))
    row = latency(con)
    assert (wait(row), run(row), row["is_censored"]) == ((0, 60), (0, None), False)


def test_a_running_task_has_run_at_least_since_it_was_seen(con):
    seen(con, (60, "QUEUED"), (120, "RUNNING"), (600, "RUNNING"))
    assert run(latency(con)) == (480, None)


def test_a_task_cancelled_while_it_was_seen_waiting_is_censored(con):
    seen(con, (60, "QUEUED"), (120, "CANCELLING"), (180, "CANCELLED", 130))
    row = latency(con)
    assert (wait(row), row["end_kind"], row["is_censored"]) == ((60, None), "cancelled_in_queue", True)
    assert run(row) == (0, 70)


def test_a_task_cancelled_while_it_ran_waited_like_any_other(con):
    seen(con, (60, "QUEUED"), (120, "RUNNING"), (180, "CANCELLED", 130))
    row = latency(con)
    assert (wait(row), row["end_kind"], row["is_censored"]) == ((60, 120), "cancelled", False)


def test_a_task_first_seen_cancelled_may_have_run_or_not(con):
    seen(con, (900, "CANCELLED", 100))
    row = latency(con)
    assert (wait(row), run(row), row["end_kind"], row["basis"]) == (
        (0, 100),
        (0, 100),
        "cancelled",
        "bounds_only",
    )
    assert not row["is_counted"]


def test_a_task_that_is_being_cancelled_and_never_ran_is_censored(con):
    seen(con, (60, "QUEUED"), (120, "CANCELLING"))
    row = latency(con)
    assert (wait(row), row["is_censored"], row["end_kind"]) == ((60, None), True, None)


def test_a_task_whose_cancellation_came_too_late_ran(con):
    seen(con, (60, "QUEUED"), (120, "CANCELLING"), (180, "COMPLETED", 150))
    row = latency(con)
    assert (wait(row), row["end_kind"]) == ((60, 150), "completed")


def test_a_failed_task_that_was_never_seen_running_counts_as_still_waiting_in_statistics(con):
    seen(con, (60, "QUEUED"), (180, "FAILED", 90))
    row = latency(con)
    assert (wait(row), row["end_kind"], row["is_censored"]) == ((60, 90), "failed", False)
    assert (row["stat_seconds_lower"], row["stat_seconds_upper"]) == (60, None)


def test_a_clock_of_whole_seconds_makes_no_negative_wait(con):
    seen(con, (-0.5, "CREATED"), (120, "RUNNING"))
    assert wait(latency(con)) == (0, 120)


def test_a_late_answer_does_not_make_a_wait_longer_than_the_turnaround(con):
    seen(con, (60, "QUEUED"), (200, "QUEUED"), (260, "COMPLETED", 150))
    assert wait(latency(con)) == (150, 150)


def test_a_task_without_end_time_is_bounded_by_the_poll_that_saw_it_ended(con):
    seen(con, (60, "QUEUED"), (180, "COMPLETED"))
    row = latency(con)
    assert (wait(row), row["turnaround_seconds"], run(row)) == ((60, 180), None, (None, None))


def test_tasks_of_a_reservation_are_marked_and_not_counted(con):
    reservation = {"type": "RESERVATION_TIME_WINDOW_ARN", "arn": "arn:aws:braket:us-east-1:123456789012:r/1"}
    seen(con, (60, "QUEUED"), (120, "RUNNING"), associations=[reservation])
    row = latency(con)
    assert (row["is_reservation"], row["is_counted"], wait(row)) == (True, False, (60, 120))


RESERVED = {
    "associations": [
        {"type": "RESERVATION_TIME_WINDOW_ARN", "arn": "arn:aws:braket:us-east-1:123456789012:r/1"}
    ]
}


@pytest.mark.parametrize(
    ("sights", "more", "expected"),
    [
        ([(60, "QUEUED"), (120, "RUNNING"), (240, "COMPLETED", 200)], {}, ("bounded", True, None, False)),
        ([(60, "QUEUED"), (200, "QUEUED"), (260, "COMPLETED", 150)], {}, ("exact", True, None, False)),
        ([(60, "QUEUED")], {}, ("censored", True, None, True)),
        ([(60, "QUEUED"), (180, "CANCELLED", 130)], {}, ("censored", True, None, False)),
        ([(60, "QUEUED"), (120, "RUNNING")], RESERVED, ("bounded", False, "reservation", False)),
        ([(900, "CANCELLED", 100)], {}, ("bounded", False, "end_not_seen", False)),
        ([(900, "FAILED", 100)], {}, ("bounded", False, "end_not_seen", False)),
        ([(60, "CANCELLING")], {}, ("censored", False, "end_not_seen", True)),
    ],
)
def test_a_wait_says_how_it_is_known_and_why_it_is_not_counted(con, sights, more, expected):
    seen(con, *sights, **more)
    assert tuple(counted(con).values()) == expected


@pytest.mark.parametrize(
    ("seconds", "rests_on_it"),
    [([(86_402, "COMPLETED", 100)], True), ([(86_400, "COMPLETED")], True), ([(86_402, "COMPLETED")], False),
     ([(60, "QUEUED"), (90_000, "COMPLETED", 100)], True), ([(900, "CANCELLED", 100)], False)],
)  # fmt: skip
def test_no_estimate_rests_on_what_was_first_seen_a_day_after_its_creation_with_no_turnaround(
    con, seconds, rests_on_it
):
    seen(con, *seconds)
    assert rows(con, "FROM waits")[0]["is_estimated_from"] is rests_on_it


def test_a_wait_without_bound_is_longer_than_every_other(con):
    for number in range(3):
        seen(con, (60 + number, "QUEUED"), arn=f"{ARN}{number}")
    for number in range(3, 5):
        seen(con, (60, "QUEUED"), (100 + number, "RUNNING"), arn=f"{ARN}{number}")
    job_seen(con, 300, [happened(1, "WAITING_FOR_PRIORITY")], status="QUEUED")
    (row,) = rows(
        con,
        "SELECT quantile_disc(wait_seconds_at_most, [0.4, 0.5]) AS found FROM waits WHERE record_kind = 'task'",
    )
    assert row["found"] == [104, float("inf")]


def test_a_job_waits_as_a_task_does(con):
    job_seen(
        con,
        999,
        [happened(2, "WAITING_FOR_PRIORITY"), happened(30, "STARTING_INSTANCE")],
        started=71,
        ended=200,
    )
    (row,) = rows(con, "FROM waits")
    assert (row["record_kind"], row["record_arn"], wait(row), row["certainty"]) == (
        "job",
        JOB,
        (71, 71),
        "exact",
    )
    assert (row["queue_seconds"], row["startup_seconds"], row["is_counted"]) == (30, 41, True)
    assert (row["account_id"], row["region"], row["device_name"]) == ("123456789012", "us-east-1", "Forte-1")


def test_beside_a_wait_stands_who_created_the_task_or_job(con):
    seen(con, (60, "QUEUED"))
    job_seen(con, 60, [happened(60, "QUEUED_FOR_EXECUTION")], status="QUEUED")
    con.execute("UPDATE quantum_tasks SET created_by = 'ann'; UPDATE jobs SET created_by = 'bob, \U0001f984'")
    people = [("job", "bob, \U0001f984"), ("task", "ann")]
    assert con.sql("SELECT record_kind, created_by FROM waits ORDER BY ALL").fetchall() == people
    assert con.sql("SELECT created_by FROM job_timelines").fetchall() == [("bob, \U0001f984",)]


def event(seconds, status, number, **detail):
    return json.dumps(
        {
            "version": "0",
            "id": f"event-{number}",
            "detail-type": "Braket Task State Change",
            "source": "aws.braket",
            "account": "123456789012",
            "time": at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "us-east-1",
            "resources": [ARN],
            "detail": {"quantumTaskArn": ARN, "status": status, "deviceArn": QPU, "shots": "100", **detail},
        }
    )


def test_an_event_makes_the_start_exact_to_the_second_whatever_the_order(con):
    seen(con, (60, "QUEUED"), (960, "COMPLETED", 300))
    texts = [
        event(300, "COMPLETED", 3),
        event(100.5, "RUNNING", 2),
        event(1, "QUEUED", 1),
        event(100.5, "RUNNING", 2),
    ]
    normalized = event_rows(texts, at(1000))
    replace_rows(con, STATE_CHANGE_EVENTS, normalized.rows)
    replace_rows(con, STATE_CHANGE_EVENTS, normalized.rows)
    assert con.execute("SELECT count(*) FROM state_change_events").fetchall() == [(3,)]
    row = latency(con)
    assert (wait(row), run(row), row["basis"]) == ((100.5, 100.5), (199.5, 199.5), "exact")
    assert (row["stat_seconds_lower"], row["stat_seconds_upper"]) == (100.5, 100.5)


HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("doubt", "changes"),
    [
        ("source", {"source": "my.app"}),
        ("source", {"source": None}),
        ("account", {"account": "999999999999"}),
        ("region", {"region": "eu-north-1"}),
        ("kind", {"detail-type": "Braket Job State Change"}),
        ("before creation", {"seconds": -3 * DAY}),
        ("before creation", {"seconds": -6.5}),
        ("after end", {"seconds": 306.5}),
        ("after end", {"seconds": 30 * DAY}),
        ("after end", {"seconds": 900, "status": "QUEUED"}),
        ("after end", {"seconds": 900, "status": "CREATED"}),
        ("after end", {"seconds": HOUR, "status": "COMPLETED"}),
        ("future", {"seconds": 90 * DAY}),
    ],
)
@pytest.mark.parametrize("sights", [[(60, "QUEUED"), (960, "COMPLETED", 300)], [(960, "COMPLETED", 300)]])
def test_an_event_that_cannot_be_true_is_kept_and_changes_nothing(con, doubt, changes, sights):
    seen(con, *sights)
    before = latency(con)
    more = {"seconds": 100.5, "status": "RUNNING", **changes}
    told = json.loads(event(more.pop("seconds"), more.pop("status"), 1)) | more
    replace_rows(con, STATE_CHANGE_EVENTS, event_rows([json.dumps(told)], at(40 * DAY)).rows)
    assert con.execute("SELECT doubt FROM state_changes").fetchall() == [(doubt,)]
    assert latency(con) == before
    check = next(check for check in checks() if check.name == "events_can_be_true")
    finding = run_check(con, check)
    assert (finding.passed, finding.records) == (False, 1)
    assert f"doubt: {doubt} event" in finding.examples[0]
    assert ARN in finding.examples[0]


@pytest.mark.parametrize(
    ("seconds", "status"), [(-0.5, "RUNNING"), (300, "RUNNING"), (302, "COMPLETED"), (400, "COMPLETED")]
)
def test_an_event_at_the_edge_of_its_record_s_life_is_believed(con, seconds, status):
    seen(con, (60, "QUEUED"), (960, "COMPLETED", 300))
    replace_rows(con, STATE_CHANGE_EVENTS, event_rows([event(seconds, status, 1)], at(1000)).rows)
    assert con.execute("SELECT doubt FROM state_changes").fetchall() == [(None,)]
    assert latency(con)["basis"] == ("exact" if status == "RUNNING" else "polled")


def test_an_event_after_the_last_answer_about_an_ended_task_without_an_end_is_not_believed(con):
    seen(con, (60, "QUEUED"), (960, "COMPLETED"))
    replace_rows(con, STATE_CHANGE_EVENTS, event_rows([event(DAY, "RUNNING", 1)], at(2 * DAY)).rows)
    assert latency(con)["basis"] == "polled"


def test_events_that_an_older_version_stored_without_their_source_are_believed(con):
    seen(con, (960, "COMPLETED", 300))
    replace_rows(con, STATE_CHANGE_EVENTS, event_rows([event(100.5, "RUNNING", 1)], at(1000)).rows)
    con.execute("UPDATE state_change_events SET source = NULL")
    assert latency(con)["basis"] == "exact"


def test_without_the_running_event_the_others_still_narrow_the_wait(con):
    seen(con, (900, "COMPLETED", 300))
    replace_rows(con, STATE_CHANGE_EVENTS, event_rows([event(10.5, "QUEUED", 1)], at(1000)).rows)
    row = latency(con)
    assert (wait(row), row["basis"]) == ((10.5, 300), "polled")


def test_on_a_simulator_execution_is_known_and_the_overhead_is_the_devices_floor(con):
    for number, ended in ((1, 5), (2, 9)):
        arn = f"{ARN}{number}"
        seen(con, (60, "COMPLETED", ended), arn=arn, deviceArn=SV1)
        result = {
            "quantum_task_arn": arn,
            "account_id": "123456789012",
            "region": "us-east-1",
            "execution_duration_ms": 3000,
            "fetched_at": at(99),
        }
        replace_rows(con, TASK_RESULTS, pa.Table.from_pylist([result], schema=TASK_RESULTS.arrow_schema))
    idle, waited = rows(con, "FROM task_latency ORDER BY quantum_task_arn")
    assert (wait(idle), run(idle)) == ((0, 2), (3, 3))
    assert (wait(waited), run(waited), waited["overhead_seconds"]) == ((0, 6), (3, 3), 2)
    assert (waited["stat_seconds_lower"], waited["stat_seconds_upper"]) == (4, 4)


def test_the_session_time_zone_changes_nothing(con):
    seen(con, (60, "QUEUED"), (120, "RUNNING"), (180, "COMPLETED", 130))
    poll_device(con, 0, windows=[window("Weekdays", "22:00:00", "13:59:59")])
    models = ("task_latency", "task_wait_parts", "queue_heatmap", "device_open_hours", "queue_depth")
    in_utc = [as_instants(rows(con, f"FROM {model} ORDER BY ALL")) for model in models]
    con.execute("SET TimeZone = 'America/New_York'")
    assert [as_instants(rows(con, f"FROM {model} ORDER BY ALL")) for model in models] == in_utc
    assert all(in_utc)


def as_instants(found):
    return [
        {name: v.astimezone(UTC) if isinstance(v, datetime) else v for name, v in row.items()}
        for row in found
    ]


def job_body(events, started=None, ended=None, status="COMPLETED"):
    body = {
        "jobArn": JOB,
        "jobName": "job",
        "roleArn": "arn:aws:iam::123456789012:role/r",
        "status": status,
        "createdAt": iso(0),
        "outputDataConfig": {"s3Path": "s3://b/k"},
        "algorithmSpecification": {},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        "deviceConfig": {"device": QPU},
        "events": events,
    }
    if started is not None:
        body["startedAt"] = iso(started)
    if ended is not None:
        body["endedAt"] = iso(ended)
    return body


def job_seen(con, seconds, *args, **kwargs):
    body = job_body(*args, **kwargs)
    answer = Answer("GetJob", JOB, body, at(seconds))
    upsert(con, JOBS, normalize(JOBS, [answer], bookkeeping={"origin": "api"}).rows)
    events = [Answer("GetJob", JOB, event, at(seconds)) for event in event_bodies(body)]
    append_events(con, normalize(JOB_EVENTS, events).rows)


def happened(seconds, kind):
    return {"eventType": kind, "timeOfEvent": iso(seconds), "message": ""}


def stages(con):
    return [
        (row["stage"], row["phase"], row["seconds"])
        for row in rows(con, "FROM job_stages ORDER BY stage_index")
    ]


def test_the_stages_of_a_job_fill_its_time_without_a_gap(con):
    job_seen(
        con,
        999,
        [
            happened(70, "RUNNING"),  # out of order
            happened(2, "WAITING_FOR_PRIORITY"),
            happened(30, "STARTING_INSTANCE"),
            happened(30, "STARTING_INSTANCE"),  # repeated
            {"eventType": None, "timeOfEvent": None},  # null
            {"eventType": "QUEUED_FOR_EXECUTION"},  # without time
            happened(100, "DEPRIORITIZED_DUE_TO_INACTIVITY"),
            happened(110, "WAITING_FOR_PRIORITY"),
            happened(130, "RUNNING"),
            happened(180, "UPLOADING_RESULTS"),
            happened(205, "COMPLETED"),  # after the end
        ],
        started=71,
        ended=200,
    )
    assert stages(con) == [
        ("CREATED", "queue", 2),
        ("WAITING_FOR_PRIORITY", "queue", 28),
        ("STARTING_INSTANCE", "startup", 40),
        ("RUNNING", "run", 30),
        ("DEPRIORITIZED_DUE_TO_INACTIVITY", "deprioritized", 10),
        ("WAITING_FOR_PRIORITY", "deprioritized", 20),
        ("RUNNING", "run", 50),
        ("UPLOADING_RESULTS", "upload", 20),
        ("COMPLETED", "end", 0),
    ]
    (job,) = rows(con, "FROM job_latency")
    assert sum(seconds for *_, seconds in stages(con)) == job["turnaround_seconds"] == 200
    assert wait(job) == (71, 71)
    assert (job["queue_seconds"], job["startup_seconds"], job["run_seconds"]) == (30, 40, 129)
    assert (job["deprioritized_seconds"], job["upload_seconds"], job["basis"]) == (30, 20, "exact")


def test_a_job_without_events_has_a_wait_that_cannot_be_split(con):
    job_seen(con, 999, None, started=50, ended=200)
    assert stages(con) == [("CREATED", "queue", 50), ("RUNNING", "run", 150)]
    (job,) = rows(con, "FROM job_latency")
    assert (wait(job), job["queue_seconds"], job["startup_seconds"]) == ((50, 50), None, None)


def test_a_job_that_still_waits_is_censored_at_the_last_sight_of_it(con):
    job_seen(con, 300, [happened(1, "WAITING_FOR_PRIORITY")], status="QUEUED")
    (job,) = rows(con, "FROM job_latency")
    assert (wait(job), job["is_censored"], job["run_seconds"], job["turnaround_seconds"]) == (
        (300, None),
        True,
        None,
        None,
    )
    assert rows(con, "FROM job_stages WHERE is_open")[0]["stage"] == "WAITING_FOR_PRIORITY"


def test_a_job_cancelled_before_its_start_is_cancelled_in_the_queue(con):
    job_seen(con, 300, [happened(90, "CANCELLED")], ended=100, status="CANCELLED")
    (job,) = rows(con, "FROM job_latency")
    assert (job["end_kind"], job["is_censored"], job["turnaround_seconds"]) == (
        "cancelled_in_queue",
        True,
        100,
    )


def window(day, start, end):
    return {"executionDay": day, "windowStartHour": start, "windowEndHour": end}


def poll_device(con, seconds, status="ONLINE", windows=(), depth="40", reason=None):
    body = {
        **({} if reason is None else {"deviceStatusReason": reason}),
        "deviceArn": QPU,
        "deviceName": "Forte 1",
        "providerName": "IonQ",
        "deviceType": "QPU",
        "deviceStatus": status,
        "deviceCapabilities": json.dumps({"service": {"executionWindows": list(windows)}}),
        "deviceQueueInfo": [
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": depth, "queuePriority": "Normal"},
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "3", "queuePriority": "Priority"},
            {"queue": "JOBS_QUEUE", "queueSize": "0 (1 prioritized job(s) running)"},
        ],
    }
    answers = [Answer("GetDevice", QPU, body, at(seconds))]
    replace_rows(con, DEVICES, normalize(DEVICES, answers, bookkeeping={"origin": "api"}).rows)
    polls = normalize(DEVICE_OBSERVATIONS, answers, finish=with_depths).rows
    return extend_observations(con, DEVICE_OBSERVATIONS, polls, DEVICE_STATE)


def test_polls_of_a_device_that_see_the_same_are_one_row(con):
    for seconds, depth in ((0, "40"), (60, "40"), (60, "40"), (120, ">4000"), (180, "40")):
        poll_device(con, seconds, depth=depth)
    found = rows(con, "FROM device_observations ORDER BY observed_at")
    assert [(row["n_polls"], row["normal_tasks_queue_size"]) for row in found] == [
        (2, 40),
        (1, 4000),
        (1, 40),
    ]
    assert [row["normal_tasks_queue_is_capped"] for row in found] == [False, True, False]
    assert (found[0]["last_observed_at"] - found[0]["observed_at"]).total_seconds() == 60
    assert found[0]["jobs_queue_size"] == 0
    assert found[0]["jobs_queue_raw"] == "0 (1 prioritized job(s) running)"
    assert rows(con, "FROM devices")[0]["device_status"] == "ONLINE"


def paused(since, until, reason="MAINTENANCE"):
    return {
        "reason": reason,
        "startedAt": iso(since),
        "updatedAt": iso(since),
        **({} if until is None else {"estimatedEndAt": iso(until)}),
    }


def test_another_reason_or_estimated_end_of_a_closure_begins_a_row(con):
    poll_device(con, 0)
    for seconds, until, reason in (
        (60, 600, "MAINTENANCE"),
        (120, 600, "MAINTENANCE"),
        (180, 900, "MAINTENANCE"),
        (240, 900, "RESERVATION"),
    ):
        poll_device(con, seconds, "PAUSED", reason={**paused(30, until, reason), "updatedAt": iso(seconds)})
    poll_device(con, 960)
    found = rows(con, "FROM device_observations ORDER BY observed_at")
    assert [(row["device_status"], row["n_polls"], row["status_reason"]) for row in found] == [
        ("ONLINE", 1, None),
        ("PAUSED", 2, "MAINTENANCE"),
        ("PAUSED", 1, "MAINTENANCE"),
        ("PAUSED", 1, "RESERVATION"),
        ("ONLINE", 1, None),
    ]
    assert [row["status_estimated_end_at"] for row in found] == [None, at(600), at(900), at(900), None]
    assert found[1]["status_started_at"] == at(30)
    assert rows(con, "FROM devices")[0]["extra"] is None


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("busy", "busy"),
        ({"reason": 7, "estimatedEndAt": "soon"}, "7"),
        ([], None),
        ({"updatedAt": 5}, None),
        ({"reason": "FLOOD"}, "FLOOD"),
    ],
)
def test_a_reason_of_another_form_costs_no_poll(con, reason, kept):
    poll_device(con, 0, "PAUSED", reason=reason)
    (row,) = rows(con, "FROM device_observations")
    assert (row["status_reason"], row["status_estimated_end_at"]) == (kept, None)


def opened(con):
    return [
        tuple((each - CREATED).total_seconds() for each in row)
        for row in con.execute("SELECT open_from, open_to FROM device_open_hours ORDER BY 1").fetchall()
    ]


WEEK = 7 * DAY


@pytest.mark.parametrize(
    ("polls", "expected"),
    [
        # nothing told: closed from the poll that saw it to the one that saw it open
        ([(0, None), (1000, {}), (5000, None)], [(0, 1000), (5000, 5000 + WEEK)]),
        # told: closed from its beginning to its estimated end
        ([(0, None), (1000, (600, 3000)), (5000, None)], [(0, 600), (3000, 5000 + WEEK)]),
        # not before the poll that still saw it open
        ([(0, None), (900, None), (1000, (600, 3000)), (5000, None)], [(0, 900), (3000, 5000 + WEEK)]),
        # an estimate that a later poll refutes counts for nothing
        (
            [(0, None), (1000, (1000, 3000)), (4000, (1000, 6000)), (7000, None)],
            [(0, 1000), (6000, 7000 + WEEK)],
        ),
        # the newest poll saw it closed: it is expected back, or nobody knows
        ([(0, None), (1000, (1000, 3000))], [(0, 1000), (3000, 1000 + WEEK)]),
        ([(0, None), (1000, (1000, None))], [(0, 1000)]),
        # an end in the past is none
        ([(0, None), (1000, (400, 900))], [(0, 400)]),
        # seen again with the same estimate after that estimate was over
        (
            [(0, None), (1000, (1000, 3000)), (4000, (1000, 3000)), (9000, None)],
            [(0, 1000), (9000, 9000 + WEEK)],
        ),
    ],
)
def test_a_closure_lasts_from_when_braket_says_to_when_it_expects_its_end(con, polls, expected):
    always = [window("Everyday", "00:00:00", "23:59:59")]
    for seconds, told in polls:
        if told is None:
            poll_device(con, seconds, windows=always)
        else:
            poll_device(con, seconds, "PAUSED", always, reason=paused(*told) if told else None)
    found = opened(con)
    assert found == [(pytest.approx(begin), pytest.approx(end)) for begin, end in expected]


def test_a_device_that_is_closed_says_why_and_when_it_is_expected_back(con):
    poll_device(con, 0)
    assert closed_now(con, "forte-1") is None
    poll_device(con, 1000, "PAUSED", reason=paused(600, 9000))
    poll_device(con, 1060, "PAUSED", reason=paused(600, 9000))
    closed = closed_now(con, QPU)
    assert (closed.device_status, closed.status_reason) == ("PAUSED", "MAINTENANCE")
    assert (closed.closed_since, closed.expected_back_at, closed.seen_at) == (at(600), at(9000), at(1060))
    assert (closed.still_for(at(8000)), closed.still_for(at(9001))) == (1000, 0)
    poll_device(con, 2000, "OFFLINE")
    closed = closed_now(con, "Forte-1")
    assert (closed.status_reason, closed.closed_since, closed.expected_back_at) == (None, at(1000), None)
    poll_device(con, 3000)
    assert closed_now(con, "Forte-1") is None
    assert rows(con, "FROM device_now")[0]["expected_back_at"] is None


def test_no_start_is_forecast_while_the_device_is_closed(con):
    for number in range(60):
        arn = f"{ARN}-{number}"
        seen(
            con,
            (10, "QUEUED"),
            (70, "RUNNING"),
            (90, "COMPLETED", 80),
            arn=arn,
            queueInfo={"queue": "QUANTUM_TASKS_QUEUE", "position": "4", "queuePriority": "Normal"},
        )
    poll_device(con, 1000, depth="0")
    now = at(2 * HOUR)
    quick = {
        row["method"]: row for row in compute(con, now=now).to_pylist() if row["hour_utc"] in (-1, now.hour)
    }
    poll_device(con, 1100, "PAUSED", depth="0", reason=paused(1050, 2 * HOUR + 5000))
    table = compute(con, now=now)
    slow = {row["method"]: row for row in table.to_pylist() if row["hour_utc"] in (-1, now.hour)}
    assert quick["depth"]["status"] == "ok"
    assert quick["depth"]["wait_p50_seconds"] < 100
    assert slow["depth"]["wait_p05_seconds"] == slow["depth"]["wait_p50_seconds"] == 5000
    assert slow["depth"]["expected_back_at"] == at(2 * HOUR + 5000)
    assert slow["hour"]["wait_p50_seconds"] == quick["hour"]["wait_p50_seconds"] < 100
    replace_rows(con, WAIT_FORECAST, table)
    waits = next_wait(con, "Forte-1", now=now)
    assert {(wait.method, wait.p50) for wait in waits} == {("hour", 5000), ("depth", 5000)}


ALWAYS = window("Everyday", "00:00:00", "23:59:59")


def bounds(con):
    return {
        row["quantum_task_arn"][-1]: (*wait(row), row["lower_from"], row["basis"])
        for row in rows(con, "FROM task_latency")
    }


def test_on_a_qpu_a_task_that_was_there_when_another_one_of_ours_completed_had_waited_until_then(con):
    for number, ended in enumerate((100, 130, 130.5, 400), 1):
        seen(con, (900, "COMPLETED", ended), arn=f"{ARN}{number}")
    seen(con, (900, "COMPLETED", 700), arn=f"{ARN}5", createdAt=iso(600))
    assert bounds(con) == {
        "1": (0, 100, "creation", "bounds_only"),
        "2": (100, 130, "own_task", "bounds_only"),
        "3": (130, 130.5, "own_task", "bounds_only"),
        "4": (130.5, 400, "own_task", "bounds_only"),
        "5": (0, 100, "creation", "bounds_only"),
    }
    assert {run(row) for row in rows(con, "FROM task_latency WHERE run_seconds_upper <= 30")} == {
        (0, 30),
        (0, 0.5),
    }


def test_of_tasks_that_ended_at_one_instant_each_had_waited_until_the_ending_before(con):
    for number, ended in enumerate((100, 130, 130, 400), 1):
        seen(con, (900, "COMPLETED", ended), arn=f"{ARN}{number}")
    assert {task: found[:3] for task, found in bounds(con).items()} == {
        "1": (0, 100, "creation"),
        "2": (100, 130, "own_task"),
        "3": (100, 130, "own_task"),
        "4": (130, 400, "own_task"),
    }


@pytest.mark.parametrize(("status", "device"), [("CANCELLED", QPU), ("FAILED", QPU), ("COMPLETED", SV1)])
def test_what_did_not_run_alone_to_its_end_bounds_no_other_wait(con, status, device):
    seen(con, (900, status, 100), arn=f"{ARN}1", deviceArn=device)
    seen(con, (900, "COMPLETED", 400), arn=f"{ARN}2", deviceArn=device)
    assert bounds(con)["2"][:2] == (0, 400)


def test_a_qpu_that_was_seen_to_run_two_tasks_at_once_is_not_taken_to_run_one_after_the_other(con):
    seen(con, (60, "RUNNING"), (180, "COMPLETED", 130), arn=f"{ARN}1")
    seen(con, (180, "COMPLETED", 140), arn=f"{ARN}2")
    assert bounds(con)["2"][0] == 130
    seen(con, (60, "RUNNING"), (180, "COMPLETED", 150), arn=f"{ARN}3")
    assert bounds(con)["2"] == (0, 140, "creation", "bounds_only")


def test_no_task_starts_outside_the_windows_of_its_device(con):
    # created Monday 10:00:00.5; the device opens at 11:00
    poll_device(con, -DAY, windows=[window("Everyday", "11:00", "23:59:59")])
    poll_device(con, DAY, windows=[window("Everyday", "11:00", "23:59:59")])
    seen(con, (7200, "COMPLETED", 3700), arn=f"{ARN}1")
    seen(con, (60, "QUEUED"), (7200, "COMPLETED", 3800), arn=f"{ARN}2")
    seen(con, (60, "QUEUED"), arn=f"{ARN}3")
    seen(con, (60, "QUEUED"), (1800, "CANCELLED", 900), arn=f"{ARN}4")
    seen(con, (7200, "COMPLETED", 3900), arn=f"{ARN}5", **RESERVED)
    found = bounds(con)
    assert found["1"] == (3599.5, 3700, "device_closed", "bounds_only")
    assert found["2"] == (3700, 3800, "own_task", "polled")
    assert found["3"] == (60, None, "poll", "polled")
    assert found["4"] == (60, None, "poll", "polled")
    assert found["5"][:3] == (3800, 3900, "own_task")


def test_a_closed_stretch_that_began_days_before_the_first_task_is_known(con):
    # created on a Monday; the device opens on Tuesdays only
    poll_device(con, DAY, windows=[window("Tuesday", "11:00", "14:59:59")])
    seen(con, (2 * DAY, "COMPLETED", DAY + 3700), arn=f"{ARN}1")
    assert bounds(con)["1"] == (DAY + 3599.5, DAY + 3700, "device_closed_assumed", "bounds_only")


def test_windows_that_were_first_seen_later_are_assumed_until_a_task_refutes_them(con):
    poll_device(con, DAY, windows=[window("Everyday", "11:00", "23:59:59")])
    seen(con, (DAY, "COMPLETED", 3700), arn=f"{ARN}1")
    assert bounds(con)["1"][2] == "device_closed_assumed"
    seen(con, (DAY, "COMPLETED", 20), arn=f"{ARN}2", createdAt=iso(10))
    assert {lower for lower, *_ in bounds(con).values()} == {0, 20}


def test_between_two_polls_that_saw_other_windows_only_what_both_close_is_closed(con):
    poll_device(con, -DAY, windows=[window("Everyday", "11:00", "23:59:59")])
    poll_device(con, DAY, windows=[window("Everyday", "10:30", "21:59:59")])
    seen(con, (DAY, "COMPLETED", 7000))
    assert bounds(con)["1"][0] == 1799.5


def test_a_reserved_task_waits_for_its_reservation(con):
    seen(con, (7200, "COMPLETED", 3700), **RESERVED)
    con.execute(
        "INSERT INTO reservations BY NAME SELECT ? AS reservation_arn, '1' AS account_id, 'us-east-1' AS region, "
        "? AS device_arn, ?::TIMESTAMPTZ AS start_at, ?::TIMESTAMPTZ AS end_at, 1 AS hours, now() AS read_at",
        [RESERVED["associations"][0]["arn"], QPU, at(3600), at(7200)],
    )
    assert bounds(con)["1"] == (3600, 3700, "reservation", "bounds_only")


def test_the_wait_is_split_by_the_devices_windows_and_status(con):
    # open Mondays 09:00 to 11:00 and from 22:00 past midnight; created Monday 10:00, started 10:00 the next day
    windows = [window("Monday", "09:00", "10:59:59"), window("Monday", "22:00", "01:59:59")]
    poll_device(con, -3600, windows=windows)
    poll_device(con, 3600 * 13, status="OFFLINE", windows=windows)  # from 23:00
    poll_device(con, 3600 * 15, windows=windows)  # to 01:00
    day = 86_400
    seen(con, (60, "QUEUED"), (day - 60, "QUEUED"), (day, "RUNNING"), (day + 99, "COMPLETED", day + 9))
    (parts,) = rows(con, "FROM task_wait_parts")
    open_seconds = 3600 + 3600 + 3600 - 0.5 * 3  # created half a second past, and both polls likewise
    assert parts["open_wait_seconds_upper"] == pytest.approx(open_seconds, abs=1)
    assert parts["closed_wait_seconds_upper"] == pytest.approx(day - open_seconds, abs=1)
    assert parts["slowdown_lower"] == pytest.approx((day + 9) / 69)
    assert parts["slowdown_upper"] == pytest.approx((day + 9) / 9)
    assert parts["bounded_slowdown_upper"] == pytest.approx((day + 9) / 10)


def test_the_heatmap_has_every_hour_of_the_week_and_guards_small_cells(con):
    for number in range(5):
        seen(con, (60, "QUEUED"), (120 + number, "RUNNING"), arn=f"{ARN}{number}")
    seen(con, (7200, "QUEUED"), arn=f"{ARN}late", createdAt=iso(3600))
    poll_device(con, 0, windows=[window("Everyday", "10:30", "23:59:59")])
    cells = {(row["weekday"], row["hour_utc"]): row for row in rows(con, "FROM queue_heatmap")}
    assert len(cells) == 168
    full = cells[1, 10]
    assert (full["n"], full["p50_wait_seconds_lower"], full["p50_wait_seconds_upper"]) == (5, 60, 122)
    assert full["open_share"] == pytest.approx(0.5)
    assert (cells[1, 11]["n"], cells[1, 11]["n_censored"], cells[1, 11]["p50_wait_seconds_lower"]) == (
        1,
        1,
        None,
    )
    assert (cells[2, 3]["n"], cells[2, 3]["open_share"]) == (0, 0)


def test_depth_and_positions_drain(con):
    poll_device(con, 0, depth="40")
    poll_device(con, 3600, depth="10")
    info = {"queue": "QUANTUM_TASKS_QUEUE", "queuePriority": "Normal"}
    seen(con, (0, "QUEUED"), queueInfo={**info, "position": "30"})
    seen(con, (1800, "QUEUED"), queueInfo={**info, "position": "15"})
    drained = {
        (row["kind"], row["ahead"]): row["drained_per_hour"]
        for row in rows(con, "FROM queue_depth WHERE queue = 'normal_tasks'")
    }
    assert drained == {
        ("device_depth", 40): None,
        ("device_depth", 10): 30,
        ("task_position", 30): None,
        ("task_position", 15): 30,
    }


def test_device_tradeoff_counts_shots_and_failures(con):
    for number, (status, shots) in enumerate(
        (("COMPLETED", 90), ("COMPLETED", 100), ("FAILED", None), ("CANCELLED", None))
    ):
        more = {} if shots is None else {"numSuccessfulShots": shots}
        seen(con, (9000, status, 3600), arn=f"{ARN}{number}", **more)
    (row,) = rows(con, "FROM device_tradeoff")
    assert (row["n_tasks"], row["n_completed"], row["successful_shots"]) == (4, 2, 190)
    assert (row["failure_rate"], row["cancel_rate"]) == (0.25, 0.25)
    assert row["hours_per_1000_shots"] == pytest.approx(4 * 1000 / 190)
