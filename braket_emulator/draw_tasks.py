"""Draws the timelines of quantum tasks: when they came, waited, ran and ended.

Believable, not measured: waits are lognormal in the device's open time, so that a task which comes while the
device is closed waits for the next window. All instants are milliseconds since 1970 UTC.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from braket_emulator import lore
from braket_emulator.devices import Device
from braket_emulator.instants import DAY, HOUR, MINUTE, SECOND
from braket_emulator.records import Task

_FAILED, _CANCELLED = 0.03, 0.045
_PARTIAL_ON_QPU = 0.035  # two of a hundred tasks, as six in ten run on a QPU
_PROGRAM_SET = 0.12
_EXPERIMENTAL = 0.015
_USUAL_SHOTS = (20, 50, 100, 100, 100, 200, 500, 1000, 1000, 2000, 4000, 10000)
_PRIORITY_MEDIAN, _PRIORITY_SPREAD = 4.0, 0.9
_SIMULATOR_OVERHEAD = 1_900  # what Braket itself takes around an SV1 run
_CLOSE_TO_THE_END = 4 * DAY  # tasks that are to be open at the end of history came within this time
_OPEN_AT_LEAST, _OPEN_AT_MOST = 0.012, 0.025


@dataclass(frozen=True, slots=True)
class Reservation:
    """A time in which a QPU belongs to one account."""

    arn: str
    device: Device
    region: str
    start: int
    end: int


@dataclass(slots=True)
class Scene:
    """Where tasks of one account happen: what can be drawn from."""

    account: str
    places: list[tuple[Device, str]]
    weights: list[float]
    tags: list[dict[str, str] | None]
    reservations: list[Reservation] = field(default_factory=list)

    def place(self, rng: Random) -> tuple[Device, str]:
        """A device and the Region it is called from."""
        return self.places[bisect_left(self.weights, rng.random() * self.weights[-1])]


def scene(account: str, regions: tuple[str, ...], devices: Sequence[Device], rng: Random) -> Scene:
    """The devices, tags and habits of one account in these Regions."""
    places, weights = [], []
    for device in devices:
        here = [region for region in device.called_from if region in regions]
        for region in here if device.weight else ():
            places.append((device, region))
            weights.append(device.weight / len(here))
    return Scene(account, places, list(accumulate(weights)), lore.tag_pool(rng))


def reservations(where: Scene, begin: int, end: int, rng: Random) -> list[Reservation]:
    """Some hours a month on a QPU that belong to this account."""
    qpus = [(device, region) for device, region in where.places if device.is_qpu]
    drawn = []
    for _ in range(max(1, (end - begin) // (15 * DAY)) if qpus else 0):
        device, region = rng.choice(qpus)
        start = rng.randrange(begin + 4 * HOUR, end)
        start -= start % HOUR  # reservations are sold by the hour
        arn = f"arn:aws:braket:{region}:{where.account}:reservation/{lore.identifier(rng)}"
        drawn.append(Reservation(arn, device, region, start, start + rng.randint(1, 3) * HOUR))
    return drawn


def creation(begin: int, end: int, rng: Random) -> int:
    """An instant in [begin, end), likelier on weekdays and in European and American office hours."""
    while True:
        at = rng.randrange(begin, end)
        hour = at % DAY / HOUR
        weight = 0.25 + 0.75 * max(0.0, math.sin(math.pi * (hour - 6) / 17)) if 6 <= hour <= 23 else 0.25
        if (at // DAY + 3) % 7 >= 5:
            weight *= 0.35
        if rng.random() < weight:
            return at


def standalone(where: Scene, created: int, rng: Random) -> Task:
    """A task that someone runs outside of any job."""
    device, region = where.place(rng)
    task = _blank(where.account, region, device, created, rng)
    task.tags = rng.choice(where.tags)
    wait = _lognormal(rng, device.pace.wait_median, device.pace.wait_spread)
    task.position = max(1, int(wait / SECOND / device.pace.service * rng.uniform(0.7, 1.4)))
    _play_out(task, device.schedule.after_open_time(task.queued, wait), rng)
    return task


def reserved(where: Scene, reservation: Reservation, rng: Random) -> Task:
    """A task of a reservation: sent some hours ahead or within, and never started before."""
    created = rng.randrange(reservation.start - 3 * HOUR, reservation.end - 5 * MINUTE)
    task = _blank(where.account, reservation.region, reservation.device, created, rng)
    task.tags = rng.choice(where.tags)
    task.reservation_arn = reservation.arn
    _play_out(task, max(task.queued, reservation.start) + rng.randint(1, 5) * SECOND, rng)
    return task


def in_job(account: str, region: str, device: Device, job_arn: str, created: int, rng: Random) -> Task:
    """A task that a hybrid job runs: ahead of the others, but still only in the device's windows."""
    task = _blank(account, region, device, created, rng)
    task.job_arn = job_arn
    wait = _lognormal(rng, _PRIORITY_MEDIAN, _PRIORITY_SPREAD)
    task.position = rng.randint(1, 3)
    _play_out(task, device.schedule.after_open_time(task.queued, wait), rng, cancels=0.0)
    return task


