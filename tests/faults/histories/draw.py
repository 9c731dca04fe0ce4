"""Draws a history from a seed: the records and what becomes of them, the troubles, and when the program runs.

Every feature draws from a chance of its own, so that one can be left out and the rest stays what it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from tests.faults.histories.world import SPOILT, Change, Event, Place, Record, Trouble, World

#: What may be drawn, and what it is.
FEATURES = {
    "back": "a final status becomes another one, or an open one again",
    "late": "endedAt, billableDuration, numSuccessfulShots and the last events come after the status",
    "events": "event lists of more than 20",
    "jitter": "instants differ by milliseconds from answer to answer",
    "moved": "createdAt of an open record moves, by milliseconds up to days",
    "moved_ended": "createdAt of an ended record moves",
    "tags": "tags come, change and go",
    "vanished": "a get says 404 for a while",
    "gone": "a record is gone for good",
    "hidden": "a search leaves a record out for a while",
    "listed_as_of": "a search shows a record as it was, or as it is going to be",
    "queue_info": "queueInfo without position, with a number, with text",
    "dates": "Date headers of single answers: 2099, 1970, hours and days off, missing",
    "pages": "records on two pages, empty pages",
    "trouble": "single 429 and 500",
    "denied": "the get of a record answers 500 for a while",
    "outage": "an operation answers 500 in a place for a while",
    "refused": "a place answers 403 for days",
    "refused_for_ever": "a place always answers 403",
    "broken": "a get is no record for a while",
    "old": "records that Braket forgets while the history goes on",
    "unknown": "members that no declaration knows",
}
ALL = frozenset(FEATURES)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ACCOUNT_IDS = ("111122223333", "444455556666")
_REGIONS = ("us-east-1", "eu-north-1")
_QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
_SIMULATOR = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
#: Members that come with an end.
_ENDING = ("endedAt", "failureReason", "billableDuration", "numSuccessfulShots")
_OPEN_STEPS = {"task": ("CREATED", "QUEUED", "RUNNING"), "job": ("QUEUED", "RUNNING")}


@dataclass(frozen=True)
class Step:
    """The program runs: `sync`, `observe`, `backfill`, the same `again`, or `retry` of rejects; a backfill of these days."""

    at: datetime
    kind: str
    days: tuple[date, date] | None = None


@dataclass(frozen=True)
class History:
    """What is played."""

    seed: int
    world: World
    places: tuple[Place, ...]
    first_day: date
    steps: tuple[Step, ...]
    """The last of them is before the world is still."""
    backfills: bool
    """Whether, in the still world, all days are searched once more."""
    features: frozenset[str]


def drawn(seed: int, features: Iterable[str] = ALL) -> History:
    """The history of this seed."""
    return _Drawing(seed, frozenset(features)).history()


class _Drawing:
    def __init__(self, seed: int, features: frozenset[str]) -> None:
        self.seed, self.features = seed, features
        draw = self.chance("frame")
        self.start = datetime(2026, 3, 1, tzinfo=UTC) + draw.random() * 200 * DAY
        self.start = self.start.replace(microsecond=0)
        accounts = ACCOUNT_IDS[: 2 if draw.random() < 0.2 else 1]
        regions = _REGIONS[: 2 if draw.random() < 0.3 else 1]
        self.places = tuple(Place(account, region) for account in accounts for region in regions)
        self.steps = self._steps(draw)
        self.still = self.steps[-1].at + draw.choice([2 * MINUTE, 90 * MINUTE])
        self.is_old = "old" in features and self.chance("old").random() < 0.05
        self.first_day = (self.start - (89 if self.is_old else 3) * DAY).date()

    def chance(self, *what: Any) -> Random:
        return Random(f"{self.seed}/{what}")

    def has(self, feature: str, record: object, probability: float) -> Random | None:
        """Chance to draw the feature's details from, where the record is to have it."""
        draw = self.chance(feature, record)
        return draw if draw.random() < probability and feature in self.features else None

    def history(self) -> History:
        draw = self.chance("records")
        kinds = ["task"] * draw.randint(1, 6) + ["job"] * draw.choice([0, 1, 1, 2])
        records = [self._record(number, kind) for number, kind in enumerate(kinds)]
        page_size = draw.choice([1, 2, 3, 100])
        newest_first = draw.random() < 0.5
        world = World(
            str(self.seed),
            records,
            {place: list(self._place_troubles(place)) for place in self.places},
            page_size,
            newest_first,
            self.still,
            self.features,
        )
        backfills = draw.random() < 0.3
        return History(
            self.seed, world, self.places, self.first_day, tuple(self.steps), backfills, self.features
        )

    def _steps(self, draw: Random) -> list[Step]:
        at, steps = self.start, []
        for _ in range(draw.randint(4, 10)):
            at += between(draw, MINUTE, 36 * HOUR)
            kind = draw.choices(["sync", "observe", "backfill", "again", "retry"], [60, 25, 8, 4, 5])[0]
            days = None
            if kind in ("backfill", "again"):
                first = (at - draw.randint(0, 5) * DAY).date()
                days = (first, min(at.date(), first + draw.randint(0, 3) * DAY))
            steps.append(Step(at.replace(microsecond=0), kind, days))
        return steps

    # records

    def _record(self, number: int, kind: str) -> Record:
        draw = self.chance("record", number)
        place = draw.choice(self.places)
        born = self.start - 3 * DAY + draw.random() * (self.still - self.start + 3 * DAY - 2 * MINUTE)
        if self.is_old and draw.random() < 0.6:
            born = self.start - 88 * DAY + draw.random() * 4 * DAY
        born = born.replace(microsecond=draw.randrange(1000) * 1000)
        word = "quantum-task" if kind == "task" else "job"
        arn = f"arn:aws:braket:{place.region}:{place.account_id}:{word}/{UUID(int=draw.getrandbits(128))}"
        record = Record(kind, place, arn, [])  # type: ignore[arg-type]
        first = _task(draw, arn, born) if kind == "task" else _job(draw, arn, born, number)
        if self.has("unknown", number, 0.1):
            first["carbonFootprint"] = {"grams": number}
        ended_at = self._life(record, draw, first, born)
        self._later(record, number, born, ended_at)
        record.changes = sorted((c for c in record.changes if c.at < self.still), key=lambda c: c.at)
        record.events = [event for event in record.events if event.shown_from < self.still]
        record.troubles = list(self._troubles(record, number, born))
        return record

    def _life(self, record: Record, draw: Random, first: dict[str, Any], born: datetime) -> datetime | None:
        """From creation to the end; when that was, None for a record that stays open."""
        statuses = list(_OPEN_STEPS[record.kind])[draw.choice([0, 0, 1]) :]
        record.changes.append(Change(born, {**first, "status": statuses[0]}))
        at = born
        for status in statuses[1:]:
            at += between(draw, timedelta(seconds=1), 20 * HOUR)
            more = {"startedAt": at} if record.kind == "job" and status == "RUNNING" else {}
            record.changes.append(Change(at, {"status": status, **more}))
        self._open_events(record, draw, born, at)
        if draw.random() < 0.15:
            return None
        at += between(draw, timedelta(seconds=2), 20 * HOUR)
        final = draw.choices(["COMPLETED", "FAILED", "CANCELLED"], [8, 2, 1])[0]
        if final == "CANCELLED" and draw.random() < 0.5:
            record.changes.append(Change(at, {"status": "CANCELLING"}))
            at += between(draw, timedelta(seconds=2), HOUR)
        self._end(record, draw, at, final, "end")
        return at

    def _end(self, record: Record, draw: Random, at: datetime, status: str, what: str) -> None:
        """A final status, and what comes with it or some time later."""
        members: dict[str, Any] = {"endedAt": at, "failureReason": "broke" if status == "FAILED" else None}
        if record.kind == "job":
            members["billableDuration"] = draw.randint(1, 9_000)
        elif status == "COMPLETED" and draw.random() < 0.7:
            members["numSuccessfulShots"] = draw.randint(1, 500)
        now: dict[str, Any] = {"status": status}
        late = self.has("late", (record.arn, what), 0.5)
        for name, value in members.items():
            if late and value is not None and late.random() < 0.6:
                record.changes.append(
                    Change(at + between(late, timedelta(seconds=5), 30 * HOUR), {name: value})
                )
            else:
                now[name] = value
        record.changes.append(Change(at, now))
        if record.kind == "job":
            for n, kind in enumerate(("UPLOADING_RESULTS", status)):
                behind = between(late, timedelta(seconds=5), 12 * HOUR) if late else timedelta(0)
                record.events.append(
                    Event(at + behind, kind, at + n * timedelta(seconds=5), f"{what} {kind}")
                )
            record.events.sort(key=lambda event: event.shown_from)

    def _open_events(self, record: Record, draw: Random, born: datetime, until: datetime) -> None:
        if record.kind != "job":
            return
        many = self.has("events", record.arn, 0.5)
        for n in range(many.randint(15, 45) if many else draw.randint(1, 5)):
            at = born + (until - born) * (n / 50) + n * timedelta(seconds=4)
            kind = ("QUEUED_FOR_EXECUTION", "STARTING_INSTANCE", "RUNNING")[n % 3]
            record.events.append(Event(at, kind, at, f"{kind} again" if n > 2 else ""))

    def _later(self, record: Record, number: int, born: datetime, ended_at: datetime | None) -> None:
        """What changes besides."""
        last = min(self.still, born + 12 * DAY)
        if draw := self.has("tags", number, 0.6):
            for _ in range(draw.randint(1, 4)):
                at = born + draw.random() * (last - born)
                tags = draw.choice([None, {}, {"team": draw.choice("abc")}, {"team": "a", "run": "7"}])
                record.changes.append(Change(at, {"tags": tags}))
        end = ended_at or last
        if draw := self.has("moved", number, 0.25):
            for _ in range(draw.randint(1, 3)):
                at = born + draw.random() * (min(end, last) - born)
                record.changes.append(Change(at, {"createdAt": min(at, born + shift(draw))}))
        if ended_at is None:
            return
        if draw := self.has("moved_ended", number, 0.08):
            at = ended_at + between(draw, MINUTE, 2 * DAY)
            record.changes.append(Change(at, {"createdAt": min(at, born + shift(draw))}))
        if draw := self.has("back", number, 0.25):
            at = ended_at + between(draw, MINUTE, 3 * DAY)
            # what was to come late of the first end comes no more
            record.changes = [c for c in record.changes if c.at < at or not c.members.keys() & set(_ENDING)]
            if draw.random() < 0.5:
                self._end(record, draw, at, draw.choice(["FAILED", "COMPLETED", "CANCELLED"]), "again")
            else:
                record.changes.append(Change(at, {"status": "RUNNING", **dict.fromkeys(_ENDING)}))
                if draw.random() < 0.7:
                    self._end(record, draw, at + between(draw, MINUTE, DAY), "COMPLETED", "again")

    # troubles

    def _troubles(self, record: Record, number: int, born: datetime) -> Iterable[Trouble]:
        if draw := self.has("jitter", number, 0.3):
            record.jitter = timedelta(milliseconds=draw.choice([2, 400, 900]))
        for kind, probability in (("vanished", 0.15), ("hidden", 0.15), ("denied", 0.08), ("broken", 0.12)):
            if draw := self.has(kind, number, probability):
                detail = draw.choice(SPOILT) if kind == "broken" else None
                yield self._during(draw, kind, born, detail)
        if draw := self.has("listed_as_of", number, 0.25):
            by = between(draw, timedelta(seconds=30), 12 * HOUR) * draw.choice([-1, -1, 1])
            yield self._during(draw, "listed_as_of", born - max(by, timedelta(0)), by)
        if draw := self.has("gone", number, 0.04):
            at = born + draw.random() * (self.still - born)
            for kind in ("vanished", "hidden"):
                yield Trouble(kind, at, datetime.max.replace(tzinfo=UTC))

    def _place_troubles(self, place: Place) -> Iterable[Trouble]:
        if draw := self.has("refused", place, 0.15):
            yield self._during(draw, "refused", self.start, None, longest=3 * DAY)
        if draw := self.has("outage", place, 0.15):
            operation = draw.choice(["Search task", "Search job", "Get task", "Get job"])
            yield self._during(draw, "outage", self.start, operation)
        if place != self.places[0] and self.has("refused_for_ever", place, 0.2):
            yield Trouble("refused", datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))

    def _during(
        self, draw: Random, kind: str, earliest: datetime, detail: Any, longest: timedelta = DAY
    ) -> Trouble:
        """A trouble for a while, over before the world is still."""
        start = earliest + draw.random() ** 2 * max(self.still - earliest, timedelta(0))
        return Trouble(kind, start, min(self.still, start + between(draw, MINUTE, longest)), detail)


