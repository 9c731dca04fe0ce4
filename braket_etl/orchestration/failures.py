"""What went wrong in a run, as lines for people: on the command line and in messages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus

from braket_etl.orchestration.resources import PUBLISHED

_CLASS_NAME = re.compile(r"^[\w.]+: ")


def step_failures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.DagsterEvent]:
    """What failed in a run; the run's own failure where no step did, as when its process was killed."""
    if run.status is not DagsterRunStatus.FAILURE:
        return []
    for kind in (DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE):
        events = [log.dagster_event for log in instance.all_logs(run.run_id, of_type=kind)]
        if found := [event for event in events if event is not None]:
            return found
    return []


def failure_lines(events: Iterable[dg.DagsterEvent], problems: Collection[str]) -> list[str]:
    """What failed beside the problems of the run: publishing itself fails only because there are some."""
    return [failure_line(event) for event in events if event.step_key != PUBLISHED or not problems]


def failure_line(event: dg.DagsterEvent) -> str:
    """What went wrong in a step, or in a run as a whole, by the innermost error, without the name of its class."""
    error = event.step_failure_data.error if event.is_step_failure else None
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return f"{event.step_key or event.job_name}: {event.message or 'it failed'}"
    lines = error.message.strip().splitlines()
    # what Dagster says of checks names them behind a colon, each in a line of its own
    told = " ".join(lines) if lines[0].endswith(":") else lines[0]
    return f"{event.step_key}: {_CLASS_NAME.sub('', told)}"
