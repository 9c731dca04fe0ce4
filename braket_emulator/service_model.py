"""Amazon Braket's wire protocol as botocore's service model describes it: routes, shapes, errors.

Read from the installed botocore at start: the emulator speaks what clients understand. Only what came or went in
botocore 1.44.6 is typed by hand, so that the emulator speaks alike whichever version is installed: clients pass over
members that they do not know. Nothing here knows the records.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

OPERATIONS = (
    "GetQuantumTask",
    "GetJob",
    "GetDevice",
    "SearchQuantumTasks",
    "SearchJobs",
    "SearchDevices",
    "SearchSpendingLimits",
    "CreateQuantumTask",
    "CancelQuantumTask",
    "CreateJob",
    "CancelJob",
)
#: What CloudTrail answers here, and the header that names it: its protocol is JSON 1.1, with one route for everything.
LOOKUP = "LookupEvents"
# Errors of the AWS front door, which no service model lists.
_COMMON_ERRORS = {
    "MissingAuthenticationTokenException": 403,
    "IncompleteSignatureException": 403,
    "ExpiredTokenException": 403,
    "UnknownOperationException": 404,
    "MethodNotAllowedException": 405,
}


#: What botocore 1.44.6 added to GetDevice, in the form of its own model.
_STATUS_REASON = {
    "DeviceStatusReason": {
        "type": "structure",
        "required": ["reason", "updatedAt"],
        "members": {
            "reason": {"shape": "DeviceStatusReasonType"},
            "startedAt": {"shape": "SyntheticTimestamp_date_time"},
            "estimatedEndAt": {"shape": "SyntheticTimestamp_date_time"},
            "updatedAt": {"shape": "SyntheticTimestamp_date_time"},
        },
    },
    "DeviceStatusReasonType": {
        "type": "string",
        "enum": ["OUTSIDE_AVAILABILITY_WINDOW", "MAINTENANCE", "RESERVATION"],
    },
}
#: What it took from the types of instances; jobs from before still name them.
_OLD_INSTANCE_TYPES = (
    *("ml.p2.xlarge", "ml.p2.8xlarge", "ml.p2.16xlarge"),
    *("ml.p3.2xlarge", "ml.p3.8xlarge", "ml.p3.16xlarge", "ml.p3dn.24xlarge"),
)


class ApiError(Exception):
    """An error answer of the API: its code, its message, its HTTP status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Operation:
    """One operation of the API."""

    def __init__(self, model: OperationModel) -> None:
        self.name: str = model.name
        self.method: str = model.http["method"]
        self.status: int = model.http.get("responseCode", 200)
        self.output: StructureShape = model.output_shape
        self.input: StructureShape = model.input_shape
        segments = model.http["requestUri"].strip("/").split("/")
        self.path = segments[0]
        self.label = segments[1].strip("{}") if len(segments) > 1 else None
        self.action = segments[2] if len(segments) > 2 else ""
        self._errors = {
            shape.name: shape.metadata.get("error", {}).get("httpStatusCode") for shape in model.error_shapes
        }

    def error_status(self, code: str) -> int:
        """The HTTP status of an error of this operation."""
        return self._errors.get(code) or _COMMON_ERRORS.get(code, 400)

    @cached_property
    def result_list(self) -> str | None:
        """The member that holds the records of a page; None for a get."""
        lists = [name for name, shape in self.output.members.items() if shape.type_name == "list"]
        return lists[0] if "nextToken" in self.output.members else None

    @property
    def record(self) -> StructureShape:
        """The shape of one record in the answer."""
        if self.result_list:
            return self.output.members[self.result_list].member
        return self.output

    @cached_property
    def query_members(self) -> dict[str, Shape]:
        """Members of the request that arrive in the query string."""
        return {
            shape.serialization.get("name", name): shape
            for name, shape in self.input.members.items()
            if shape.serialization.get("location") == "querystring"
        }


@dataclass(frozen=True)
class Service:
    """All operations that the emulator answers, by name and by route."""

    operations: dict[str, Operation]
    routes: dict[tuple[str, str, bool, str], Operation]

    def operation_at(self, method: str, path: str, *, labelled: bool, action: str = "") -> Operation | None:
        """The operation of a route such as `GET /quantum-task/{arn}`, or `PUT /quantum-task/{arn}/{action}`."""
        return self.routes.get((method, path, labelled, action))


