"""The synthetic account: all records of one emulator, indexed for the API, and their generation from a seed.

How single records are drawn belongs to `draw_tasks.py` and `draw_jobs.py`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from random import Random
from typing import Any, Generic, TypeVar

from braket_emulator import draw_jobs, draw_tasks, lore
from braket_emulator.devices import BY_MINUTE, DEVICES, REGIONS, Device
from braket_emulator.draw_tasks import Scene
from braket_emulator.instants import DAY, iso, milliseconds
from braket_emulator.records import Job, SpendingLimit, Task

FUTURE_DAYS = 2
_JOB_TASK_SHARE = 0.35  # at most this share of an account's tasks belongs to jobs
_RESERVED_SHARE = 0.015

R = TypeVar("R", Task, Job, SpendingLimit)


class Shelf(Generic[R]):
    """The records of one account and Region in order of creation."""

    def __init__(self, records: Iterable[R]) -> None:
        self.records: list[R] = sorted(records, key=attrgetter("created", "arn"))
        self._created = [record.created for record in self.records]

    def add(self, record: R) -> None:
        """Put a new record in its place."""
        place = bisect_right(self._created, record.created)
        self.records.insert(place, record)
        self._created.insert(place, record.created)

    def between(self, first: int, last: int) -> range:
        """The places of the records created in [first, last], both ends included."""
        return range(bisect_left(self._created, first), bisect_right(self._created, last))


@dataclass
class World:
    """Everything an emulator knows about its accounts; tags, forgetting and clients that create change it."""

    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    tasks: dict[str, Task]
    jobs: dict[str, Job]
    limits: dict[str, SpendingLimit]
    devices: tuple[Device, ...] = DEVICES
    task_shelves: dict[tuple[str, str], Shelf[Task]] = field(init=False)
    job_shelves: dict[tuple[str, str], Shelf[Job]] = field(init=False)
    limit_shelves: dict[tuple[str, str], Shelf[SpendingLimit]] = field(init=False)

    def __post_init__(self) -> None:
        self.task_shelves = _shelved(self.tasks.values())
        self.job_shelves = _shelved(self.jobs.values())
        self.limit_shelves = _shelved(self.limits.values())

    def device(self, arn: str, region: str) -> Device | None:
        """The device with this ARN, where it is called from the Region."""
        return next((each for each in self.devices if each.arn == arn and region in each.called_from), None)

    def record(self, arn: str) -> Task | Job | SpendingLimit | None:
        """The record with this ARN, also one that the API has forgotten or does not show yet."""
        return self.tasks.get(arn) or self.jobs.get(arn) or self.limits.get(arn)

    def add_task(self, task: Task) -> None:
        """Take in a task that a client created."""
        self.tasks[task.arn] = task
        self.task_shelves.setdefault((task.account, task.region), Shelf(())).add(task)

    def add_job(self, job: Job) -> None:
        """Take in a job that a client created."""
        self.jobs[job.arn] = job
        self.job_shelves.setdefault((job.account, job.region), Shelf(())).add(job)

    def spend_on(self, limit: SpendingLimit, now: int) -> tuple[Decimal, Decimal]:
        """Queued and total spend in US dollars of the tasks that count towards a limit, at an instant."""
        queued, total = Decimal(0), Decimal(0)
        shelf = self.task_shelves.get((limit.account, limit.region))
        for place in shelf.between(limit.start, min(limit.end, now)) if shelf else ():
            task = shelf.records[place] if shelf else None
            if task is None or task.device is not limit.device:
                continue
            if now >= task.ended:
                total += task.billed()
            else:
                queued += task.committed()
        return queued, total

    def truth(self, now: int) -> dict[str, dict[str, Any]]:
        """What really happens to every task created by `now`, also what is still to come."""
        return {
            task.arn: {
                "created": iso(task.created),
                "started": None if task.started is None else iso(task.started),
                "ended": iso(task.ended),
                "cancelled_in_queue": task.cancelled_in_queue,
            }
            for task in self.tasks.values()
            if task.created <= now
        }


def _shelved(records: Iterable[R]) -> dict[tuple[str, str], Shelf[R]]:
    groups: dict[tuple[str, str], list[R]] = {}
    for record in records:
        groups.setdefault((record.account, record.region), []).append(record)
    return {place: Shelf(group) for place, group in groups.items()}


def generate(
    seed: int,
    tasks: int,
    jobs: int,
    days: int,
    accounts: Sequence[str],
    regions: Sequence[str] | None,
    now: datetime,
    *,
    by_minute: bool = False,
) -> World:
    """A world with exactly `tasks` tasks and `jobs` jobs created in the `days` before `now`.

    More come in the two days after `now`, at the same rate. `by_minute` draws tasks of the made-up QPU that is billed
    by the minute as well. Equal arguments give equal worlds. Raises
    ValueError for an account that is not twelve digits, an unknown Region, or numbers that make no sense.
    """
    _check(tasks, jobs, days, accounts, regions)
    rng = Random(seed)  # noqa: S311 (made-up data, nothing secret)
    end = milliseconds(now)
    begin = end - days * DAY
    devices = (*DEVICES, BY_MINUTE) if by_minute else DEVICES
    scenes = [draw_tasks.scene(account, tuple(regions or REGIONS), devices, rng) for account in accounts]
    for where in scenes:
        where.reservations = draw_tasks.reservations(where, begin, end + FUTURE_DAYS * DAY, rng)
    drawn_jobs, drawn_tasks = _jobs(scenes, jobs, tasks, begin, end, rng)
    drawn_tasks += _standalone(scenes, tasks, begin, end, drawn_tasks, rng)
    draw_tasks.run_one_at_a_time(drawn_tasks, begin, end + FUTURE_DAYS * DAY)
    limits = [limit for where in scenes for limit in _limits(where, begin, end, rng)]
    world = World(
        accounts=tuple(accounts),
        regions=tuple(regions or REGIONS),
        tasks={task.arn: task for task in drawn_tasks},
        jobs={job.arn: job for job in drawn_jobs},
        limits={limit.arn: limit for limit in limits},
        devices=devices,
    )
    for limit in limits:
        limit.limit = _believable_limit(sum(world.spend_on(limit, end)), rng)
    return world


def _check(tasks: int, jobs: int, days: int, accounts: Sequence[str], regions: Sequence[str] | None) -> None:
    if tasks < 0 or jobs < 0 or days < 1:
        raise ValueError("tasks and jobs must not be negative, days must be at least 1")
    if not accounts or any(len(account) != 12 or not account.isdecimal() for account in accounts):
        raise ValueError("accounts must be account ids of twelve digits")
    unknown = sorted(set(regions or ()) - set(REGIONS))
    if unknown:
        raise ValueError(f"no Amazon Braket in {', '.join(unknown)}; Regions: {', '.join(REGIONS)}")


def _scene(scenes: Sequence[Scene], rng: Random) -> Scene:
    """One of the accounts; the first is the busiest."""
    return scenes[int(len(scenes) * rng.random() ** 1.5)]


def _jobs(
    scenes: Sequence[Scene], jobs: int, tasks: int, begin: int, end: int, rng: Random
) -> tuple[list[Job], list[Task]]:
    future = jobs * FUTURE_DAYS * DAY // (end - begin)
    left = int(tasks * _JOB_TASK_SHARE)
    still_open = min(jobs, max(2, jobs // 40)) if jobs > 10 else 0
    drawn_jobs: list[Job] = []
    drawn_tasks: list[Task] = []
    for number in range(jobs + future):
        open_until = None
        if number < still_open:
            created = rng.randrange(max(begin, end - DAY // 8), end)
            open_until = draw_jobs.open_job_end(end, rng)
        elif number < jobs:
            created = draw_tasks.creation(begin, end, rng)
        else:
            created = rng.randrange(end + 1, end + FUTURE_DAYS * DAY)
        quota = min(draw_jobs.typical_quota(rng), left // max(1, (jobs + future - number) // 4), left)
        job, its_tasks = draw_jobs.job_with_tasks(_scene(scenes, rng), created, quota, rng, open_until)
        drawn_jobs.append(job)
        drawn_tasks += its_tasks
        left -= len(its_tasks)
    return drawn_jobs, drawn_tasks


def _standalone(
    scenes: Sequence[Scene], tasks: int, begin: int, end: int, in_jobs: Sequence[Task], rng: Random
) -> list[Task]:
    missing = tasks - sum(task.created <= end for task in in_jobs)
    reserved = _reserved(scenes, int(missing * _RESERVED_SHARE), rng)
    missing -= sum(task.created <= end for task in reserved)

    def drawn(first: int, last: int) -> Task:
        return draw_tasks.standalone(_scene(scenes, rng), draw_tasks.creation(first, last, rng), rng)

    past = [drawn(begin, end) for _ in range(missing)]
    past = draw_tasks.settle_open_share(past, tasks, end, lambda: drawn(begin, end), rng)
    future = missing * FUTURE_DAYS * DAY // (end - begin)
    return [*reserved, *past, *(drawn(end + 1, end + FUTURE_DAYS * DAY) for _ in range(future))]


def _reserved(scenes: Sequence[Scene], count: int, rng: Random) -> list[Task]:
    choices = [(where, each) for where in scenes for each in where.reservations]
    return [draw_tasks.reserved(*rng.choice(choices), rng) for _ in range(count if choices else 0)]


def _limits(where: Scene, begin: int, end: int, rng: Random) -> list[SpendingLimit]:
    """Up to three spending limits of an account, one a QPU."""
    qpus = [(device, region) for device, region in where.places if device.is_qpu]
    drawn = []
    for device, region in rng.sample(qpus, min(3, len(qpus))):
        start = begin + rng.randrange(0, max(1, (end - begin) // 2))
        start -= start % DAY
        created = start - rng.randrange(1, DAY)
        drawn.append(
            SpendingLimit(
                arn=f"arn:aws:braket:{region}:{where.account}:spending-limit/{lore.identifier(rng)}",
                account=where.account,
                region=region,
                device=device,
                limit=Decimal(0),
                start=start,
                end=start + rng.choice((30, 90, 365)) * DAY,
                created=created,
                updated=created + rng.choice((0, 0, rng.randrange(1, DAY))),
                tags=rng.choice(where.tags),
            )
        )
    return drawn


def _believable_limit(spend: Decimal | int, rng: Random) -> Decimal:
    """A round sum in US dollars above what was spent: Braket would have refused the tasks beyond it."""
    return Decimal(50 * (1 + int(float(spend) / rng.uniform(0.3, 0.95) / 50)))
