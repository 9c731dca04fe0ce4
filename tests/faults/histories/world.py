"""A Braket that follows a script: what each record is at each instant, and what goes wrong when it is asked for.

Answers depend on the script, the instant and how often the same was asked, and on nothing else: which thread asks first
must not matter, or no seed would give the same history twice.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

Kind = Literal["task", "job"]
FINAL = ("COMPLETED", "FAILED", "CANCELLED")
FORGOTTEN = timedelta(days=90)
MOST_EVENTS = 20

#: The members of a summary, the same in a search as in a get; `device` of a job is taken from inside.
LISTED: Mapping[Kind, Sequence[str]] = {
    "task": (
        "quantumTaskArn",
        "status",
        "deviceArn",
        "shots",
        "outputS3Bucket",
        "outputS3Directory",
        "createdAt",
        "endedAt",
        "tags",
    ),
    "job": ("jobArn", "status", "jobName", "createdAt", "startedAt", "endedAt", "tags"),
}
ARN: Mapping[Kind, str] = {"task": "quantumTaskArn", "job": "jobArn"}
_LISTS: Mapping[Kind, str] = {"task": "quantumTasks", "job": "jobs"}


@dataclass(frozen=True)
class Place:
    """An account in a Region."""

    account_id: str
    region: str


@dataclass(frozen=True)
class Change:
    """From an instant on these members have these values; None takes one away."""

    at: datetime
    members: Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """An event of a job, and from when on GetJob shows it."""

    shown_from: datetime
    type: str
    time: datetime
    message: str


@dataclass(frozen=True)
class Trouble:
    """Something that is so from `start` up to `end`, on a record or on a place; `detail` says more."""

    kind: str
    start: datetime
    end: datetime
    detail: Any = None

    def now(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass
class Record:
    """A task or a job: its script, and the troubles that it has."""

    kind: Kind
    place: Place
    arn: str
    changes: list[Change]
    events: list[Event] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    jitter: timedelta = timedelta(0)
    """By how much instants differ from answer to answer, as long as the world is not still."""

    @property
    def born(self) -> datetime:
        return self.changes[0].at

    def trouble(self, kind: str, at: datetime) -> Trouble | None:
        return next((each for each in self.troubles if each.kind == kind and each.now(at)), None)

    def body(self, at: datetime) -> dict[str, Any] | None:
        """What GetQuantumTask or GetJob shows at an instant, but for queueInfo; None where it does not exist (any more)."""
        if at < self.born:
            return None
        body: dict[str, Any] = {}
        for change in self.changes:
            if change.at <= at:
                body.update(change.members)
        body = {name: value for name, value in body.items() if value is not None}
        if at - body["createdAt"] > FORGOTTEN:
            return None
        if self.kind == "job":
            shown = [event for event in self.events if event.shown_from <= at][-MOST_EVENTS:]
            body["events"] = [
                {"eventType": e.type, "timeOfEvent": e.time, "message": e.message} for e in shown
            ]
        return body


@dataclass(frozen=True)
class Said:
    """A whole answer to a get that was given."""

    step: int
    at: datetime
    body: Mapping[str, Any]


@dataclass
class Chain:
    """A search, page by page."""

    place: Place
    kind: Kind
    step: int
    began: datetime
    low: datetime
    high: datetime
    pages: list[list[Mapping[str, Any]]] = field(default_factory=list)
    done: bool = False

    @property
    def listed(self) -> dict[str, Mapping[str, Any]]:
        """The summaries by ARN, the later page's where one stands on two."""
        return {entry[ARN[self.kind]]: entry for page in self.pages for entry in page}


