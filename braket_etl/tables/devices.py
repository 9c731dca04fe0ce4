"""`devices` and `device_observations`: GetDevice's answer, and what of it changes from hour to hour.

Here are the declarations and the reading of one response; joining polls to runs is the warehouse's work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from braket_etl.json_text import read_json
from braket_etl.tables.arns import account_id_of, region_of
from braket_etl.tables.declaration import Column, Row, Table, flag, instant, integer, text
from braket_etl.tables.observations import parsed_position
from braket_etl.tables.shared_columns import fetched_column

STATUSES = ("ONLINE", "OFFLINE", "RETIRED", "PAUSED")
#: Why a device takes no tasks (botocore 1.44.6 and newer).
REASONS = ("OUTSIDE_AVAILABILITY_WINDOW", "MAINTENANCE", "RESERVATION")
_REASON = "deviceStatusReason"
WINDOWS = pa.list_(
    pa.struct(
        [("execution_day", pa.string()), ("window_start_hour", pa.string()), ("window_end_hour", pa.string())]
    )
)

#: Queue of GetDevice's `deviceQueueInfo` → prefix of its columns.
_QUEUES = {
    ("QUANTUM_TASKS_QUEUE", "Normal"): "normal_tasks",
    ("QUANTUM_TASKS_QUEUE", None): "normal_tasks",
    ("QUANTUM_TASKS_QUEUE", "Priority"): "priority_tasks",
    ("JOBS_QUEUE", None): "jobs",
    ("JOBS_QUEUE", "Normal"): "jobs",
}
_PREFIXES = ("normal_tasks", "priority_tasks", "jobs")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\Z", re.ASCII)

#: The columns that make one state of a device: a new row begins when any of them changes.
DEVICE_STATE = (
    "device_status",
    "status_reason",
    "status_started_at",
    "status_estimated_end_at",
    *(f"{prefix}_queue{suffix}" for prefix in _PREFIXES for suffix in ("_size", "_is_capped", "_raw")),
    "execution_windows",
)


def _owner_columns() -> tuple[Column, ...]:
    """Account and Region of the device ARN; NULL for simulators, whose ARNs have neither."""
    return (
        text("account_id", "Account in the device ARN; NULL, as devices belong to none", derive=_account_of),
        text("region", "Region in the device ARN; NULL for simulators", derive=_region_of),
    )


def _account_of(row: Row) -> str | None:
    return account_id_of(row["device_arn"]) or None


def _region_of(row: Row) -> str | None:
    return region_of(row["device_arn"]) or None


DEVICES = Table(
    name="devices",
    description="One row a device, as GetDevice last showed it. What changes all day is in device_observations.",
    key=("device_arn",),
    operation="GetDevice",
    members_elsewhere=(
        ("deviceQueueInfo", ("queue", "queueSize", "queuePriority")),
        (_REASON, ("reason", "startedAt", "estimatedEndAt", "updatedAt")),
    ),
    lists_elsewhere=("deviceQueueInfo",),
    columns=(
        text("device_arn", "ARN of the device", "deviceArn", required=True),
        *_owner_columns(),
        text("device_name", "Name of the device", "deviceName", required=True),
        text("provider_name", "Who runs the device", "providerName", required=True),
        text("device_type", "QPU or SIMULATOR", "deviceType", values=("QPU", "SIMULATOR"), required=True),
        text("device_status", "Status at fetched_at", "deviceStatus", values=STATUSES, required=True),
        text(
            "device_capabilities",
            "JSON text of the device's capabilities, as it came",
            "deviceCapabilities",
            wide=True,
        ),
        fetched_column(),
        instant("first_seen_at", "When this device was first stored", required=True, content=False),
        text("extra", "JSON object of response members that have no column here, else NULL", wide=True),
        text("origin", "Where the row comes from: `api`", required=True, content=False),
    ),
)


def _queue_columns(prefix: str, what: str) -> tuple[Column, ...]:
    reads = ("deviceQueueInfo.queueSize",)
    return (
        integer(
            f"{prefix}_queue_size",
            f"{what} in the queue, of all customers; NULL where none is shown",
            reads=reads,
        ),
        flag(
            f"{prefix}_queue_is_capped",
            f"Whether {prefix}_queue_size is only a lower bound, as in >4000",
            reads=reads,
        ),
        text(f"{prefix}_queue_raw", f"{prefix}_queue_size as Braket wrote it", reads=reads),
    )


DEVICE_OBSERVATIONS = Table(
    name="device_observations",
    description=(
        "What polls of devices saw, one row for each run of polls that saw the same: status, queue depths of all "
        "customers (AWS calls them approximate) and execution windows."
    ),
    key=("device_arn", "observed_at"),
    operation=DEVICES.operation,
    columns=(
        text("device_arn", "ARN of the device", "deviceArn", required=True),
        *_owner_columns(),
        instant("observed_at", "First poll that saw this state", required=True),
        instant("last_observed_at", "Last poll that saw this state", required=True),
        integer("n_polls", "Polls at different instants that saw this state", required=True),
        text("device_status", "Status seen", "deviceStatus", values=STATUSES, required=True),
        text(
            "status_reason",
            "Why it takes no tasks: OUTSIDE_AVAILABILITY_WINDOW, MAINTENANCE or RESERVATION; NULL where Braket does not "
            "say",
            f"{_REASON}.reason",
            values=REASONS,
            side=True,
        ),
        instant("status_started_at", "Since when, as Braket says", f"{_REASON}.startedAt", side=True),
        instant(
            "status_estimated_end_at",
            "When Braket expects it to take tasks again",
            f"{_REASON}.estimatedEndAt",
            side=True,
        ),
        *_queue_columns("normal_tasks", "Tasks of normal priority"),
        *_queue_columns("priority_tasks", "Tasks of hybrid jobs, which run first,"),
        *_queue_columns("jobs", "Hybrid jobs"),
        Column(
            "execution_windows",
            WINDOWS,
            "When the device runs tasks: day or days, start and end (UTC, HH:MM:SS, both in; an end before its "
            "start lies on the next day); NULL where the capabilities do not say",
            reads=("deviceCapabilities",),
        ),
        fetched_column(),
    ),
)


def with_depths(row: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one poll of a device: `row` as flattened, with depths and windows read from the body."""
    reason = body.get(_REASON)
    return {
        **row,
        **({"status_reason": reason} if isinstance(reason, str) else {}),  # of another form: kept as it came
        **queue_depths(body.get("deviceQueueInfo")),
        "execution_windows": execution_windows(body.get("deviceCapabilities")),
        "observed_at": row["fetched_at"],
        "last_observed_at": row["fetched_at"],
        "n_polls": 1,
    }


