"""From a batch of responses to one transaction: records, events, observations, rejects and drift together.

Turning bodies into Arrow happens before the writer lock is taken, so that the lock is held for SQL alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

import pyarrow as pa

from braket_etl.aws.fetch import Fetched, Missing, Rejected
from braket_etl.pull.resources import BY_GET, RESOURCES
from braket_etl.tables import JOB_EVENTS, JOBS
from braket_etl.tables.arns import account_id_of, region_of
from braket_etl.tables.bookkeeping import REJECTED_RECORDS, SCHEMA_DRIFT
from braket_etl.tables.declaration import Table
from braket_etl.tables.job_events import event_bodies
from braket_etl.tables.normalize import Drift, Normalized, Reject, normalize, rejected, storable
from braket_etl.tables.observations import with_position
from braket_etl.tables.redact import NOTHING_REDACTED, Redactor
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.listing import mark_expired
from braket_etl.warehouse.upsert import Counts, append_events, extend_observations, upsert

#: Records and observations by table, events, rejects and drift of a batch.
_Prepared: TypeAlias = tuple[
    list[tuple[Table, pa.Table]], list[tuple[Table, pa.Table]], pa.Table | None, list[Reject], set[Drift]
]


@dataclass(slots=True)
class Batch:
    """Responses that wait to be merged."""

    fetched: list[Fetched] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    expired: list[Missing] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.fetched) + len(self.rejected) + len(self.expired)


@dataclass(slots=True)
class Merged:
    """What merging a batch did: rows by table, how many were rejected, how many Braket has forgotten."""

    counts: dict[str, Counts] = field(default_factory=dict)
    rejected: int = 0
    expired: int = 0
    drift: int = 0


@dataclass(frozen=True, slots=True)
class _Event:
    """One event of a job, as a record of its own for the flattener."""

    arn: str
    body: Mapping[str, Any]
    fetched_at: datetime
    operation: str = "GetJob"


def merge(
    warehouse: Warehouse, batch: Batch, run_id: str, purpose: str, redactor: Redactor = NOTHING_REDACTED
) -> Merged:
    """Store the batch in one transaction; raises WarehouseError and leaves the warehouse as it was."""
    batch = _redacted(batch, redactor)
    prepared = _prepared(batch)
    return warehouse.in_turn(purpose, lambda connection: _stored(connection, prepared, batch, run_id))


def _stored(connection: Connection, prepared: _Prepared, batch: Batch, run_id: str) -> Merged:
    records, observations, events, rejects, drift = prepared
    merged = Merged(rejected=len(rejects))
    connection.execute("SET threads = 1")  # a batch is small; every thread would hold buffers of its own
    for table, rows in records:
        merged.counts[table.name] = upsert(connection, table, rows)
    for table, rows in observations:
        merged.counts[table.name] = extend_observations(connection, table, rows)
    if events is not None:
        merged.counts[JOB_EVENTS.name] = append_events(connection, events)
    _forget_healed(connection, rejects, batch)
    store_rejects(connection, rejects, run_id)
    merged.drift = _store_drift(connection, drift, batch, run_id)
    for resource in RESOURCES:
        gone = [(m.arn, m.at) for m in batch.expired if m.operation == resource.get]
        merged.expired += mark_expired(connection, resource.table, gone)
    return merged


def _redacted(batch: Batch, redactor: Redactor) -> Batch:
    """The batch without the secrets that users put into tags and hyperparameters."""
    return Batch(
        [replace(record, body=redactor.body(record.body)) for record in batch.fetched],
        [replace(reject, payload=redactor.payload(reject.payload)) for reject in batch.rejected],
        batch.expired,
    )


def _prepared(batch: Batch) -> _Prepared:
    records, observations = [], []
    events: pa.Table | None = None
    rejects = [
        Reject(r.operation, storable(r.arn), storable(r.error), r.payload, r.at) for r in batch.rejected
    ]
    drift: set[Drift] = set()
    for operation, resource in BY_GET.items():
        bodies = [f for f in batch.fetched if f.operation == operation]
        if not bodies:
            continue
        rows = normalize(resource.table, bodies, bookkeeping={"origin": "api"})
        records.append((resource.table, rows.rows))
        refused = {reject.arn for reject in rows.rejects}
        good = [f for f in bodies if storable(f.arn) not in refused]
        polls = normalize(resource.observations, good, finish=with_position)
        observations.append((resource.observations, polls.rows))
        found = [rows, polls]
        if resource.table is JOBS:
            flattened = _events(good)
            events = flattened.rows
            found.append(flattened)
        for part in found:
            rejects += part.rejects
            drift |= part.drift
    return records, observations, events, one_each(rejects), drift


def _events(jobs: Sequence[Fetched]) -> Normalized:
    events: list[_Event] = []
    rejects: list[Reject] = []
    for job in jobs:
        try:
            events += [_Event(job.arn, body, job.fetched_at) for body in event_bodies(job.body)]
        except ValueError as error:
            rejects.append(rejected(job, str(error)))
    flattened = normalize(JOB_EVENTS, events)
    return Normalized(flattened.rows, rejects + flattened.rejects, flattened.drift)


def one_each(rejects: Iterable[Reject]) -> list[Reject]:
    """The last reject of each (operation, ARN)."""
    return list({(reject.operation, reject.arn): reject for reject in rejects}.values())


def _forget_healed(connection: Connection, rejects: Sequence[Reject], batch: Batch) -> None:
    """Drop the rejects of records that have come whole since."""
    healed = {(f.operation, f.arn) for f in batch.fetched} & _known_rejects(connection)
    for operation, arn in healed - {(reject.operation, reject.arn) for reject in rejects}:
        connection.execute(
            "DELETE FROM etl.rejected_records WHERE operation = ? AND arn = ?", [operation, arn]
        )


def _known_rejects(connection: Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT operation, arn FROM etl.rejected_records").fetchall())


def store_rejects(connection: Connection, rejects: Sequence[Reject], run_id: str) -> None:
    """Note the rejects with their payload, counting attempts; inside the caller's transaction."""
    known = _known_rejects(connection)
    for reject in rejects:
        if (reject.operation, reject.arn) in known:
            connection.execute(
                "UPDATE etl.rejected_records SET error = ?, payload = ?, run_id = ?, last_seen_at = ?, "
                "attempts = attempts + 1 WHERE operation = ? AND arn = ?",
                [reject.error, reject.payload, run_id, reject.seen_at, reject.operation, reject.arn],
            )
        else:
            row = {
                "operation": reject.operation,
                "arn": reject.arn,
                "account_id": _or_none(account_id_of, reject.arn),
                "region": _or_none(region_of, reject.arn),
                "error": reject.error,
                "payload": reject.payload,
                "run_id": run_id,
                "first_seen_at": reject.seen_at,
                "last_seen_at": reject.seen_at,
                "attempts": 1,
            }
            _insert(connection, REJECTED_RECORDS, row)


def _store_drift(connection: Connection, drift: Iterable[Drift], batch: Batch, run_id: str) -> int:
    """Note what no declaration knows, each thing once; how many are new."""
    known = set(connection.execute("SELECT table_name, kind, path, value FROM etl.schema_drift").fetchall())
    unknown = {(d.table_name, d.kind, d.path, d.value or "") for d in drift} - known
    for table_name, kind, path, value in sorted(unknown):
        row = {
            "table_name": table_name,
            "kind": kind,
            "path": path,
            "value": value,
            "first_seen_at": max(f.fetched_at for f in batch.fetched),
            "run_id": run_id,
        }
        _insert(connection, SCHEMA_DRIFT, row)
    return len(unknown)


def _insert(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    places = ", ".join("?" for _ in row)
    connection.execute(
        f"INSERT INTO {table.qualified_name} ({', '.join(row)}) VALUES ({places})", list(row.values())
    )


def _or_none(part: Any, arn: str) -> str | None:
    try:
        return str(part(arn)) or None
    except ValueError:
        return None
