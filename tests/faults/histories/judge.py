"""What is wrong after a history: the warehouse held against what the scripted Braket said, by nothing of the product."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from tests.faults.histories.draw import DAY, HOUR, MINUTE
from tests.faults.histories.play import PROFILES, Played
from tests.faults.histories.world import ARN, FINAL, Chain, Kind, Place, Record, Said

TABLES: Mapping[Kind, str] = {"task": "quantum_tasks", "job": "jobs"}
KEYS: Mapping[Kind, str] = {"task": "quantum_task_arn", "job": "job_arn"}
_SECOND = timedelta(seconds=1)
_NEAR = 5 * MINUTE

#: Where a column comes from in a body.
_COLUMNS: Mapping[Kind, Mapping[str, str]] = {
    "task": {
        "quantum_task_arn": "quantumTaskArn",
        "status": "status",
        "created_at": "createdAt",
        "ended_at": "endedAt",
        "device_arn": "deviceArn",
        "shots": "shots",
        "num_successful_shots": "numSuccessfulShots",
        "job_arn": "jobArn",
        "tags": "tags",
        "failure_reason": "failureReason",
        "associations": "associations",
        "action_metadata_action_type": "actionMetadata.actionType",
        "action_metadata_program_count": "actionMetadata.programCount",
        "output_s3_bucket": "outputS3Bucket",
        "output_s3_directory": "outputS3Directory",
        "device_parameters": "deviceParameters",
    },
    "job": {
        "job_arn": "jobArn",
        "job_name": "jobName",
        "status": "status",
        "created_at": "createdAt",
        "started_at": "startedAt",
        "ended_at": "endedAt",
        "billable_duration": "billableDuration",
        "device_config_device": "deviceConfig.device",
        "instance_config_instance_type": "instanceConfig.instanceType",
        "tags": "tags",
        "hyper_parameters": "hyperParameters",
        "failure_reason": "failureReason",
        "role_arn": "roleArn",
        "output_data_config_s3_path": "outputDataConfig.s3Path",
    },
}
_INSTANTS = ("created_at", "started_at", "ended_at")
#: What a search shows of a row.
_LISTED: Mapping[Kind, Sequence[str]] = {
    "task": ("status", "ended_at", "shots", "tags"),
    "job": ("status", "started_at", "ended_at", "tags"),
}


@dataclass(frozen=True)
class Wrong:
    """Something that is not as it should be; `kind` groups what has one cause."""

    kind: str
    about: str
    text: str


def judged(played: Played) -> list[Wrong]:
    """All that is wrong."""
    return list(_Judge(played).all())


class _Judge:
    def __init__(self, played: Played) -> None:
        self.played, self.world = played, played.world
        self.rows = {kind: self._rows(f"FROM {TABLES[kind]}") for kind in TABLES}
        self.by_arn = {row[KEYS[kind]]: row for kind in TABLES for row in self.rows[kind]}
        self.rejected = {
            arn for (arn,) in played.connection.execute("SELECT arn FROM etl.rejected_records").fetchall()
        }
        self.last_step = len(played.steps) - 1
        self.settled = next(n for n, step in enumerate(played.steps) if step.at >= self.world.still)
        """The first step in a world that stands still."""

    def all(self) -> Iterator[Wrong]:
        for kind in TABLES:
            arns = [row[KEYS[kind]] for row in self.rows[kind]]
            for arn in {arn for arn in arns if arns.count(arn) > 1}:
                yield Wrong("doubled", arn, f"{arns.count(arn)} rows")
        for record in self.world.records:
            yield from self._record(record)
        if not any(chain.done and chain.step == self.last_step for chain in self.world.chains):
            yield Wrong("nothing asked", "", "the last run searched nothing")
        for text in self.played.in_future[:3]:
            yield Wrong("future", "", text)
        for text in self.played.too_early[:3]:
            yield Wrong("coverage: too early", "", text)
        yield from self._coverage()
        yield from self._requests()

    # records

    def _record(self, record: Record) -> Iterator[Wrong]:
        said, row = self.world.said.get(record.arn, []), self.by_arn.get(record.arn)
        if not said:
            if row is not None:
                yield Wrong("invented", record.arn, "is stored, but was never said")
            return
        if row is None:
            yield Wrong("lost", record.arn, f"was said {len(said)} times, but is not stored")
            return
        last = said[-1].body
        for name, text in differences(record.kind, last, row):
            kind = "listed too" if name in _LISTED[record.kind] else "not listed"
            yield Wrong(f"row: {name} ({kind})", record.arn, text)
        if row["expired_at"] is not None and self._known(record):
            yield Wrong("expired", record.arn, f"is known to Braket, but expired_at is {row['expired_at']}")
        if record.arn in self.rejected and self._known(record):
            yield Wrong("reject", record.arn, "came since, but is still a reject")
        yield from self._fresh_enough(record, said, row)
        yield from self._observations(record, said)
        if record.kind == "job":
            yield from self._events(record, said)

    def _known(self, record: Record) -> bool:
        """Whether a get at the end finds it."""
        end = self.played.steps[-1].at
        return (
            record.body(end) is not None
            and record.trouble("vanished", end) is None
            and self._reachable(record.place)
        )

    def _reachable(self, place: Place) -> bool:
        end = self.played.steps[-1].at
        return not any(trouble.now(end) for trouble in self.world.troubles[place])

    def _fresh_enough(self, record: Record, said: Sequence[Said], row: Mapping[str, Any]) -> Iterator[Wrong]:
        """What a get or a search would have shown was asked for in time."""
        if not self._known(record):
            return
        last = said[-1]
        if row["status"] not in FINAL and last.step < self.last_step and not row["expired_at"]:
            yield Wrong("open, not asked", record.arn, f"open, and last got in step {last.step}")
        first_final = next((each for each in said if each.body["status"] in FINAL), None)
        if first_final is not None and "endedAt" in first_final.body:
            ended = datetime.fromisoformat(first_final.body["endedAt"])
            again = [each for each in said if each.at >= first_final.at + HOUR]
            if first_final.at - ended < DAY and not again:
                yield Wrong("second get", record.arn, f"got final at {first_final.at:%m-%d %H:%M} only")
        for chain in self.world.chains:
            summary = chain.listed.get(record.arn)
            if chain.done and chain.step >= self.settled and summary and last.step >= 0:
                shown = flat(record.kind, summary)
                for name in _LISTED[record.kind]:
                    if shown.get(name) is None and name != "tags":
                        continue  # what a summary leaves out says nothing, but for tags
                    if not same(name, shown.get(name), row[name]):
                        yield Wrong(
                            f"listed otherwise: {name}",
                            record.arn,
                            f"{row[name]!r} is stored, {shown.get(name)!r} listed in step {chain.step}",
                        )
                return

    def _observations(self, record: Record, said: Sequence[Said]) -> Iterator[Wrong]:
        table = f"{record.kind}_observations"
        runs = self._rows(f"FROM {table} WHERE {KEYS[record.kind]} = '{record.arn}' ORDER BY observed_at")
        for run in runs:
            if run["observed_at"] > run["last_observed_at"]:
                yield Wrong("observations: order", record.arn, f"{run['observed_at']} ends before it begins")
        for before, after in pairwise(runs):
            if before["last_observed_at"] >= after["observed_at"]:
                yield Wrong(
                    "observations: order",
                    record.arn,
                    f"{before['last_observed_at']} is not before {after['observed_at']}",
                )
        for each in {each.step: each for each in said}.values():
            status = each.body["status"]
            if status in FINAL:
                continue
            info = each.body.get("queueInfo") or {}
            seen = [
                run
                for run in runs
                if run["observed_at"] - _NEAR <= each.at <= run["last_observed_at"] + _NEAR
                and run["status"] == status
                and run["position_raw"] == text_of(info.get("position"))
            ]
            if not seen:
                yield Wrong(
                    "observations: not seen",
                    record.arn,
                    f"{status} at position {info.get('position')!r} at {each.at:%m-%d %H:%M:%S}",
                )
            elif not any(run["position"] == position_of(info.get("position")) for run in seen):
                yield Wrong(
                    "observations: position",
                    record.arn,
                    f"{info.get('position')!r} became {seen[0]['position']!r}",
                )

    def _events(self, record: Record, said: Sequence[Said]) -> Iterator[Wrong]:
        rows = self._rows(f"FROM job_events WHERE job_arn = '{record.arn}' ORDER BY event_index")
        shown: list[tuple[str, str, datetime]] = []
        for event in record.events:
            times = [
                given
                for each in said
                for given in each.body.get("events", [])
                if (given["eventType"], given["message"]) == (event.type, event.message)
                and abs(datetime.fromisoformat(given["timeOfEvent"]) - event.time) < _SECOND
            ]
            if times:
                shown.append((event.type, event.message, event.time))
        if [row["event_index"] for row in rows] != list(range(len(rows))):
            yield Wrong("events: index", record.arn, f"{[row['event_index'] for row in rows]}")
        left = list(shown)
        for row in rows:
            match = next(
                (
                    e
                    for e in left
                    if e[:2] == (row["event_type"], row["message"])
                    and abs(row["time_of_event"] - e[2]) <= _SECOND
                ),
                None,
            )
            if match is None:
                yield Wrong("events: doubled", record.arn, f"{len(rows)} stored, {len(shown)} shown")
                return
            left.remove(match)
        if left:
            yield Wrong("events: lost", record.arn, f"{len(rows)} stored, {len(shown)} shown")

    # coverage

    def _coverage(self) -> Iterator[Wrong]:
        rows = self._rows("FROM etl.coverage")
        covered = {
            (PROFILES[row["account"]], row["region"], row["table_name"], row["day"]): row for row in rows
        }
        end = self.played.steps[-1].at
        first = self.played.history.first_day
        days = [first + DAY * n for n in range((end.date() - first).days + 1)]
        for place in self.played.history.places:
            for kind, table in TABLES.items():
                chains = [c for c in self.world.chains if c.done and (c.place, c.kind) == (place, kind)]
                for day in days:
                    last = next((c for c in reversed(chains) if _covers(c, day)), None)
                    row = covered.get((place.account_id, place.region, table, day))
                    is_whole = (
                        row is not None
                        and row["listed"] <= row["stored"] + row["rejected"]
                        and row["searched_at"] >= _midnight(day + DAY) + HOUR
                    )
                    should = last is not None and last.began >= _midnight(day + DAY) + HOUR
                    about = f"{table} of {place.account_id} {place.region} {day}"
                    if is_whole and not should:
                        yield Wrong("coverage: promised", about, "is whole, but was not searched late enough")
                    if should and not is_whole and self._reachable(place):
                        missing = [arn for arn in self._of_day(last, day) if arn not in self.by_arn]
                        if not missing:
                            yield Wrong("coverage: not whole", about, f"{row}")
                    if is_whole and last is not None:
                        for arn in self._of_day(last, day):
                            if arn not in self.by_arn and arn not in self.rejected:
                                yield Wrong("coverage: hole", about, f"whole, but {arn} is not there")

    def _of_day(self, chain: Chain | None, day: date) -> list[str]:
        if chain is None:
            return []
        return [
            arn
            for arn, entry in chain.listed.items()
            if datetime.fromisoformat(entry["createdAt"]).date() == day
        ]

    # requests

    def _requests(self) -> Iterator[Wrong]:
        last = [each for each in self.world.asked if each[0] == self.last_step and each[1].startswith("Get")]
        for _, _, arn, answered in last:
            row = self.by_arn.get(arn)
            if row is not None and row["status"] in FINAL:
                yield Wrong("asked for nothing", arn, f"settled, but asked for in the last run: {answered}")
        times = [arn for _, _, arn, _ in last]
        for arn in {arn for arn in times if times.count(arn) > 1}:
            yield Wrong("asked twice", arn, f"{times.count(arn)} times in the last run")
        for record in self.world.records:
            yield from self._needless(record)
        yield from self._not_again()

    def _not_again(self) -> Iterator[Wrong]:
        """A run that was to get everything again left out what was listed, though no get of that place failed."""
        for number, step in enumerate(self.played.steps):
            if step.kind != "again":
                continue
            gets = {
                arn: answer for n, what, arn, answer in self.world.asked if n == number and what[:3] == "Get"
            }
            failed = {self.world.by_arn[arn].place for arn, answer in gets.items() if answer != "ok"}
            for chain in self.world.chains:
                if chain.done and chain.step == number and chain.place not in failed:
                    for arn, entry in chain.listed.items():
                        created = datetime.fromisoformat(entry["createdAt"])
                        if arn not in gets and step.days and step.days[0] <= created.date() <= step.days[1]:
                            yield Wrong("not got again", arn, f"listed in step {number}")

    def _needless(self, record: Record) -> Iterator[Wrong]:
        """A record that ended undisturbed is got at most once more."""
        said = self.world.said.get(record.arn, [])
        final = [each for each in said if each.body["status"] in FINAL]
        if not final or record.troubles or any(step.kind == "again" for step in self.played.steps):
            return
        late = [change for change in record.changes if change.at > final[0].at]
        if len(final) > 2 + len(late):
            yield Wrong("got too often", record.arn, f"{len(final)} times in a final status")
        ended = final[0].body.get("endedAt")
        if ended and not late and final[0].at - datetime.fromisoformat(ended) > DAY and len(final) > 1:
            yield Wrong("got too often", record.arn, f"{len(final)} times, though first a day after its end")

    def _rows(self, query: str) -> list[dict[str, Any]]:
        cursor = self.played.connection.execute(query)
        names = [name for name, *_ in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _covers(chain: Chain, day: date) -> bool:
    return chain.low <= _midnight(day) and chain.high >= _midnight(day + DAY)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def flat(kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    """A body as a row, by the table above."""
    row: dict[str, Any] = {}
    for column, path in _COLUMNS[kind].items():
        value: Any = body
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        row[column] = datetime.fromisoformat(value) if column in _INSTANTS and value else value
    row["is_terminal"] = body["status"] in FINAL
    row["created_date"] = row["created_at"].astimezone(UTC).date()
    _, _, _, row["region"], row["account_id"], _ = body[ARN[kind]].split(":", 5)
    row["extra"] = (
        json.dumps({"carbonFootprint": body["carbonFootprint"]}, separators=(",", ":"))
        if "carbonFootprint" in body
        else None
    )
    return row


def differences(kind: Kind, body: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Column by column where the row is not what the body says."""
    for name, value in flat(kind, body).items():
        if not same(name, value, row[name]):
            yield name, f"{value!r} was said, {row[name]!r} is stored"


def same(name: str, expected: Any, found: Any) -> bool:
    """Whether a value is stored as it was said; an instant may be a second off, and no tags are no tags."""
    if name == "tags":
        return (expected or {}) == (found or {})
    if isinstance(expected, datetime) and isinstance(found, datetime):
        return abs(expected - found) <= _SECOND
    if isinstance(found, tuple | list):
        return list(found) == list(expected or [])
    return bool(expected == found)


def text_of(position: Any) -> str | None:
    """A queue position as it is kept."""
    return None if position is None else str(position)


def position_of(position: Any) -> int | None:
    """The number in a queue position; one that is no text may be taken for its number or for none."""
    if isinstance(position, str) and (found := re.fullmatch(r"\s*>?\s*([\d,]+)\s*", position)):
        return int(found[1].replace(",", ""))
    return None