def _blank(account: str, region: str, device: Device, created: int, rng: Random) -> Task:
    unique = lore.identifier(rng)
    task = Task(
        arn=f"arn:aws:braket:{region}:{account}:quantum-task/{unique}",
        account=account,
        region=region,
        device=device,
        shots=_shots(device, rng),
        successful=0,
        directory=f"tasks/{unique}",
        created=created,
        queued=created + rng.randint(80, 900 if not device.is_qpu else 4_000),
        started=None,
        ended=created,
        outcome="COMPLETED",
        parameters=lore.task_parameters(device.provider, min(device.qubits, 30), rng),
        action=device.action,
    )
    if device.program_sets and rng.random() < _PROGRAM_SET:
        _make_program_set(task, rng)
    if device.is_qpu and rng.random() < _EXPERIMENTAL:
        task.experimental = rng.choice(("ALL", "ALL", "NONE"))
    return task


def _shots(device: Device, rng: Random) -> int:
    low, high = device.shots
    if not device.is_qpu and rng.random() < 0.1:
        return 0
    wanted = rng.choice((*_USUAL_SHOTS, rng.randint(1, 3000)))
    return min(high, max(low, wanted))


def _make_program_set(task: Task, rng: Random) -> None:
    task.action = "braket.ir.openqasm.program_set"
    task.programs = rng.randint(1, 20)
    task.executables = task.programs * rng.randint(1, 5)
    task.shots = task.executables * rng.choice((10, 50, 100))


def _play_out(task: Task, ready: int, rng: Random, cancels: float = _CANCELLED) -> None:
    """Let the task start at `ready` and end as fate will."""
    fate = rng.random()
    task.started = ready
    task.ended = ready + _run_time(task, rng)
    task.successful = task.shots
    if fate < _FAILED:
        _fail(task, ready, rng)
    elif fate < _FAILED + cancels:
        _cancel(task, ready, rng)
    elif task.device.is_qpu and task.shots > 1 and rng.random() < _PARTIAL_ON_QPU:
        task.successful = max(1, int(task.shots * rng.uniform(0.4, 0.99)))


def _run_time(task: Task, rng: Random) -> int:
    pace = task.device.pace
    if task.device.is_qpu:
        seconds = pace.run_base + pace.run_per_shot * task.shots
        return int(seconds * rng.uniform(0.85, 1.3) * SECOND)
    task.execution = min(3 * HOUR, 1 + int(_lognormal(rng, 0.6, 2.2)))
    return task.execution + _SIMULATOR_OVERHEAD + rng.randint(-400, 900)


def _fail(task: Task, ready: int, rng: Random) -> None:
    task.outcome, task.successful = "FAILED", 0
    task.failure_reason = lore.task_failure(rng)
    if rng.random() < 0.3:  # refused before it ever ran
        task.started, task.ended = None, task.queued + rng.randint(1, 90) * SECOND
    else:
        task.ended = ready + max(1, int((task.ended - ready) * rng.random()))


