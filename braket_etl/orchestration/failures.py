"""What went wrong in a run, as one line for people: on the command line and in messages."""

from __future__ import annotations

import re

import dagster as dg

_CLASS_NAME = re.compile(r"^[\w.]+: ")


def failure_line(event: dg.DagsterEvent) -> str:
    """What went wrong in a step, or in a run as a whole, by the innermost error, without the name of its class."""
    error = event.step_failure_data.error if event.is_step_failure else None
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return f"{event.step_key or event.job_name}: {event.message or 'it failed'}"
    return f"{event.step_key}: {_CLASS_NAME.sub('', error.message.strip().splitlines()[0])}"
