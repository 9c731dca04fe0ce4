"""What Amazon Braket answers: one method an operation, from a checked request to the JSON body.

No HTTP, no quotas, no faults here: those surround this in `app.py`. Records of another account or Region do
not exist for a caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from braket_emulator import render, search, trail
from braket_emulator.callers import Caller
from braket_emulator.intake import Intake
from braket_emulator.search import Filter
from braket_emulator.service_model import ApiError, Operation, require_valid
from braket_emulator.world import R, Shelf, World

_TASK_ARN = re.compile(r"arn:aws[a-z-]*:braket:[a-z0-9-]+:[0-9]{12}:quantum-task/.+")


@dataclass(slots=True)
class Call:
    """One request, as far as it concerns the records."""

    operation: Operation
    caller: Caller
    now: int
    label: str = ""
    query: bytes = b""
    body: bytes = b""
    # what the faults ask of the search itself
    token_expired: bool = False
    repeat_last: bool = False


class Api:
    """Answers calls from the records of a world."""

    def __init__(self, world: World, intake: Intake) -> None:
        self.world = world
        self.intake = intake
        self._handlers: dict[str, Callable[[Call], dict[str, Any]]] = {
            "GetQuantumTask": self._get_task,
            "GetJob": self._get_job,
            "GetDevice": self._get_device,
            "SearchQuantumTasks": self._search_tasks,
            "SearchJobs": self._search_jobs,
            "SearchDevices": self._search_devices,
            "SearchSpendingLimits": self._search_limits,
            "CreateQuantumTask": self._create_task,
            "CancelQuantumTask": self._cancel_task,
            "CreateJob": self._create_job,
            "CancelJob": self._cancel_job,
            "LookupEvents": self._lookup_events,
        }

    def answer(self, call: Call) -> dict[str, Any]:
        """The JSON body of a successful answer; ApiError for all others."""
        return self._handlers[call.operation.name](call)

    def _get_task(self, call: Call) -> dict[str, Any]:
        if not _TASK_ARN.fullmatch(call.label):
            raise ApiError("ValidationException", f"quantumTaskArn must match {_TASK_ARN.pattern}")
        queue_info = _asks_queue_info(call.operation, call.query)
        task = _visible(self.world.tasks.get(call.label), call)
        return render.task_record(task, call.now, queue_info=queue_info)

    def _get_job(self, call: Call) -> dict[str, Any]:
        require_valid(call.operation.input, {"jobArn": call.label}, ["jobArn"])
        queue_info = _asks_queue_info(call.operation, call.query)
        job = _visible(self.world.jobs.get(call.label), call)
        return render.job_record(job, call.now, queue_info=queue_info)

    def _get_device(self, call: Call) -> dict[str, Any]:
        require_valid(call.operation.input, {"deviceArn": call.label}, ["deviceArn"])
        device = self.world.device(call.label, call.caller.region)
        if device is None:
            raise _not_found(call.label)
        return render.device_record(device, call.now)

    def _search_tasks(self, call: Call) -> dict[str, Any]:
        request = _request(call)
        found = search.filters(request, search.TASK_FILTERS)
        shelf = self.world.task_shelves.get((call.caller.account, call.caller.region))
        matches = search.matcher(found, search.TASK_MEMBERS)
        records, token = _page(call, request, found, shelf, matches)
        return _answer(call, [render.task_summary(task, call.now) for task in records], token)

    def _search_jobs(self, call: Call) -> dict[str, Any]:
        request = _request(call)
        found = search.filters(request, search.JOB_FILTERS, jobs=True)
        shelf = self.world.job_shelves.get((call.caller.account, call.caller.region))
        matches = search.matcher(found, search.JOB_MEMBERS)
        records, token = _page(call, request, found, shelf, matches)
        return _answer(call, [render.job_summary(job, call.now) for job in records], token)

    def _search_limits(self, call: Call) -> dict[str, Any]:
        request = _request(call)
        found = search.filters(request, search.DEVICE_FILTERS)
        shelf = self.world.limit_shelves.get((call.caller.account, call.caller.region))
        matches = search.matcher(found, search.LIMIT_MEMBERS)
        records, token = _page(call, request, found, shelf, matches)
        now = call.now
        limits = [render.limit_summary(each, *self.world.spend_on(each, now)) for each in records]
        return _answer(call, limits, token)

    def _search_devices(self, call: Call) -> dict[str, Any]:
        request = _request(call)
        wanted = [set(each.values) for each in search.filters(request, search.DEVICE_FILTERS)]
        devices = [
            device
            for device in self.world.devices
            if call.caller.region in device.called_from and all(device.arn in arns for arns in wanted)
        ]
        start = _start(call, request, 0)
        size = request.get("maxResults") or search.DEFAULT_PAGE
        rest = devices[start + size :]
        token = (
            search.token(_query(call, request), (start + size, start + size - 1), call.now) if rest else None
        )
        page = devices[start : start + size]
        return _answer(call, [render.device_summary(device, call.now) for device in page], token)

    def _create_task(self, call: Call) -> dict[str, Any]:
        return {"quantumTaskArn": self.intake.create_task(call.caller, _request(call), call.now)}

    def _create_job(self, call: Call) -> dict[str, Any]:
        return {"jobArn": self.intake.create_job(call.caller, _request(call), call.now)}

    def _cancel_task(self, call: Call) -> dict[str, Any]:
        _request(call, quantumTaskArn=call.label)
        task = _visible(self.world.tasks.get(call.label), call)
        status = self.intake.cancel_task(task, call.now)
        return {"quantumTaskArn": task.arn, "cancellationStatus": status}

    def _cancel_job(self, call: Call) -> dict[str, Any]:
        _request(call, jobArn=call.label)
        job = _visible(self.world.jobs.get(call.label), call)
        status = self.intake.cancel_job(job, call.now)
        return {"jobArn": job.arn, "cancellationStatus": status}

    def _lookup_events(self, call: Call) -> dict[str, Any]:
        request = _parsed(call)
        return trail.lookup(self.world, call.caller, request, call.now, expired=call.token_expired)


def _visible(record: R | None, call: Call) -> R:
    if (
        record is None
        or record.forgotten
        or record.created > call.now
        or record.account != call.caller.account
        or record.region != call.caller.region
    ):
        raise _not_found(call.label)
    return record


def _not_found(arn: str) -> ApiError:
    return ApiError("ResourceNotFoundException", f"Resource {arn} was not found")


@lru_cache(maxsize=256)
def _asks_queue_info(operation: Operation, query: bytes) -> bool:
    members = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    asked = {name: members[name] for name in operation.query_members if name in members}
    require_valid(operation.input, asked, operation.query_members)
    return "QueueInfo" in asked.get("additionalAttributeNames", ())


def _parsed(call: Call) -> Any:
    try:
        return json.loads(call.body or b"{}")
    except (ValueError, RecursionError):
        raise ApiError("ValidationException", "The request body is not JSON") from None


def _request(call: Call, **label: str) -> dict[str, Any]:
    """The request's members: those of its body, and its label; ApiError where they do not fit the model."""
    request = _parsed(call)
    if label and isinstance(request, dict):
        request |= label
    require_valid(call.operation.input, request)
    return dict(request)


