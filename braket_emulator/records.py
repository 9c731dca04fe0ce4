"""The records of the synthetic account: true timelines, and what is visible of them at an instant.

State is a pure function of a record and an instant (milliseconds since 1970 UTC). How a timeline is drawn
belongs to `draw_tasks.py` and `draw_jobs.py`, how it looks on the wire to `render.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from braket_emulator.devices import SIMULATOR_MINIMUM, Device
from braket_emulator.instants import MINUTE

TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
EVENTS_SHOWN = 20


def default_bucket(region: str, account: str) -> str:
    """The bucket that Braket's tools use unless told otherwise."""
    return f"amazon-braket-{region}-{account}"


@dataclass(slots=True)
class Task:
    """A quantum task; `started` is None when it never ran, and `ended` may lie in the future.

    `bucket`, `qubits` and `source` (its action) are known only of a task that a client created.
    """

    arn: str
    account: str
    region: str
    device: Device
    shots: int
    successful: int
    directory: str
    created: int
    queued: int
    started: int | None
    ended: int
    outcome: str
    parameters: str
    cancel_asked: int | None = None
    failure_reason: str | None = None
    tags: dict[str, str] | None = None
    job_arn: str | None = None
    reservation_arn: str | None = None
    action: str = "braket.ir.openqasm.program"
    programs: int | None = None
    executables: int | None = None
    experimental: str | None = None
    execution: int = 0
    position: int = 1
    forgotten: bool = False
    bucket: str = ""
    qubits: int = 0
    source: dict[str, Any] | None = None

    @property
    def output_bucket(self) -> str:
        """The bucket of its results: the one that was asked for, else the account's own in the Region."""
        return self.bucket or default_bucket(self.region, self.account)

    @property
    def cancelled_in_queue(self) -> bool:
        """Whether it was cancelled before it ever ran."""
        return self.outcome == "CANCELLED" and self.started is None

    def status_at(self, now: int) -> str:
        """The status that the API tells at an instant at or after the creation."""
        if now >= self.ended:
            return self.outcome
        if self.cancel_asked is not None and now >= self.cancel_asked:
            return "CANCELLING"
        if self.started is not None and now >= self.started:
            return "RUNNING"
        return "QUEUED" if now >= self.queued else "CREATED"

    def position_at(self, now: int) -> int | None:
        """How many are ahead of it, at least 1; None once it waits no more."""
        if self.status_at(now) not in ("CREATED", "QUEUED"):
            return None
        leaves = self.ended if self.started is None else self.started
        left = (leaves - now) / max(1, leaves - self.created)
        return max(1, round(self.position * left))

    @property
    def run_time(self) -> int:
        """Its milliseconds on the device, as the results of one that is paid by time tell them."""
        return self.ended - (self.started or self.ended) if self.device.is_qpu else self.execution

    def billed(self) -> Decimal:
        """What it costs in US dollars when it ends as drawn."""
        if self.outcome != "COMPLETED" or self.reservation_arn:
            return Decimal(0)
        if self.device.is_paid_by_time:
            least = 0 if self.device.is_qpu else SIMULATOR_MINIMUM
            return self.device.per_minute * max(self.run_time, least) / MINUTE
        return self.device.per_task + self.device.per_shot * self.successful

    def committed(self) -> Decimal:
        """What it is expected to cost in US dollars while it is open."""
        if self.reservation_arn or self.device.is_paid_by_time:
            return Decimal(0)
        return self.device.per_task + self.device.per_shot * self.shots


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One entry of a job's `events`; `message` None is sent as null, an empty one not at all."""

    at: int
    kind: str
    message: str | None = ""


@dataclass(slots=True)
class Job:
    """A hybrid job; `started` is None when it never got an instance.

    `request` holds members that a client asked for when it created the job.
    """

    arn: str
    account: str
    region: str
    name: str
    device: str
    created: int
    started: int | None
    ended: int
    outcome: str
    events: list[JobEvent]
    billable: int
    instance_type: str
    volume_gb: int
    instance_count: int
    max_runtime: int
    hyper_parameters: dict[str, str]
    cancel_asked: int | None = None
    failure_reason: str | None = None
    tags: dict[str, str] | None = None
    reservation_arn: str | None = None
    position: int = 1
    forgotten: bool = False
    has_input: bool = False
    request: dict[str, Any] | None = None

    @property
    def cancelled_in_queue(self) -> bool:
        """Whether it was cancelled before it got an instance."""
        return self.outcome == "CANCELLED" and self.started is None

    def status_at(self, now: int) -> str:
        """The status that the API tells at an instant at or after the creation."""
        if now >= self.ended:
            return self.outcome
        if self.cancel_asked is not None and now >= self.cancel_asked:
            return "CANCELLING"
        return "RUNNING" if self.started is not None and now >= self.started else "QUEUED"

    def position_at(self, now: int) -> int | None:
        """Its place in the device's job queue, at least 1; None once it waits no more."""
        if self.status_at(now) != "QUEUED":
            return None
        leaves = self.ended if self.started is None else self.started
        left = (leaves - now) / max(1, leaves - self.created)
        return max(1, round(self.position * left))

    def events_at(self, now: int) -> list[JobEvent]:
        """The events that happened so far; the newest twenty, as the API shows no more."""
        return [event for event in self.events if event.at <= now][-EVENTS_SHOWN:]


@dataclass(slots=True)
class SpendingLimit:
    """A limit on the spend on one QPU within a period."""

    arn: str
    account: str
    region: str
    device: Device
    limit: Decimal
    start: int
    end: int
    created: int
    updated: int
    tags: dict[str, str] | None = field(default=None)
    forgotten: bool = False
