"""The nightly maintenance: all keys are looked over, a bloated warehouse is compacted, old runs are forgotten."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import dagster as dg
import sqlalchemy
from dagster import RunsFilter
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable

from braket_etl.analysis.stored import compute_statistics
from braket_etl.orchestration.executors import IN_PROCESS
from braket_etl.orchestration.instance import ENDED
from braket_etl.orchestration.resources import RuntimeResource
from braket_etl.runtime import Runtime
from braket_etl.tables import JOB_EVENTS, JOBS, QUANTUM_TASKS
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.door import STEP, held_back, let_through
from braket_etl.warehouse.errors import HeldBackError
from braket_etl.warehouse.outcomes import REPAIR, Compaction
from braket_etl.warehouse.publish import publish
from braket_etl.warehouse.repair import Merged, merge_doubles, split_events
from braket_etl.warehouse.results import Results
from braket_etl.warehouse.statements import transaction

#: Open-source Dagster keeps every run for ever; we keep those of so many days, and so many whatever their age.
KEEP_DAYS = 30
KEEP_RUNS = 200
_A_DAY = 86_400
#: Jobs that are named, of those that are found.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Maintained:
    """What maintenance did with the warehouse, and what it could not."""

    compaction: Compaction
    merged: list[Merged]
    """What a repair did, by table."""
    found: list[str]
    """What is not as it should be and does not hold publishing back, in words for the user."""
    held_back: HeldBackError | None
    """Why nothing may be published, where a check that blocks found something."""


def maintain_warehouse(runtime: Runtime, *, repair: bool = False) -> Maintained | None:
    """Look over all keys, compact the writer's file where it is worth it, publish; None where nothing was pulled yet.

    With `repair` rows that share a key are made one first. Raises WarehouseError.
    """
    warehouse = runtime.warehouse
    if warehouse.is_missing:
        return None
    merged = repaired(warehouse) if repair else []
    compaction = warehouse.compact()
    with warehouse.writing("looking over all keys") as connection:
        found = _looked_over(connection)
        try:
            results = Results(connection, STEP, anew=True)
            let_through(warehouse, connection, results)
            if merged or compaction.was_done or held_back(warehouse, connection):
                publish(warehouse, connection, group=runtime.settings.group, results=results)
        except HeldBackError as held:
            return Maintained(compaction, merged, found, held)
    return Maintained(compaction, merged, found, None)


def repaired(warehouse: Warehouse) -> list[Merged]:
    """Make one row of all rows that share a key, and the statistics anew where there were any; what was done."""
    with warehouse.writing("repairing") as connection:
        with transaction(connection):
            merged = merge_doubles(connection)
            warehouse.note_fewer(connection)
        if merged:
            compute_statistics(connection)
    return merged


def _looked_over(connection: Connection) -> list[str]:
    """What no check that blocks looks at: a job whose events stand under several times of creation."""
    split = split_events(connection)
    if not split:
        return []
    named = "; ".join(split[:_NAMED]) + ("; …" if len(split) > _NAMED else "")
    return [
        f"the events of {len(split):,} jobs stand under several times of creation, or another than their job's: {named}. "
        f"`{REPAIR}` gives them their job's"
    ]


def forget_old_runs(
    instance: dg.DagsterInstance, *, keep_days: int = KEEP_DAYS, keep_runs: int = KEEP_RUNS
) -> int:
    """Delete ended runs of more than so many days ago with their files, but never the newest; how many.

    A run whose pull of some day is the last one is kept: it is what makes that day green. So is what ticks told last.
    """
    edge = datetime.now(UTC) - timedelta(days=keep_days)
    _forget_ticks(instance, edge)
    old = instance.get_run_ids(RunsFilter(statuses=list(ENDED), created_before=edge))
    kept = {*instance.get_run_ids(limit=keep_runs), *(_last_pulls(instance) if old else ())}
    forgotten = [run_id for run_id in old if run_id not in kept]
    for run_id in forgotten:
        instance.delete_run(run_id)
        _remove_files(instance, run_id)
    return len(forgotten)


def _forget_ticks(instance: dg.DagsterInstance, edge: datetime) -> None:
    """Delete what was told outside of any run before, but the last of each asset, day and check: see `quiet`."""
    events, found = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    old = sqlalchemy.and_(events.run_id == RUNLESS_RUN_ID, events.timestamp < edge.replace(tzinfo=None))
    storage = cast("SqlEventLogStorage", instance.event_log_storage)
    shard = getattr(storage, "path_for_shard", None)  # SQLite keeps each event of no run twice
    if shard and Path(shard(RUNLESS_RUN_ID)).exists():
        with storage.run_connection(RUNLESS_RUN_ID) as connection:
            connection.execute(SqlEventLogStorageTable.delete().where(old))
    with storage.index_connection() as connection:
        shown = sqlalchemy.select(sqlalchemy.func.max(found.id)).group_by(found.asset_key, found.check_name)
        connection.execute(
            AssetCheckExecutionsTable.delete().where(
                found.run_id == RUNLESS_RUN_ID,
                found.evaluation_event_timestamp < edge.replace(tzinfo=None),
                found.id.not_in(shown),
            )
        )
        last = sqlalchemy.select(sqlalchemy.func.max(events.id)).group_by(
            events.asset_key, events.partition, events.dagster_event_type
        )
        asked = sqlalchemy.select(found.evaluation_event_storage_id).where(
            found.evaluation_event_storage_id.is_not(None)
        )
        connection.execute(
            SqlEventLogStorageTable.delete().where(old, events.id.not_in(last), events.id.not_in(asked))
        )


def remove_leftovers(instance: dg.DagsterInstance) -> int:
    """Remove the files of runs that Dagster no longer knows, a day after they were last written; how many runs."""
    folder = Path(instance.storage_directory())
    found = [path for path in folder.iterdir() if _is_run_id(path.name)] if folder.is_dir() else []
    yesterday = time.time() - _A_DAY
    old = [path.name for path in found if path.stat().st_mtime < yesterday]
    leftovers = [run_id for run_id in old if not instance.has_run(run_id)]
    for run_id in leftovers:
        _remove_files(instance, run_id)
    return len(leftovers)


def _last_pulls(instance: dg.DagsterInstance) -> Iterator[str]:
    """The runs that last pulled some day."""
    for table in (QUANTUM_TASKS, JOBS, JOB_EVENTS):
        key = dg.AssetKey(table.name)
        last = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        if last:
            events = instance.fetch_materializations(
                dg.AssetRecordsFilter(key, storage_ids=list(last.values())), limit=len(last)
            )
            yield from (record.run_id for record in events.records)


def _remove_files(instance: dg.DagsterInstance, run_id: str) -> None:
    """The files of a run that deleting it leaves: its output, and its event log where that is a file of its own."""
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
    path_of_log = getattr(instance.event_log_storage, "path_for_shard", None)
    if path_of_log is not None:
        for suffix in ("", "-wal", "-shm"):
            Path(path_of_log(run_id) + suffix).unlink(missing_ok=True)


def _is_run_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


@dg.op(
    description="Look over all keys, rewrite the warehouse where much of its file is free, and publish that."
)
def compact_warehouse(context: dg.OpExecutionContext, runtime: RuntimeResource) -> None:
    """Compact; the sizes stand in the output's metadata. Fails where a check holds publishing back."""
    done = maintain_warehouse(runtime)
    if done is None:
        return
    sizes = done.compaction
    context.add_output_metadata({"bytes": sizes.after, "bytes_before": sizes.before, "free": sizes.free})
    for what in done.found:
        context.log.warning(what)
    if done.held_back:
        raise done.held_back


@dg.op(description=f"Forget runs of more than {KEEP_DAYS} days ago, but never the newest {KEEP_RUNS}.")
def prune_runs(context: dg.OpExecutionContext) -> None:
    """Prune; how many runs were forgotten stands in the output's metadata."""
    forgotten, leftovers = forget_old_runs(context.instance), remove_leftovers(context.instance)
    context.add_output_metadata({"runs_forgotten": forgotten, "leftovers_removed": leftovers})


@dg.job(
    name="maintain",
    executor_def=IN_PROCESS,
    description="Look over all keys, compact the warehouse where it is bloated, forget old runs and their files.",
)
def MAINTAIN() -> None:  # noqa: N802 - a constant beside the other jobs
    """Two ops that do not wait for each other."""
    compact_warehouse()
    prune_runs()