def _query(call: Call, request: dict[str, Any]) -> str:
    """What a page token is bound to; the page size may change from page to page."""
    parts = (call.operation.name, call.caller.account, call.caller.region, request.get("filters"))
    return json.dumps(parts, sort_keys=True)


def _start(call: Call, request: dict[str, Any], first: int) -> int:
    """The place at which a page begins; one earlier where a fault repeats the last record."""
    text = request.get("nextToken")
    if text is None:
        return first
    if call.token_expired:
        raise ApiError("ValidationException", "nextToken has expired")
    following, last = search.place_in(text, _query(call, request), call.now)
    return last if call.repeat_last else following


def _page(
    call: Call,
    request: dict[str, Any],
    found: list[Filter],
    shelf: Shelf[R] | None,
    matches: Callable[[R, int], bool],
) -> tuple[list[R], str | None]:
    first, last = search.created_range(found, call.now)
    newest = shelf.between(first, last) if shelf else range(0)
    start = _start(call, request, newest.stop - 1)
    if shelf is None:
        return [], None
    span = range(newest.start, min(newest.stop, start + 1))
    size = request.get("maxResults") or search.DEFAULT_PAGE
    page = search.page(shelf, matches, span, size, call.now)
    token = search.token(_query(call, request), page.go_on, call.now) if page.go_on else None
    return page.records, token


def _answer(call: Call, records: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {str(call.operation.result_list): records}
    if token:
        body["nextToken"] = token
    return body