def queue_depths(queues: Any) -> dict[str, Any]:
    """The depth columns from `deviceQueueInfo`; a queue that is missing or unreadable is NULL.

    `">4000"` → size 4000, capped; `"0 (1 prioritized job(s) running)"` → 0.
    """
    columns: dict[str, Any] = {name: None for name in DEVICE_STATE if "_queue_" in name}
    for queue in queues if isinstance(queues, list) else ():
        if not isinstance(queue, Mapping):
            continue
        name, priority, raw = (queue.get(member) for member in ("queue", "queuePriority", "queueSize"))
        prefix = _QUEUES.get((str(name), priority if priority is None else str(priority)))
        if prefix is None or raw is None:
            continue
        raw = str(raw)
        size, is_capped = parsed_position(raw)
        columns |= {
            f"{prefix}_queue_size": size,
            f"{prefix}_queue_is_capped": is_capped,
            f"{prefix}_queue_raw": raw,
        }
    return columns


def execution_windows(capabilities: Any) -> list[dict[str, str]] | None:
    """The execution windows in a device's capabilities (JSON text), times as `HH:MM:SS`; None where there are none.

    Braket writes times as `11:00` and as `00:00:00`. A window that cannot be read is left out, as if the device
    were closed then; text that is no such JSON gives None.
    """
    try:
        service = read_json(capabilities)["service"]
        listed = service["executionWindows"]
    except (TypeError, ValueError, KeyError):
        return None
    if not isinstance(listed, list):
        return None
    return [window for item in listed if (window := _window(item)) is not None]


def _window(item: Any) -> dict[str, str] | None:
    if not isinstance(item, Mapping):
        return None
    day = item.get("executionDay")
    start, end = _time(item.get("windowStartHour")), _time(item.get("windowEndHour"))
    if not isinstance(day, str) or start is None or end is None:
        return None
    return {"execution_day": day, "window_start_hour": start, "window_end_hour": end}


def _time(value: Any) -> str | None:
    """`11:00` or `11:00:00` as `11:00:00`; None for anything that is no time of day."""
    match = _TIME.match(value) if isinstance(value, str) else None
    if match is None:
        return None
    hour, minute, second = (int(part or 0) for part in match.groups())
    if hour > 23 or minute > 59 or second > 59:
        return "23:59:59" if (hour, minute, second) == (24, 0, 0) else None
    return f"{hour:02}:{minute:02}:{second:02}"