def _cancel(task: Task, ready: int, rng: Random) -> None:
    task.outcome, task.successful = "CANCELLED", 0
    if task.device.is_qpu and rng.random() < 0.7:
        task.cancel_asked = task.queued + int((ready - task.queued) * rng.random())
        task.started = None
    else:
        task.cancel_asked = ready + int((task.ended - ready) * rng.uniform(0.1, 0.9))
    task.ended = task.cancel_asked + rng.randint(2, 60) * SECOND


def _lognormal(rng: Random, median: float, spread: float) -> int:
    """Milliseconds, drawn with a heavy tail around a median in seconds."""
    return int(median * SECOND * math.exp(rng.gauss(0.0, spread)))


def settle_open_share(
    tasks: list[Task], total: int, now: int, another: Callable[[], Task], rng: Random
) -> list[Task]:
    """These standalone tasks, so changed that a believable share (1 to 3 % of `total`) is open at `now`.

    Too many: some give way to `another` one that is over. Too few: those of the last days that have to be
    stretched least wait until after `now`.
    """
    surplus = sum(task.ended > now for task in tasks) - int(total * _OPEN_AT_MOST) - 1
    settled = []
    for task in tasks:
        if task.ended > now and surplus > 0:
            surplus -= 1
            settled.append(_over(another, now))
        else:
            settled.append(task)
    missing = max(2, int(total * _OPEN_AT_LEAST)) - sum(task.ended > now for task in settled)
    recent = [task for task in settled if _could_still_wait(task, now)]
    recent.sort(key=lambda task: (now - task.created) / (task.ended - task.created))
    for task in recent[: max(0, missing)]:
        _keep_open(task, now, rng)
    return settled


def run_one_at_a_time(tasks: list[Task], begin: int, end: int) -> None:
    """Let each QPU run one task at a time, as real ones do: who is ready while it is busy starts when it is free.

    Where the tasks of [begin, end) are more than half of what a QPU can run in its open time, their runs are made shorter.
    """
    of_device: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        if task.device.is_qpu and task.started is not None:
            of_device[task.device.name].append(task)
    for started in of_device.values():
        schedule = started[0].device.schedule
        wanted = sum(task.ended - (task.started or 0) for task in started)
        share = min(1.0, schedule.open_share * (end - begin) / 2 / wanted)
        started.sort(key=lambda task: (task.started or 0, task.arn))
        free = 0
        for task in started:
            _start_when_free(task, free, share)
            free = task.ended


def _start_when_free(task: Task, free: int, share: float) -> None:
    """Start a task at `free` at the earliest, and let its run last this share of what was drawn."""
    ready = task.started or 0
    task.started = ready if free <= ready else free
    if not task.reservation_arn:
        task.started = task.device.schedule.after_open_time(task.started, 0)

    def moved(at: int) -> int:
        return (task.started or 0) + (at - ready if share == 1 else max(1, int((at - ready) * share)))

    task.ended = moved(task.ended)
    if task.cancel_asked is not None and task.cancel_asked >= ready:
        task.cancel_asked = moved(task.cancel_asked)


def _over(another: Callable[[], Task], now: int) -> Task:
    while True:
        task = another()
        if task.ended <= now:
            return task


def _could_still_wait(task: Task, now: int) -> bool:
    return task.device.is_qpu and task.ended <= now and task.created > now - _CLOSE_TO_THE_END


def _keep_open(task: Task, now: int, rng: Random) -> None:
    """Make a task that ended by now wait on, run, or be in the middle of its cancellation."""
    task.outcome, task.failure_reason, task.cancel_asked = "COMPLETED", None, None
    kind = rng.random()
    if kind < 0.15 and task.device.schedule.is_open(now):
        task.started = max(task.queued, now - rng.randint(1, 90) * SECOND)
        task.ended = now + rng.randint(1, 20) * MINUTE
        task.successful = task.shots
        return
    wait = _lognormal(rng, 2_400.0, 1.2)
    task.position = max(task.position, int(wait / SECOND / task.device.pace.service) + 1)
    _play_out(task, task.device.schedule.after_open_time(now, wait), rng, cancels=0.1)
    if task.ended <= now:  # it failed at once or was cancelled long ago: let that be still to come
        task.cancel_asked = now - rng.randint(0, 20) * SECOND if task.cancel_asked else None
        task.ended = now + rng.randint(5, 120) * SECOND
