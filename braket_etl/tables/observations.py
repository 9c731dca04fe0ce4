"""`task_observations` and `job_observations`: what polls of open records saw, run-length encoded.

Here are the declarations and the reading of one response into one poll; joining polls to runs is the
warehouse's work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from braket_etl.tables.declaration import Table, flag, instant, integer, text
from braket_etl.tables.jobs import JOBS
from braket_etl.tables.quantum_tasks import QUANTUM_TASKS
from braket_etl.tables.shared_columns import canonical_json, fetched_column, owner_columns

#: The columns that make one state: a new row begins when any of them changes.
STATE = ("status", "queue", "queue_priority", "position", "is_capped", "position_raw", "message")

#: A whole number, with or without separators of thousands (`2,000`), that may be given as a bound (`>2000`, `2000+`).
#: `2,00` and `2.5` are none, hence no going back (`++`) to their first digit.
_NUMBER = re.compile(
    r"\s*(?P<above>>=?|\u2265)?\s*"
    r"(?P<number>\d{1,3}(?:[,.'_ \u2019\u00a0\u2009\u202f]\d{3}){1,5}(?!\d)|\d{1,18}+)(?![.,]\d)(?P<more>\+)?"
)


def _observations(
    name: str,
    of: Table,
    record: str,
    arn_column: str,
    arn_member: str,
) -> Table:
    return Table(
        name=name,
        description=(
            f"What polls of open {record}s saw, one row for each run of polls that saw the same. The last row "
            f"of a {record} that ended while it was watched is its terminal status. Times are Braket's own."
        ),
        key=(arn_column, "observed_at"),
        operation=of.operation,
        terminal_statuses=of.terminal_statuses,
        only_grows=True,
        columns=(
            text(arn_column, f"ARN of the {record}", arn_member, required=True),
            *owner_columns(arn_column),
            instant("observed_at", "First poll that saw this state", required=True),
            instant("last_observed_at", "Last poll that saw this state", required=True),
            integer("n_polls", "Polls at different instants that saw this state", required=True),
            text("status", "Status seen", "status", required=True),
            text("queue", "Queue in which it waits", "queueInfo.queue", side=True),
            text(
                "queue_priority",
                "Normal, or Priority for tasks of hybrid jobs",
                "queueInfo.queuePriority",
                side=True,
            ),
            integer(
                "position",
                "Number read from position_raw; NULL where it has none",
                reads=("queueInfo.position",),
            ),
            flag(
                "is_capped",
                "Whether position is only a lower bound, as in >2000",
                reads=("queueInfo.position",),
            ),
            text(
                "position_raw",
                "Queue position as Braket wrote it; all of queueInfo where that has another form",
                "queueInfo.position",
                side=True,
            ),
            text("message", "What Braket says about the position", "queueInfo.message", side=True),
            fetched_column(),
        ),
    )


TASK_OBSERVATIONS = _observations(
    "task_observations", QUANTUM_TASKS, "task", "quantum_task_arn", "quantumTaskArn"
)
JOB_OBSERVATIONS = _observations("job_observations", JOBS, "job", "job_arn", "jobArn")


def parsed_position(raw: str | None) -> tuple[int | None, bool | None]:
    """The number in a queue position or depth, and whether it is capped.

    `"2"` → (2, False); `">2000"` and `"> 2,000"` → (2000, True); `"0 (1 prioritized job(s) running)"` → (0, False);
    `"None"` and anything else without a leading whole number → (None, None).
    """
    match = _NUMBER.match(raw or "")
    if match is None:
        return None, None
    digits = re.sub(r"\D", "", match["number"])
    return int(digits), bool(match["above"] or match["more"])


def with_position(row: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one poll, with the position parsed and the run-length columns of a single poll.

    A position is believed in its documented form only, a text in an object: what else there is stays as raw text.
    """
    info = body.get("queueInfo")
    raw, position, is_capped = row["position_raw"], None, None
    if isinstance(info, Mapping):
        if isinstance(info.get("position"), str):
            position, is_capped = parsed_position(raw)
    elif info is not None:
        raw = info if isinstance(info, str) else canonical_json(info)
    return {
        **row,
        "position_raw": raw,
        "position": position,
        "is_capped": is_capped,
        "observed_at": row["fetched_at"],
        "last_observed_at": row["fetched_at"],
        "n_polls": 1,
    }