@dataclass(frozen=True)
class Answer:
    """What goes over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Refused(Exception):  # noqa: N818 - an answer
    """An error that the API names."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class World:
    """All of it, and what it was asked and said."""

    seed: str
    records: list[Record]
    troubles: dict[Place, list[Trouble]]
    page_size: int
    newest_first: bool
    still: datetime
    """From here on nothing changes and nothing is wrong any more."""
    odd: frozenset[str]
    """What may be odd about single answers before that: `dates`, `trouble`, `pages`, `queue_info`."""
    step: int = 0
    said: dict[str, list[Said]] = field(default_factory=dict)
    asked: list[tuple[int, str, str, str]] = field(default_factory=list)
    """Step, operation, ARN (empty for a search), what was answered."""
    chains: list[Chain] = field(default_factory=list)
    _times: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.by_arn = {record.arn: record for record in self.records}

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def answer(self, method: str, url: str, content: bytes, place: Place) -> Answer:
        """The answer to a request that came with credentials of this account, to this Region."""
        with self._lock:
            path = [unquote(part) for part in urlsplit(url).path.strip("/").split("/", 1)]
            draw = self._draw(place, *path, content)
            try:
                return self._ok(self._answered(method, path, content, place, draw), draw)
            except Refused as refused:
                headers = self._headers(draw) | {"x-amzn-ErrorType": refused.code}
                return Answer(refused.status, headers, json.dumps({"message": refused.code}).encode())
            except Spoilt as spoilt:
                return Answer(200, self._headers(draw), spoilt.content)

    def _answered(self, method: str, path: list[str], content: bytes, place: Place, draw: Random) -> Any:
        now = self.now
        operations: dict[tuple[str, str], tuple[Kind, bool]] = {
            ("POST", "quantum-tasks"): ("task", True),
            ("POST", "jobs"): ("job", True),
            ("GET", "quantum-task"): ("task", False),
            ("GET", "job"): ("job", False),
        }
        found = operations.get((method, path[0]))
        if found is None:
            return self._other(method, path)
        kind, is_search = found
        operation = f"Search {kind}" if is_search else f"Get {kind}"
        arn = "" if is_search else path[1]
        try:
            self._troubled(place, operation, draw, now)
            answer = (
                self._page(kind, place, json.loads(content), draw)
                if is_search
                else self._got(arn, place, draw)
            )
        except (Refused, Spoilt) as error:
            self.asked.append((self.step, operation, arn, str(error)))
            raise
        self.asked.append((self.step, operation, arn, "ok"))
        return answer

    def _other(self, method: str, path: list[str]) -> Any:
        if (method, path[0]) == ("POST", "devices"):
            return {"devices": []}
        if (method, path[0]) == ("POST", "spending-limits"):
            return {"spendingLimits": []}
        raise Refused(404, "ResourceNotFoundException")

    def _troubled(self, place: Place, operation: str, draw: Random, now: datetime) -> None:
        for trouble in self.troubles.get(place, ()):
            if trouble.now(now):
                if trouble.kind == "refused":
                    raise Refused(403, "AccessDeniedException")
                if trouble.kind == "outage" and operation.startswith(trouble.detail):
                    raise Refused(500, "InternalServiceException")
        if "trouble" in self.odd and now < self.still and draw.random() < 0.08:
            raise Refused(*draw.choice([(429, "ThrottlingException"), (500, "InternalServiceException")]))

    def _got(self, arn: str, place: Place, draw: Random) -> Any:
        now = self.now
        record = self.by_arn.get(arn)
        if record is None or record.place != place or record.trouble("vanished", now):
            raise Refused(404, "ResourceNotFoundException")
        if record.trouble("denied", now):
            raise Refused(500, "InternalServiceException")
        body = record.body(now)
        if body is None:
            raise Refused(404, "ResourceNotFoundException")
        if body["status"] not in FINAL or draw.random() < 0.1:
            body["queueInfo"] = self._queue_info(record, now)
        body = written(self._jittered(body, record, draw))
        if broken := record.trouble("broken", now):
            raise Spoilt(broken.detail, body)
        self.said.setdefault(arn, []).append(Said(self.step, now, body))
        return body

    def _jittered(self, body: dict[str, Any], record: Record, draw: Random) -> dict[str, Any]:
        if not record.jitter or self.now >= self.still:
            return body

        def near(instant: datetime) -> datetime:
            return instant + record.jitter * draw.uniform(-0.5, 0.5)

        moved = dict(body)
        for name in ("createdAt", "endedAt", "startedAt"):
            if name in moved:
                moved[name] = near(moved[name])
        if "events" in moved:
            moved["events"] = [
                {**event, "timeOfEvent": near(event["timeOfEvent"])} for event in moved["events"]
            ]
        return moved

    def _queue_info(self, record: Record, now: datetime) -> Any:
        """A position that changes now and then; sometimes an odd one."""
        draw = Random(f"{self.seed}/queue/{record.arn}/{int(now.timestamp()) // 1800}")
        queue = "QUANTUM_TASKS_QUEUE" if record.kind == "task" else "JOBS_QUEUE"
        info: dict[str, Any] = {"queue": queue, "position": str(draw.randint(1, 9))}
        if record.kind == "task":
            info["queuePriority"] = "Normal"
        if "queue_info" in self.odd and now < self.still and draw.random() < 0.4:
            odd = draw.choice(["> 2,000", ">2000", None, 7, "soon", "", "None"])
            info["position"] = odd
            if odd is None:
                del info["position"]
        return info

    def _page(self, kind: Kind, place: Place, asked: Mapping[str, Any], draw: Random) -> Any:
        token = asked.get("nextToken")
        if token is None:
            (condition,) = asked["filters"]
            low, high = (datetime.fromisoformat(value) for value in condition["values"])
            chain = Chain(place, kind, self.step, self.now, low, high)
            chain.pages = list(self._paged(chain, draw))
            number = 0
            self.chains.append(chain)
            name = len(self.chains) - 1
        else:
            name, number = map(int, token.split("/"))
            chain = self.chains[name]
        answer: dict[str, Any] = {_LISTS[kind]: chain.pages[number]}
        if number + 1 < len(chain.pages):
            answer["nextToken"] = f"{name}/{number + 1}"
        else:
            chain.done = True
        return answer

    def _paged(self, chain: Chain, draw: Random) -> Iterator[list[Mapping[str, Any]]]:
        """The pages of a search; where they are odd, some records stand on two, and a page may be empty."""
        found = []
        for record in self.records:
            if record.kind == chain.kind and record.place == chain.place:
                summary = self._summary(record, draw)
                if summary is not None and chain.low <= summary["createdAt"] <= chain.high:
                    found.append(summary)
        found.sort(key=lambda entry: (entry["createdAt"], entry[ARN[chain.kind]]), reverse=self.newest_first)
        entries = [written(entry) for entry in found]
        is_odd = "pages" in self.odd and self.now < self.still
        first = 0
        while True:
            end = first + self.page_size
            yield entries[first:end]
            if end >= len(entries):
                break
            first = end - (1 if is_odd and self.page_size > 1 and draw.random() < 0.4 else 0)
            if is_odd and draw.random() < 0.1:
                yield []

    def _summary(self, record: Record, draw: Random) -> dict[str, Any] | None:
        """What a search shows of a record now, which may be what it was, or what it is going to be."""
        now = self.now
        if record.trouble("hidden", now):
            return None
        shown = record.trouble("listed_as_of", now)
        body = record.body(now + shown.detail if shown else now)
        if body is None:
            return None
        body = self._jittered(body, record, draw)
        summary = {name: body[name] for name in LISTED[record.kind] if name in body}
        if record.kind == "job":
            summary["device"] = body.get("deviceConfig", {}).get("device", "local:none")
        return summary

    def _draw(self, *key: Any) -> Random:
        """Chance for one request: the same for the n-th time that the same is asked in a step."""
        full = (self.step, *key)
        self._times[full] += 1
        return Random(f"{self.seed}/{full}/{self._times[full]}")

    def _ok(self, body: Any, draw: Random) -> Answer:
        return Answer(200, self._headers(draw), json.dumps(body).encode())

    def _headers(self, draw: Random) -> dict[str, str]:
        now = self.now
        headers = {"Content-Type": "application/json"}
        date: datetime | None = now
        if "dates" in self.odd and now < self.still and draw.random() < 0.06:
            date = draw.choice(
                [
                    datetime(2099, 1, 1, tzinfo=UTC),
                    datetime(1970, 1, 1, tzinfo=UTC),
                    now + timedelta(hours=6),
                    now - timedelta(hours=6),
                    now + timedelta(days=3),
                    now + timedelta(seconds=20),
                    None,
                ]
            )
        if date is not None:
            headers["Date"] = format_datetime(date.replace(microsecond=0), usegmt=True)
        return headers


class Spoilt(Exception):  # noqa: N818 - an answer
    """An answer with status 200 that is no record."""

    def __init__(self, how: str, body: dict[str, Any]) -> None:
        super().__init__(f"spoilt: {how}")
        body = dict(body)
        text = None
        match how:
            case "cut":
                text = json.dumps(body)[:-20]
            case "html":
                text = "<html>please log in</html>"
            case "no status":
                del body["status"]
            case "no time":
                body["createdAt"] = "yesterday"
            case "text for a map":
                body["tags"] = "none"
            case "another record":
                arn = "quantumTaskArn" if "quantumTaskArn" in body else "jobArn"
                body[arn] += "0"
        self.content = (text if text is not None else json.dumps(body)).encode()


SPOILT = ("cut", "html", "no status", "no time", "text for a map", "another record")


def written(value: Any) -> Any:
    """The value as JSON knows it: instants as the API writes them."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: written(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [written(each) for each in value]
    return value
