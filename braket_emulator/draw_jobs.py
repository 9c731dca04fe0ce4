"""Draws the timelines of hybrid jobs, their events, and the quantum tasks that they run.

All instants are milliseconds since 1970 UTC. Which stage counts as the start is not documented by AWS; here a
job starts with its RUNNING event, and is billed from the start of its instance.
"""

from __future__ import annotations

import math
from random import Random

from braket_emulator import draw_tasks, lore
from braket_emulator.devices import Device
from braket_emulator.draw_tasks import Scene
from braket_emulator.instants import HOUR, MINUTE, SECOND
from braket_emulator.records import Job, JobEvent, Task

_EMBEDDED = 0.25
_FAILED, _CANCELLED = 0.06, 0.05
# some jobs lose their priority so often that their events are more than the API shows
_SELDOM_INACTIVE, _OFTEN_INACTIVE, _OFTEN_INACTIVE_JOBS = 0.02, 0.4, 0.05
_INACTIVITY = 10 * MINUTE  # a gap after which the tasks of a job lose their priority


def job_with_tasks(
    where: Scene, created: int, quota: int, rng: Random, open_until: int | None
) -> tuple[Job, list[Task]]:
    """A job created at an instant, with at most `quota` tasks; with `open_until` it ends after that."""
    device, region = where.place(rng)
    embedded = rng.random() < _EMBEDDED
    target = rng.choice(lore.EMBEDDED_SIMULATORS) if embedded else device.arn
    job = _blank(where, region, target, created, rng)
    started = _enter_queue(job, None if embedded else device, rng)
    if rng.random() < 0.3 * _CANCELLED and open_until is None:
        _cancel_in_queue(job, started, rng)
        return job, []
    idle_from = started + rng.randint(5, 60) * SECOND
    tasks: list[Task] = []
    if not embedded:
        tasks, idle_from = _tasks(job, device, idle_from, quota, rng)
    wish = idle_from + int(math.exp(rng.gauss(0, 1)) * (20 if embedded else 2) * MINUTE)
    if open_until is not None:
        wish = max(wish, open_until)
    _end(job, started, wish, rng, may_fail=open_until is None)
    tasks = [task for task in tasks if task.created < job.ended - 2 * SECOND]
    return job, tasks


def _blank(where: Scene, region: str, device: str, created: int, rng: Random) -> Job:
    kinds, weights = zip(*lore.INSTANCE_TYPES, strict=True)
    name = lore.job_name(rng)
    # newer jobs are identified by a UUID, older ones by their name
    unique = lore.identifier(rng) if rng.random() < 0.7 else name
    return Job(
        arn=f"arn:aws:braket:{region}:{where.account}:job/{unique}",
        account=where.account,
        region=region,
        name=name,
        device=device,
        created=created,
        started=None,
        ended=created,
        outcome="COMPLETED",
        events=[],
        billable=0,
        instance_type=rng.choices(kinds, weights)[0],
        volume_gb=rng.choice((30, 30, 30, 50, 100)),
        instance_count=1 if rng.random() < 0.95 else 2,
        max_runtime=rng.choice((432_000, 432_000, 86_400, 21_600)),
        hyper_parameters=lore.hyper_parameters(rng),
        tags=rng.choice(where.tags),
        has_input=rng.random() < 0.3,
    )


def _enter_queue(job: Job, device: Device | None, rng: Random) -> int:
    """Add the events up to RUNNING, and tell when that is; only a QPU has a queue for jobs."""
    at = job.created + rng.randint(200, 2_000)
    if device and device.is_qpu:
        job.events.append(JobEvent(at, "WAITING_FOR_PRIORITY", "Job is at position 3 in the priority queue."))
        wait = int(20 * MINUTE * math.exp(rng.gauss(0.0, 1.3)))
        at = device.schedule.after_open_time(at, wait)
        job.position = max(1, int(wait / (15 * MINUTE)))
    job.events.append(JobEvent(at, "QUEUED_FOR_EXECUTION", "Job is queued for execution."))
    for kind, shortest, longest in (
        ("STARTING_INSTANCE", 2, 30),
        ("DOWNLOADING_DATA", 60, 200),
        ("RUNNING", 20, 120),
    ):
        at += rng.randint(shortest * SECOND, longest * SECOND)
        job.events.append(JobEvent(at, kind, None if rng.random() < 0.2 else f"Job is in stage {kind}."))
    if rng.random() < 0.05:  # the same event told twice
        job.events.append(job.events[-1])
    job.started = at
    return at


