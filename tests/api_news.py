"""What Amazon Braket's API has that our model of it does not: `python -m tests.api_news`, asked of the installed botocore.

Our model is the declared tables, with the enum values that their columns name. News is no failure: what we do not know is
stored all the same. `make api-news` asks the newest botocore that can be had, and `make check` shows what it says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import botocore
import botocore.session

from braket_etl.tables import (
    DEVICE_OBSERVATIONS,
    DEVICES,
    JOB_EVENTS,
    JOB_OBSERVATIONS,
    JOBS,
    QUANTUM_TASKS,
    SPENDING_LIMITS,
    TASK_OBSERVATIONS,
)
from braket_etl.tables.declaration import Table
from braket_etl.tables.normalize import wire_name

#: The newest botocore that our model was held against by hand: up to it there is no news.
HELD_AGAINST = "1.44.8"

#: Each operation whose records are stored, and the tables that hold its members.
_STORED: Mapping[str, tuple[Table, ...]] = {
    "GetQuantumTask": (QUANTUM_TASKS, TASK_OBSERVATIONS),
    "GetJob": (JOBS, JOB_OBSERVATIONS),
    "GetDevice": (DEVICES, DEVICE_OBSERVATIONS),
    "SearchSpendingLimits": (SPENDING_LIMITS,),
}
#: What code reads, and no column of its own declares: members that are looked at, and enum values by shape.
_READ_BY_CODE = {
    "GetDevice": {"deviceQueueInfo", "deviceStatusReason.updatedAt"},
    "GetJob": {"events"},
}
_VALUES_READ_BY_CODE = {
    "AssociationType": {"RESERVATION_TIME_WINDOW_ARN"},
    "QueueName": {"QUANTUM_TASKS_QUEUE", "JOBS_QUEUE"},
    "QueuePriority": {"Normal", "Priority"},
}
_OPERATIONS = {
    *("GetQuantumTask", "GetJob", "GetDevice", "ListTagsForResource"),
    *("SearchQuantumTasks", "SearchJobs", "SearchDevices", "SearchSpendingLimits"),
    *("CreateQuantumTask", "CancelQuantumTask", "CreateJob", "CancelJob", "TagResource", "UntagResource"),
    *("CreateSpendingLimit", "UpdateSpendingLimit", "DeleteSpendingLimit"),
}


def news(model: Any) -> Iterator[str]:
    """What a service model of botocore's has that ours has not, a line each; what it lacks, as an old one does, is none."""
    yield from (f"operation {name} is new" for name in sorted(set(model.operation_names) - _OPERATIONS))
    for operation, tables in _STORED.items():
        yield from _news_of(operation, _record(model.operation_model(operation).output_shape), tables)
    yield from _news_of("GetJob events", model.shape_for("JobEventDetails"), (JOB_EVENTS,))


def _news_of(operation: str, shape: Any, tables: tuple[Table, ...]) -> Iterator[str]:
    columns = {column.source: column for table in tables for column in table.columns if column.source}
    values: dict[str, set[str]] = {}
    for table in tables:
        for column in table.columns:
            values.setdefault(column.source or "", set()).update(column.values)
    known = columns.keys() | _READ_BY_CODE.get(operation, set())
    there = dict(_leaves(shape))
    for path, leaf in there.items():
        if path not in known:
            yield f"{operation}: member {path} is new"
        elif path in columns and leaf.type_name == "list":
            yield from _news_of_items(operation, path, leaf.member, columns[path].type)
        if enum := getattr(leaf, "enum", None):
            ours = values.get(path) or _VALUES_READ_BY_CODE.get(leaf.name, set())
            yield from (
                f"{operation}: {path} may be {value}, which is new" for value in enum if value not in ours
            )


def _news_of_items(operation: str, path: str, shape: Any, arrow_type: Any) -> Iterator[str]:
    if shape.type_name == "structure":
        ours = {wire_name(field.name) for field in arrow_type.value_type}
        yield from (
            f"{operation}: member {path}[].{name} is new" for name in shape.members if name not in ours
        )


def _record(shape: Any) -> Any:
    """The shape of a record: the answer itself, or an item of the list in it."""
    if "nextToken" not in shape.members:
        return shape
    return next(member.member for member in shape.members.values() if member.type_name == "list")


def _leaves(shape: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, member in shape.members.items():
        if member.type_name == "structure":
            yield from _leaves(member, f"{before}{name}.")
        else:
            yield before + name, member


def installed() -> Any:
    """The service model of the installed botocore."""
    return botocore.session.Session().get_service_model("braket")


def main() -> int:
    """Print what is new, as warnings."""
    found = list(news(installed()))
    for line in found:
        print(f"warning: botocore {botocore.__version__}: {line}", file=sys.stderr)
    if not found:
        print(f"botocore {botocore.__version__}: nothing in Amazon Braket's API that our model does not have")
    return 0


if __name__ == "__main__":
    sys.exit(main())