def between(draw: Random, shortest: timedelta, longest: timedelta) -> timedelta:
    """A length of time, as likely between one and two minutes as between one and two days."""
    seconds = math.exp(draw.uniform(math.log(shortest.total_seconds()), math.log(longest.total_seconds())))
    return timedelta(milliseconds=round(seconds * 1000))


def shift(draw: Random) -> timedelta:
    """By how much a time of creation moves."""
    by = draw.choice([timedelta(milliseconds=7), timedelta(seconds=3), 90 * MINUTE, 30 * HOUR, 3 * DAY])
    return by * draw.choice([-1, 1])


def _task(draw: Random, arn: str, born: datetime) -> dict[str, Any]:
    body: dict[str, Any] = {
        "quantumTaskArn": arn,
        "deviceArn": draw.choice([_QPU, _SIMULATOR]),
        "deviceParameters": '{"a": 1}',
        "shots": draw.randint(1, 1_000),
        "outputS3Bucket": "results",
        "outputS3Directory": "tasks/1",
        "createdAt": born,
    }
    if draw.random() < 0.4:
        body["tags"] = {"team": draw.choice("abc")}
    if draw.random() < 0.2:
        body["jobArn"] = arn.replace("quantum-task", "job")
    if draw.random() < 0.2:
        body["associations"] = [{"arn": f"{arn}/window", "type": "RESERVATION_TIME_WINDOW_ARN"}]
    if draw.random() < 0.2:
        body["actionMetadata"] = {"actionType": "braket.ir.openqasm.program_set", "programCount": 3}
    return body


def _job(draw: Random, arn: str, born: datetime, number: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "jobArn": arn,
        "jobName": f"job-{number}",
        "roleArn": "arn:aws:iam::111122223333:role/jobs",
        "outputDataConfig": {"s3Path": "s3://results/jobs"},
        "algorithmSpecification": {"scriptModeConfig": {"entryPoint": "a:b", "s3Uri": "s3://code/a"}},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30, "instanceCount": 1},
        "createdAt": born,
        "hyperParameters": {"n": "3"},
    }
    if draw.random() < 0.5:
        body["deviceConfig"] = {"device": _QPU}
    if draw.random() < 0.4:
        body["tags"] = {"team": draw.choice("abc")}
    return body