def _tasks(job: Job, device: Device, at: int, quota: int, rng: Random) -> tuple[list[Task], int]:
    """The tasks of a job, one after the other, and when the last one is done."""
    tasks: list[Task] = []
    latest = at + job.max_runtime * SECOND
    inactive = _OFTEN_INACTIVE if rng.random() < _OFTEN_INACTIVE_JOBS else _SELDOM_INACTIVE
    prefix = f"jobs/{job.name}/{job.created}/tasks"
    while len(tasks) < quota and at < latest:
        task = draw_tasks.in_job(job.account, job.region, device, job.arn, at, rng)
        task.directory = f"{prefix}/{task.arn.rpartition('/')[2]}"
        task.tags = job.tags if rng.random() < 0.5 else None
        tasks.append(task)
        pause = int(3 * SECOND * math.exp(rng.gauss(0.0, 1.2)))
        if device.is_qpu and rng.random() < inactive:
            pause += _inactive(job, task.ended, rng)
        at = task.ended + pause
    return tasks, at


def _inactive(job: Job, since: int, rng: Random) -> int:
    """A pause long enough for the job to lose its priority, and the events that tell of it."""
    lost = since + _INACTIVITY
    job.events.append(JobEvent(lost, "DEPRIORITIZED_DUE_TO_INACTIVITY", "No quantum task for a while."))
    back = rng.randint(1, 10) * MINUTE
    if rng.random() < 0.7:
        job.events.append(JobEvent(lost + back, "WAITING_FOR_PRIORITY", None))
    return _INACTIVITY + back + rng.randint(5, 60) * SECOND


def _end(job: Job, started: int, wish: int, rng: Random, *, may_fail: bool) -> None:
    """Let the job end at `wish`, or earlier as fate will."""
    latest = started + job.max_runtime * SECOND
    fate = rng.random()
    if wish > latest:
        job.outcome, last, wish = "FAILED", "MAX_RUNTIME_EXCEEDED", latest
        job.failure_reason = "ClientError: The job exceeded its maximum runtime."
    elif may_fail and fate < _FAILED:
        job.outcome = last = "FAILED"
        job.failure_reason = lore.job_failure(rng)
        wish = started + int((wish - started) * rng.random())
    elif may_fail and fate < _FAILED + _CANCELLED:
        job.outcome = last = "CANCELLED"
        job.cancel_asked = started + int((wish - started) * rng.random())
        wish = job.cancel_asked + rng.randint(20, 200) * SECOND
    else:
        last = "COMPLETED"
        job.events.append(JobEvent(wish, "UPLOADING_RESULTS", "Job is uploading results."))
        wish += rng.randint(5, 90) * SECOND
    job.ended = wish
    job.events = [event for event in job.events if event.at <= wish]
    told = None if rng.random() < 0.3 else f"Job is {last}."
    job.events.append(JobEvent(wish, last, job.failure_reason or told))
    instance = next(event.at for event in job.events if event.kind == "STARTING_INSTANCE")
    job.billable = max(1, (job.ended - instance) // SECOND)


def _cancel_in_queue(job: Job, started: int, rng: Random) -> None:
    job.cancel_asked = job.created + int((started - job.created) * rng.uniform(0.1, 0.5))
    job.ended = job.cancel_asked + rng.randint(2, 30) * SECOND
    job.outcome, job.started = "CANCELLED", None
    job.events = [event for event in job.events if event.at < job.cancel_asked]
    job.events.append(JobEvent(job.ended, "CANCELLED", None))


def typical_quota(rng: Random) -> int:
    """How many tasks a job would like to run."""
    return min(400, max(1, int(18 * math.exp(rng.gauss(0.0, 0.9)))))


def open_job_end(now: int, rng: Random) -> int:
    """When a job that is to be open at `now` ends at the earliest."""
    return now + rng.randint(10 * MINUTE, 6 * HOUR)
