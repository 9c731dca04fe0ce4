"""What clients create and cancel: their tasks and jobs become records with a short timeline of their own.

A created record is decided at its creation, as every other: what is visible of it is a function of the clock.
Tags whose keys begin with `emulator:` bend its fate (see `Wishes`). Task and job queues are not simulated:
created tasks start soon, also outside the device's execution windows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from hashlib import blake2s
from random import Random
from typing import Any

from braket_emulator import lore
from braket_emulator.callers import Caller
from braket_emulator.devices import Device
from braket_emulator.instants import SECOND
from braket_emulator.records import TERMINAL, Job, JobEvent, Task
from braket_emulator.result_files import PROGRAM_SET, program_count
from braket_emulator.service_model import ApiError
from braket_emulator.world import World

WISH = "emulator:"
_QUBITS = re.compile(r"\bqubit\[(\d+)\]")
_BITS = re.compile(r"\bbit\[(\d+)\]")
_ECHOED = (
    "roleArn",
    "algorithmSpecification",
    "inputDataConfig",
    "outputDataConfig",
    "checkpointConfig",
    "associations",
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long what is created takes, in milliseconds: a range for each step."""

    queueing: tuple[int, int]
    wait: tuple[int, int]
    run: tuple[int, int]
    cancel: tuple[int, int]
    job_step: tuple[int, int]
    job_run: tuple[int, int]