def completed(model: dict[str, Any]) -> dict[str, Any]:
    """The service model with what other versions of botocore have in it; what is given is not changed."""
    shapes = deepcopy(model["shapes"])
    for name, values in (("DeviceStatus", ("PAUSED",)), ("InstanceType", _OLD_INSTANCE_TYPES)):
        shapes[name]["enum"] += [value for value in values if value not in shapes[name]["enum"]]
    device = shapes["GetDeviceResponse"]["members"]
    if "deviceStatusReason" not in device:
        shapes |= _STATUS_REASON
        device["deviceStatusReason"] = {"shape": "DeviceStatusReason"}
    return {**model, "shapes": shapes}


@lru_cache(maxsize=1)
def braket() -> Service:
    """Amazon Braket as the installed botocore knows it, and as botocore 1.44.5 and 1.44.6 do."""
    model = ServiceModel(completed(Loader().load_service_model("braket", "service-2")), "braket")
    operations = {name: Operation(model.operation_model(name)) for name in OPERATIONS}
    routes = {
        (each.method, each.path, each.label is not None, each.action): each for each in operations.values()
    }
    return Service(operations, routes)


@lru_cache(maxsize=1)
def cloudtrail() -> dict[str, Operation]:
    """CloudTrail's operations that are answered, by what the header X-Amz-Target says of each."""
    model = ServiceModel(Loader().load_service_model("cloudtrail", "service-2"), "cloudtrail")
    return {f"{model.metadata['targetPrefix']}.{LOOKUP}": Operation(model.operation_model(LOOKUP))}


def violations(shape: Shape, value: Any, where: str = "", *, strict: bool = False) -> Iterator[str]:
    """What is wrong with a JSON value of this shape, a sentence each.

    `strict` is for answers: members that the shape does not have count, and an optional member may be null.
    """
    where = where or shape.name
    if not _fits(shape.type_name, value):
        yield f"{where} must be a {shape.type_name}"
    elif isinstance(shape, StructureShape):
        yield from _structure_violations(shape, value, where, strict=strict)
    elif isinstance(shape, ListShape):
        yield from _bounds(shape, len(value), where, "length")
        for index, each in enumerate(value):
            yield from violations(shape.member, each, f"{where}[{index}]", strict=strict)
    elif isinstance(shape, MapShape):
        yield from _bounds(shape, len(value), where, "length")
        for key, each in value.items():
            yield from violations(shape.value, each, f"{where}.{key}", strict=strict)
    else:
        yield from _scalar_violations(shape, value, where)


def _fits(type_name: str, value: Any) -> bool:
    if isinstance(value, bool):  # which Python takes for a number
        return type_name == "boolean"
    return isinstance(value, _CHECKS[type_name])


_CHECKS: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (str, int, float),
}


def _structure_violations(
    shape: StructureShape, value: dict[str, Any], where: str, *, strict: bool
) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"{where}.{name} is required"
    for name, each in value.items():
        member = shape.members.get(name)
        if member is not None and each is not None:
            yield from violations(member, each, f"{where}.{name}", strict=strict)
        elif strict and member is None:
            yield f"{where}.{name} is not a member"


def _scalar_violations(shape: Shape, value: Any, where: str) -> Iterator[str]:
    if shape.type_name == "timestamp":
        yield from _time_violations(shape, value, where)
        return
    yield from _bounds(shape, len(value) if isinstance(value, str) else value, where, "value")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield f"{where} must be one of {', '.join(allowed)}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{where} must match {pattern}"


def _time_violations(shape: Shape, value: Any, where: str) -> Iterator[str]:
    wants_number = shape.serialization.get("timestampFormat") == "unixTimestamp"
    if wants_number == isinstance(value, str):
        yield f"{where} must be {'epoch seconds' if wants_number else 'an ISO-8601 text'}"
    elif isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            yield f"{where} must be an ISO-8601 text"


def _bounds(shape: Shape, size: float, where: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        yield f"{where} must have a {what} between {low} and {high}"


def require_valid(shape: Shape, value: Any, names: Iterable[str] | None = None) -> None:
    """Raise ApiError with ValidationException where a request does not fit its shape.

    `names` restricts the check of a structure to these members: those of the body, or of the query.
    """
    found = list(violations(shape, value)) if names is None else []
    for name in names or ():
        member = shape.members[name]
        if value.get(name) is not None:
            found += violations(member, value[name], name)
        elif name in shape.required_members:
            found.append(f"{name} is required")
    if found:
        raise ApiError(
            "ValidationException", f"{len(found)} validation error(s) detected: {'; '.join(found)}"
        )
