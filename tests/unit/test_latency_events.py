"""EventBridge events and GetDevice bodies become rows, whatever their form; what cannot, is kept as a reject."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from braket_etl.pull.events import event_rows
from braket_etl.tables.devices import execution_windows, queue_depths

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
TASK = "arn:aws:braket:us-east-1:123456789012:quantum-task/1"
JOB = "arn:aws:braket:us-east-1:123456789012:job/1"


def event(**changes):
    return {
        "id": "a",
        "detail-type": "Braket Task State Change",
        "account": "123456789012",
        "region": "us-east-1",
        "time": "2026-11-02T10:00:00Z",
        "resources": [TASK],
        "detail": {
            "quantumTaskArn": TASK,
            "status": "RUNNING",
            "shots": "100",
            "createdAt": "2026-11-02T09:59:00.5Z",
        },
        **changes,
    }


def test_an_event_of_a_task_becomes_a_row():
    (row,) = event_rows([json.dumps(event())], NOW).rows.to_pylist()
    assert (row["record_arn"], row["quantum_task_arn"], row["job_arn"]) == (TASK, TASK, None)
    assert (row["status"], row["shots"], row["event_time"]) == (
        "RUNNING",
        100,
        datetime(2026, 11, 2, 10, tzinfo=UTC),
    )
    assert json.loads(row["detail"])["shots"] == "100"


def test_an_event_of_a_job_becomes_a_row():
    detail = {"jobArn": JOB, "status": "RUNNING", "startedAt": "2026-11-02T10:00:00Z"}
    (row,) = event_rows(
        [json.dumps(event(detail=detail) | {"detail-type": "Braket Job State Change"})], NOW
    ).rows.to_pylist()
    assert (row["record_arn"], row["started_at"]) == (JOB, datetime(2026, 11, 2, 10, tzinfo=UTC))


def test_lines_lists_and_notifications_are_read_alike():
    one, two = event(), event(id="b")
    texts = [
        json.dumps(one) + "\n\n" + json.dumps(two) + "\n",
        json.dumps([one, two], indent=2),
        "\ufeff" + json.dumps([one, two]),
        "\ufeff" + json.dumps(one) + "\n\ufeff" + json.dumps(two),
        json.dumps({"Type": "Notification", "Message": json.dumps(one)}),
    ]
    ids = event_rows(texts, NOW).rows.column("event_id").to_pylist()
    assert ids == [*"ababababa"]


def test_other_kinds_of_event_are_passed_over():
    other = event() | {"detail-type": "Braket QPU Status Change"}
    normalized = event_rows([json.dumps(other)], NOW)
    assert (normalized.rows.num_rows, normalized.rejects) == (0, [])
    assert normalized.others == {"Braket QPU Status Change": 1}


@pytest.mark.parametrize(
    "text",
    [
        "{not json",
        '"a text"',
        json.dumps(event(id=None)),
        json.dumps(event(time="yesterday")),
        json.dumps(event(detail={"status": "RUNNING"})),
        json.dumps(event(detail={"quantumTaskArn": TASK})),
        json.dumps(event(detail="none")),
        json.dumps(event(id="\ud800")),
        "[" * 100_000,
    ],
)
def test_what_is_no_event_is_a_reject_and_the_rest_stays(text):
    normalized = event_rows([text, json.dumps(event())], NOW)
    assert normalized.rows.num_rows == 1
    (reject,) = normalized.rejects
    assert reject.operation == "StateChangeEvent"
    json.loads(reject.payload)


def test_windows_are_read_in_both_time_formats():
    capabilities = {
        "service": {
            "executionWindows": [
                {"executionDay": "Everyday", "windowStartHour": "11:00", "windowEndHour": "12:00"},
                {"executionDay": "Monday", "windowStartHour": "00:00:00", "windowEndHour": "23:59:59"},
                {"executionDay": "Sunday", "windowStartHour": "9:00", "windowEndHour": "24:00"},
            ]
        }
    }
    assert execution_windows(json.dumps(capabilities)) == [
        {"execution_day": "Everyday", "window_start_hour": "11:00:00", "window_end_hour": "12:00:00"},
        {"execution_day": "Monday", "window_start_hour": "00:00:00", "window_end_hour": "23:59:59"},
        {"execution_day": "Sunday", "window_start_hour": "09:00:00", "window_end_hour": "23:59:59"},
    ]


@pytest.mark.parametrize("capabilities", [None, "", "{", "[]", "{}", '{"service": null}', "[" * 100_000, 3])
def test_capabilities_without_windows_say_nothing(capabilities):
    assert execution_windows(capabilities) is None


@pytest.mark.parametrize(
    "window",
    [None, "x", {}, {"executionDay": "Monday", "windowStartHour": "25:00", "windowEndHour": "26:00"},
     {"executionDay": 1, "windowStartHour": "01:00", "windowEndHour": "02:00"},
     {"executionDay": "Monday", "windowStartHour": "1", "windowEndHour": "02:00"}],
)  # fmt: skip
def test_a_window_that_cannot_be_read_is_left_out(window):
    assert execution_windows(json.dumps({"service": {"executionWindows": [window]}})) == []


def test_depths_are_read_with_their_caps():
    depths = queue_depths(
        [
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": ">4000", "queuePriority": "Normal"},
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "7", "queuePriority": "Priority"},
            {"queue": "JOBS_QUEUE", "queueSize": "0 (1 prioritized job(s) running)"},
        ]
    )
    assert (depths["normal_tasks_queue_size"], depths["normal_tasks_queue_is_capped"]) == (4000, True)
    assert (depths["priority_tasks_queue_size"], depths["priority_tasks_queue_is_capped"]) == (7, False)
    assert (depths["jobs_queue_size"], depths["jobs_queue_raw"]) == (0, "0 (1 prioritized job(s) running)")


@pytest.mark.parametrize(
    "queues", [None, "x", [None], [{"queue": []}], [{"queue": "NEW_QUEUE", "queueSize": "1"}]]
)
def test_depths_that_cannot_be_read_are_not_known(queues):
    assert set(queue_depths(queues).values()) == {None}
