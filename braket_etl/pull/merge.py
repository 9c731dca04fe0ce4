"""From a batch of responses to one transaction: records, events, observations, rejects and drift together.

Turning bodies into Arrow happens before the writer lock is taken, so that the lock is held for SQL alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pyarrow as pa

from braket_etl.aws.fetch import Fetched, Missing, Rejected
from braket_etl.aws.operations import GET_JOB
from braket_etl.pull.clock import Clock
from braket_etl.pull.resources import BY_GET, RESOURCES
from braket_etl.tables import JOB_EVENTS, JOBS
from braket_etl.tables.arns import owner_of
from braket_etl.tables.bookkeeping import COVERAGE, REJECTED_RECORDS, SCHEMA_DRIFT
from braket_etl.tables.declaration import Table
from braket_etl.tables.job_events import event_bodies
from braket_etl.tables.normalize import Drift, Normalized, Reject, normalize, storable
from braket_etl.tables.observations import with_position
from braket_etl.tables.redact import NOTHING_REDACTED, Redactor
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.listing import mark_expired
from braket_etl.warehouse.upsert import Counts, append_events, extend_observations, moved_records, upsert

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
    moved: list[str] = field(default_factory=list)
    """ARNs of records whose time of creation moved, where that was not known of their table yet."""


@dataclass(frozen=True, slots=True)
class _Event:
    """One event of a job, as a record of its own for the flattener."""

    arn: str
    body: Mapping[str, Any]
    fetched_at: datetime
    operation: str = GET_JOB.name


def merge(
    warehouse: Warehouse,
    batch: Batch,
    run_id: str,
    purpose: str,
    redactor: Redactor = NOTHING_REDACTED,
    accept: Callable[[Merged], None] | None = None,
) -> Merged:
    """Store the batch in one transaction; raises WarehouseError and leaves the warehouse as it was.

    So it does where `accept` raises, which is told what would be stored.
    """
    batch = _redacted(batch, redactor)
    prepared = _prepared(batch)

    def stored(connection: Connection) -> Merged:
        merged = _stored(connection, prepared, batch, run_id)
        if accept is not None:
            accept(merged)
        return merged

    return warehouse.in_turn(purpose, stored)


def _stored(connection: Connection, prepared: _Prepared, batch: Batch, run_id: str) -> Merged:
    records, observations, events, rejects, drift = prepared
    merged = Merged(rejected=len(rejects))
    connection.execute("SET threads = 1")  # a batch is small; every thread would hold buffers of its own
    moved: list[str] = []
    for table, rows in records:
        merged.counts[table.name] = upsert(connection, table, rows, _asked_as(batch, table))
        if rows.num_rows and (found := moved_records(connection, table)):
            follow(connection, table, found)
            drift.add(Drift(table.name, "moved", "createdAt", None))
            moved += [arn for arn, _, _ in found]
    for table, rows in observations:
        merged.counts[table.name] = extend_observations(connection, table, rows)
    if events is not None:
        merged.counts[JOB_EVENTS.name] = append_events(connection, events)
    forget_healed(connection, rejects, batch.fetched)
    store_rejects(connection, rejects, run_id)
    new = store_drift(connection, drift, max((f.fetched_at for f in batch.fetched), default=None), run_id)
    merged.drift = sum(each.kind not in ("date", "moved") for each in new)
    merged.moved = moved if any(each.kind == "moved" for each in new) else []
    for resource in RESOURCES:
        gone = [(m.arn, m.at) for m in batch.expired if m.operation == resource.get.name]
        merged.expired += mark_expired(connection, resource.table, gone)
    return merged


def _asked_as(batch: Batch, table: Table) -> dict[str, datetime]:
    """The times of creation under which the records of a table were asked for, by ARN."""
    return {
        f.arn: f.asked_as
        for f in batch.fetched
        if f.asked_as is not None and BY_GET[f.operation].table is table
    }


def dated(batch: Batch, clock: Clock) -> Batch:
    """The batch with its answers dated as the run's clock believes."""
    return Batch(
        [replace(f, fetched_at=clock.at(f.stamp)) if f.stamp else f for f in batch.fetched],
        [replace(r, at=clock.at(r.stamp)) if r.stamp else r for r in batch.rejected],
        [replace(m, at=clock.at(m.stamp)) if m.stamp else m for m in batch.expired],
    )


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
    events = [_Event(job.arn, body, job.fetched_at) for job in jobs for body in event_bodies(job.body)]
    return normalize(JOB_EVENTS, events)


def one_each(rejects: Iterable[Reject]) -> list[Reject]:
    """The last reject of each (operation, ARN)."""
    return list({(reject.operation, reject.arn): reject for reject in rejects}.values())


def forget_healed(connection: Connection, rejects: Sequence[Reject], fetched: Iterable[Fetched]) -> None:
    """Drop the rejects of records that have come whole since."""
    healed = {(f.operation, f.arn) for f in fetched} & _known_rejects(connection)
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
            owner = owner_of(reject.arn)
            row = {
                "operation": reject.operation,
                "arn": reject.arn,
                "account_id": owner[0],
                "region": owner[1],
                "error": reject.error,
                "payload": reject.payload,
                "run_id": run_id,
                "first_seen_at": reject.seen_at,
                "last_seen_at": reject.seen_at,
                "attempts": 1,
            }
            _insert(connection, REJECTED_RECORDS, row)


def follow(connection: Connection, table: Table, moved: Sequence[tuple[str, datetime, datetime]]) -> None:
    """Let what else goes by a record's time of creation follow it: the events of a job, and the sums of its day.

    `moved` has the ARN of each, the time that was stored and the one that is now (aware UTC). Inside a transaction.
    """
    for arn, was, now in moved:
        if table is JOBS:
            connection.execute(
                f"UPDATE {JOB_EVENTS.qualified_name} SET job_created_at = ? WHERE job_arn = ?", [now, arn]
            )
        if was.date() != now.date():
            account_id, region = owner_of(arn)
            connection.execute(
                f"UPDATE {COVERAGE.qualified_name} SET listed = listed - 1, stored = stored - 1 "
                "WHERE account_id = ? AND region = ? AND table_name = ? AND day = ? AND listed > 0 AND stored > 0",
                [account_id, region, table.name, was.date()],
            )


def store_drift(
    connection: Connection, drift: Iterable[Drift], seen_at: datetime | None, run_id: str
) -> list[Drift]:
    """Note what no declaration knows, each thing once; what is new. `seen_at` is when (aware UTC), by default now."""
    known = set(connection.execute("SELECT table_name, kind, path, value FROM etl.schema_drift").fetchall())
    new = [d for d in drift if (d.table_name, d.kind, d.path, d.value or "") not in known]
    for each in sorted(new, key=lambda d: (d.table_name, d.kind, d.path, d.value or "")):
        row = {
            "table_name": each.table_name,
            "kind": each.kind,
            "path": each.path,
            "value": each.value or "",
            "first_seen_at": seen_at or datetime.now(UTC),
            "run_id": run_id,
        }
        _insert(connection, SCHEMA_DRIFT, row)
    return new


def _insert(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    places = ", ".join("?" for _ in row)
    connection.execute(
        f"INSERT INTO {table.qualified_name} ({', '.join(row)}) VALUES ({places})", list(row.values())
    )