NORMAL = Pace((80, 400), (500, 4_000), (300, 3_000), (1_000, 3_000), (500, 2_000), (20_000, 60_000))
QUICK = Pace((0, 0), (0, 2), (1, 20), (0, 0), (0, 2), (500, 500))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What tags ask of a record; None leaves it to chance.

    As tags: `emulator:outcome` (COMPLETED or FAILED), `emulator:successful_shots`, `emulator:execution_ms` (run
    time that a simulator tells), and in seconds `emulator:wait`, `emulator:run`, `emulator:cancel`.
    """

    outcome: str | None = None
    successful_shots: int | None = None
    execution_ms: int | None = None
    wait: float | None = None
    run: float | None = None
    cancel: float | None = None

    @classmethod
    def of(cls, tags: dict[str, str] | None) -> Wishes:
        """The wishes in these tags; ApiError where one makes no sense."""
        given = {key[len(WISH) :]: value for key, value in (tags or {}).items() if key.startswith(WISH)}
        unknown = sorted(set(given) - {each.name for each in fields(cls)})
        if unknown:
            raise _invalid(f"the emulator knows no tag {WISH}{unknown[0]}")
        wished: dict[str, Any] = {}
        for name, text in given.items():
            try:
                wished[name] = _READ[name](text)
            except ValueError:
                raise _invalid(f"{WISH}{name} cannot be {text!r}") from None
        return cls(**wished)


def _outcome(text: str) -> str:
    if text not in ("COMPLETED", "FAILED"):
        raise ValueError(text)
    return text


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1e7:
        raise ValueError(text)
    return number


_READ: dict[str, Callable[[str], Any]] = {
    "outcome": _outcome,
    "successful_shots": _count,
    "execution_ms": _count,
    "wait": _seconds,
    "run": _seconds,
    "cancel": _seconds,
}


class Intake:
    """Creates and cancels records of a world; equal requests in equal order give equal records."""

    def __init__(self, world: World, seed: int, *, quick: bool) -> None:
        self._world = world
        self._rng = Random(f"intake/{seed}")  # noqa: S311 (made-up data)
        self._pace = QUICK if quick else NORMAL
        self._known: dict[tuple[str, str, str], tuple[dict[str, Any], str]] = {}
        self._tokens: dict[str, str] = {}
        self.on_task: list[Callable[[Task], None]] = []

    def job_token(self, arn: str) -> str:
        """The token with which tasks of a job are created; LookupError where there is no such job."""
        if arn not in self._world.jobs:
            raise LookupError(f"no job {arn}")
        token = blake2s(arn.encode(), digest_size=24).hexdigest()
        self._tokens[token] = arn
        return token

    def create_task(self, caller: Caller, request: dict[str, Any], now: int) -> str:
        """The ARN of a new quantum task, or of that which the same client token created before."""
        return self._once("task", caller, request, lambda: self._new_task(caller, request, now))

    def create_job(self, caller: Caller, request: dict[str, Any], now: int) -> str:
        """The ARN of a new hybrid job, or of that which the same client token created before."""
        return self._once("job", caller, request, lambda: self._new_job(caller, request, now))

    def cancel_task(self, task: Task, now: int) -> str:
        """Cancel a task that has not ended; its status from now on."""
        if not _may_be_cancelled(task, now):
            return task.status_at(now)
        task.cancel_asked = now
        if task.started is not None and task.started > now:
            task.started = None
        task.ended = now + self._cancelling(task)
        task.outcome, task.successful, task.failure_reason = "CANCELLED", 0, None
        return task.status_at(now)

    def cancel_job(self, job: Job, now: int) -> str:
        """Cancel a job that has not ended; its status from now on."""
        if not _may_be_cancelled(job, now):
            return job.status_at(now)
        job.cancel_asked = now
        if job.started is not None and job.started > now:
            job.started = None
        job.ended = now + self._cancelling(job)
        job.outcome, job.failure_reason = "CANCELLED", None
        job.events = [event for event in job.events if event.at <= now]
        job.billable = _billable(job)
        job.events.append(JobEvent(job.ended, "CANCELLED", "Job is CANCELLED."))
        return job.status_at(now)

    def _once(self, kind: str, caller: Caller, request: dict[str, Any], create: Callable[[], str]) -> str:
        key = (kind, f"{caller.account}/{caller.region}", request["clientToken"])
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (request, create())
        elif known[0] != request:
            raise _invalid("clientToken was used before with another request")
        return known[1]

    def _new_task(self, caller: Caller, request: dict[str, Any], now: int) -> str:
        wishes = Wishes.of(request.get("tags"))
        device = self._device(request["deviceArn"], caller, now)
        action = _action(request["action"], device)
        if action["braketSchemaHeader"]["name"] != PROGRAM_SET:
            _check_shots(request["shots"], device)
        unique = lore.identifier(self._rng)
        task = Task(
            arn=f"arn:aws:braket:{caller.region}:{caller.account}:quantum-task/{unique}",
            account=caller.account,
            region=caller.region,
            device=device,
            shots=request["shots"],
            successful=request["shots"],
            directory=f"{request['outputS3KeyPrefix'].rstrip('/')}/{unique}",
            created=now,
            queued=now + self._drawn(self._pace.queueing),
            started=None,
            ended=now,
            outcome=wishes.outcome or "COMPLETED",
            parameters=request.get("deviceParameters") or "{}",
            tags=request.get("tags"),
            job_arn=self._job(request.get("jobToken"), caller, now),
            reservation_arn=_reservation(request),
            action=action["braketSchemaHeader"]["name"],
            experimental=(request.get("experimentalCapabilities") or {}).get("enabled"),
            execution=0 if device.is_qpu else self._rng.randint(4, 60),
            bucket=request["outputS3Bucket"],
            qubits=_qubits(action),
            source=action,
        )
        if task.action == PROGRAM_SET:
            task.programs, task.executables = program_count(action)
        self._play_out(task, wishes)
        self._world.add_task(task)
        for told in self.on_task:
            told(task)
        return task.arn

    def _device(self, arn: str, caller: Caller, now: int) -> Device:
        device = self._world.device(arn, caller.region)
        if device is None:
            raise _invalid(f"device {arn} is not available in {caller.region}")
        status = device.status_at(now)
        if status == "RETIRED":
            raise ApiError("DeviceRetiredException", f"device {arn} is retired")
        if status == "OFFLINE":
            raise ApiError("DeviceOfflineException", f"device {arn} is offline")
        return device

    def _play_out(self, task: Task, wishes: Wishes) -> None:
        if wishes.execution_ms is not None and not task.device.is_qpu:
            task.execution = wishes.execution_ms
        task.started = task.queued + self._lasting(wishes.wait, self._pace.wait)
        task.ended = task.started + self._lasting(wishes.run, self._pace.run)
        if task.outcome == "FAILED":
            task.successful, task.failure_reason = 0, lore.task_failure(self._rng)
        elif wishes.successful_shots is not None:
            task.successful = min(task.shots, wishes.successful_shots)

    def _new_job(self, caller: Caller, request: dict[str, Any], now: int) -> str:
        wishes = Wishes.of(request.get("tags"))
        where = request["deviceConfig"]["device"]
        if where.startswith("arn:"):
            self._device(where, caller, now)
        instances = request["instanceConfig"]
        job = Job(
            arn=f"arn:aws:braket:{caller.region}:{caller.account}:job/{lore.identifier(self._rng)}",
            account=caller.account,
            region=caller.region,
            name=request["jobName"],
            device=where,
            created=now,
            started=None,
            ended=now,
            outcome=wishes.outcome or "COMPLETED",
            events=[],
            billable=0,
            instance_type=instances["instanceType"],
            volume_gb=instances["volumeSizeInGb"],
            instance_count=instances.get("instanceCount") or 1,
            max_runtime=(request.get("stoppingCondition") or {}).get("maxRuntimeInSeconds") or 432_000,
            hyper_parameters=request.get("hyperParameters") or {},
            tags=request.get("tags"),
            reservation_arn=_reservation(request),
            request={name: request[name] for name in _ECHOED if name in request},
        )
        self._run(job, wishes)
        self._world.add_job(job)
        self.job_token(job.arn)
        return job.arn

    def _run(self, job: Job, wishes: Wishes) -> None:
        at = job.created
        for kind in ("QUEUED_FOR_EXECUTION", "STARTING_INSTANCE", "DOWNLOADING_DATA", "RUNNING"):
            at += self._lasting(wishes.wait if kind == "QUEUED_FOR_EXECUTION" else None, self._pace.job_step)
            job.events.append(JobEvent(at, kind, f"Job is in stage {kind}."))
        job.started = at
        length = min(self._lasting(wishes.run, self._pace.job_run), job.max_runtime * SECOND)
        job.ended = at + length
        if job.outcome == "FAILED":
            job.failure_reason = lore.job_failure(self._rng)
        else:
            job.events.append(JobEvent(job.ended, "UPLOADING_RESULTS", "Job is uploading results."))
        job.events.append(JobEvent(job.ended, job.outcome, job.failure_reason or f"Job is {job.outcome}."))
        job.billable = _billable(job)

    def _job(self, token: str | None, caller: Caller, now: int) -> str | None:
        if token is None:
            return None
        arn = self._tokens.get(token)
        job = self._world.jobs.get(arn) if arn else None
        if job is None or (job.account, job.region) != (caller.account, caller.region):
            raise _invalid("jobToken is not valid here")
        if job.status_at(now) in TERMINAL:
            raise _invalid("jobToken belongs to a job that has ended")
        return arn

    def _cancelling(self, record: Task | Job) -> int:
        return self._lasting(Wishes.of(record.tags).cancel, self._pace.cancel)

    def _lasting(self, wished: float | None, drawn: tuple[int, int]) -> int:
        """Milliseconds: the seconds wished for, or a time out of a range."""
        return self._drawn(drawn) if wished is None else int(wished * SECOND)

    def _drawn(self, span: tuple[int, int]) -> int:
        return self._rng.randint(*span)


def _may_be_cancelled(record: Task | Job, now: int) -> bool:
    """Whether it is open and not being cancelled already; ApiError where it has ended."""
    status = record.status_at(now)
    if status in TERMINAL:
        raise ApiError("ConflictException", f"{record.arn} is in {status} status and cannot be cancelled")
    return status != "CANCELLING"


def _action(text: str, device: Device) -> dict[str, Any]:
    try:
        action = json.loads(text)
        name = action["braketSchemaHeader"]["name"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise _invalid("action is no JSON object with a braketSchemaHeader") from None
    if name != device.action and not (name == PROGRAM_SET and device.program_sets):
        raise _invalid(f"device {device.arn} does not run {name}")
    return dict(action)


def _check_shots(shots: int, device: Device) -> None:
    low, high = device.shots
    if not low <= shots <= high:
        raise _invalid(f"shots must be between {low} and {high} on {device.arn}")


def _reservation(request: dict[str, Any]) -> str | None:
    arns = [each["arn"] for each in request.get("associations") or ()]
    return arns[0] if arns else None


def _qubits(action: dict[str, Any]) -> int:
    """How many qubits a program measures, as far as its text tells; 0 where it does not."""
    source = str(action.get("source", ""))
    found = _BITS.search(source) or _QUBITS.search(source)
    return min(int(found[1]), 256) if found else 0


def _billable(job: Job) -> int:
    """Seconds from the start of the instance to the end; 0 where none was started."""
    starts = [event.at for event in job.events if event.kind == "STARTING_INSTANCE"]
    return max(1, (job.ended - starts[0]) // SECOND) if starts else 0


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)
