"""`job_events`: the events list of GetJob, flattened to one row an event."""

from __future__ import annotations

from typing import Any

from braket_etl.tables.declaration import Table, instant, integer, text
from braket_etl.tables.jobs import JOBS
from braket_etl.tables.shared_columns import fetched_column, owner_columns

EVENT_TYPES = (
    "WAITING_FOR_PRIORITY",
    "QUEUED_FOR_EXECUTION",
    "STARTING_INSTANCE",
    "DOWNLOADING_DATA",
    "RUNNING",
    "DEPRIORITIZED_DUE_TO_INACTIVITY",
    "UPLOADING_RESULTS",
    "COMPLETED",
    "FAILED",
    "MAX_RUNTIME_EXCEEDED",
    "CANCELLED",
)

JOB_EVENTS = Table(
    name="job_events",
    description=(
        "One row an event of a hybrid job. GetJob shows at most 20 events: those once seen are kept, later "
        "ones follow them, so event_index may run past 19."
    ),
    key=("job_arn", "event_index"),
    immutable="job_created_at",
    operation=JOBS.operation,
    rows_in="events",
    only_grows=True,
    columns=(
        text("job_arn", "ARN of the job", "jobArn", required=True, reads=("jobArn",)),
        integer(
            "event_index",
            "Position of the event, from 0, in order of first sight",
            "eventIndex",
            required=True,
            reads=("events",),
        ),
        *owner_columns("job_arn"),
        text("event_type", "Kind of the event", "eventType", values=EVENT_TYPES, side=True),
        instant("time_of_event", "When it happened", "timeOfEvent", side=True),
        text("message", "What Braket says about it", "message", wide=True, side=True),
        instant(
            "job_created_at", "When the job was created", "createdAt", required=True, reads=("createdAt",)
        ),
        fetched_column(),
        text("extra", "JSON object of members of the event that have no column here, else NULL", wide=True),
    ),
)


def event_bodies(job_body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one GetJob response, each as a body of its own with its index and the job's ARN and time.

    An event that is null stays as an event without members, so that positions keep their meaning, and one that is no
    object as the member `event` of one. `events` that is no list is kept with the job.
    """
    events = job_body.get("events")
    return [
        {
            **(event if isinstance(event, dict) else {} if event is None else {"event": event}),
            "jobArn": job_body["jobArn"],
            "createdAt": job_body["createdAt"],
            "eventIndex": index,
        }
        for index, event in enumerate(events if isinstance(events, list) else ())
    ]
