"""`state_change_events`: what EventBridge says about tasks and jobs, one row an event.

Here is the declaration only; reading events from files, S3 or a queue is `braket_etl.pull.events`. The feed
is optional: it is delivered at least once, in any order, and an event may be missing.
"""

from __future__ import annotations

from braket_etl.tables.declaration import Row, Table, instant, integer, text

#: The kinds of event that are read; all others are passed over.
DETAIL_TYPES = ("Braket Task State Change", "Braket Job State Change")


def _record_arn_of(row: Row) -> str:
    arn = row["quantum_task_arn"] or row["job_arn"]
    if not arn:
        raise ValueError("detail: neither quantumTaskArn nor jobArn")
    return str(arn)


STATE_CHANGE_EVENTS = Table(
    name="state_change_events",
    description=(
        "One row a change of state that EventBridge delivered, for a task or a job. Optional: where it is fed, "
        "starts are known to the second. Events may come late, twice (stored once) or not at all."
    ),
    key=("event_id",),
    operation="StateChangeEvent",
    columns=(
        text("event_id", "Id of the event; the same in each delivery of it", "id", required=True),
        text("detail_type", "Kind of the event", "detail-type", required=True),
        text(
            "source",
            "Who sent it, as EventBridge says, empty where nothing does; only aws.braket is believed",
            "source",
            side=True,
        ),
        text("account_id", "Account that owns the record", "account", required=True),
        text("region", "Region in which the record lives", "region", required=True),
        instant("event_time", "When the status changed, to the second", "time", required=True),
        text("quantum_task_arn", "The task, for events of tasks", "detail.quantumTaskArn"),
        text("job_arn", "The job, for events of jobs", "detail.jobArn"),
        text("record_arn", "The task or the job", derive=_record_arn_of, required=True),
        text("status", "The new status", "detail.status", required=True),
        text("device_arn", "ARN of the device", "detail.deviceArn"),
        integer("shots", "Shots requested, for tasks", "detail.shots"),
        text("event_name", "INSERT for a new record, MODIFY for a changed one", "detail.eventName"),
        instant("created_at", "When the record was created", "detail.createdAt"),
        instant("started_at", "When it started to run, for jobs", "detail.startedAt"),
        instant("ended_at", "When it ended; NULL while it has not", "detail.endedAt"),
        text("detail", "The event's detail as JSON text", "detail", wide=True),
        instant("fetched_at", "When the event was read", required=True, content=False),
    ),
)
