"""Reading EventBridge's state-change events from text into rows of `state_change_events`.

The text may be JSON lines from a folder or an S3 prefix, one event a file, or bodies of queue messages; who fetches
it is not this module's business. Nothing is written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from braket_etl.json_text import read_json
from braket_etl.tables.normalize import Normalized, Reject, normalize, storable
from braket_etl.tables.state_change_events import DETAIL_TYPES, STATE_CHANGE_EVENTS

OPERATION = "StateChangeEvent"
_MARK = "\ufeff"  # the byte order mark that some programs put before UTF-8; no JSON
#: Files of a folder that are read.
SUFFIXES = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event as it came, in the form that the flattener takes."""

    arn: str
    body: Mapping[str, Any]
    fetched_at: datetime
    operation: str = OPERATION


def event_rows(texts: Iterable[str], read_at: datetime) -> Normalized:
    """Rows of state_change_events from texts that hold one JSON event, a JSON list of them, or JSON lines.

    An event that Amazon SNS wrapped is unwrapped. Events of other kinds are passed over. Text that is no JSON
    and events that lack an id, a time, a status or an ARN become rejects with the text as payload, the rest stays.
    """
    records: list[EventRecord] = []
    rejects: list[Reject] = []
    for text in texts:
        for event in _events(text, rejects, read_at):
            if event.get("detail-type") in DETAIL_TYPES:
                # one that names no source is not Braket's; no source at all have those that older versions stored
                records.append(
                    EventRecord(
                        f"event:{event.get('id')}", {**event, "source": event.get("source") or ""}, read_at
                    )
                )
    normalized = normalize(STATE_CHANGE_EVENTS, records)
    return Normalized(normalized.rows, [*rejects, *normalized.rejects], normalized.drift)


def folder_texts(folder: Path) -> Iterator[str]:
    """The text of each .json, .jsonl and .ndjson file under a folder, in order of path."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace")


def _events(text: str, rejects: list[Reject], read_at: datetime) -> Iterator[Mapping[str, Any]]:
    """The events in a text: as a whole if it is one JSON value, else line by line."""
    try:
        values: list[Any] = [read_json(text.removeprefix(_MARK))]
    except ValueError:
        values = []
        for line in filter(str.strip, text.splitlines()):
            try:
                values.append(read_json(line.removeprefix(_MARK)))
            except ValueError as error:
                rejects.append(_rejected(line, f"no JSON: {error}", read_at))
    for value in values:
        for event in value if isinstance(value, list) else [value]:
            if isinstance(event, Mapping):
                yield _unwrapped(event)
            else:
                rejects.append(_rejected(json.dumps(event), "an event is a JSON object", read_at))


def _unwrapped(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event inside an Amazon SNS notification, or the event itself."""
    message = event.get("Message")
    if event.get("Type") != "Notification" or not isinstance(message, str):
        return event
    try:
        inner = read_json(message)
    except ValueError:
        return event
    return inner if isinstance(inner, Mapping) else event


def _rejected(text: str, error: str, read_at: datetime) -> Reject:
    return Reject(OPERATION, f"event:{storable(text[:40])}", storable(error), json.dumps(text), read_at)
