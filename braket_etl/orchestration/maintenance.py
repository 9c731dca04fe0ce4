"""The nightly maintenance: a bloated warehouse is compacted, old runs and their files are forgotten."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
from dagster import RunsFilter

from braket_etl.orchestration.instance import ENDED
from braket_etl.orchestration.resources import RuntimeResource
from braket_etl.runtime import Runtime
from braket_etl.tables import JOB_EVENTS, JOBS, QUANTUM_TASKS
from braket_etl.warehouse.compact import Compaction, compact
from braket_etl.warehouse.publish import publish

#: Open-source Dagster keeps every run for ever; we keep those of so many days, and so many whatever their age.
KEEP_DAYS = 30
KEEP_RUNS = 200
_A_DAY = 86_400


def compact_and_publish(runtime: Runtime) -> Compaction | None:
    """Compact the writer's file where it is worth it, and publish that; None where nothing was pulled yet.

    Raises WarehouseError.
    """
    if runtime.warehouse.is_missing:
        return None
    done = compact(runtime.warehouse)
    if done.was_done:
        with runtime.warehouse.writing("publishing") as connection:
            publish(runtime.warehouse, connection, group=runtime.settings.group)
    return done


def forget_old_runs(
    instance: dg.DagsterInstance, *, keep_days: int = KEEP_DAYS, keep_runs: int = KEEP_RUNS
) -> int:
    """Delete ended runs of more than so many days ago with their files, but never the newest; how many.

    A run whose pull of some day is the last one is kept: it is what makes that day green.
    """
    edge = datetime.now(UTC) - timedelta(days=keep_days)
    old = instance.get_run_ids(RunsFilter(statuses=list(ENDED), created_before=edge))
    kept = {*instance.get_run_ids(limit=keep_runs), *(_last_pulls(instance) if old else ())}
    forgotten = [run_id for run_id in old if run_id not in kept]
    for run_id in forgotten:
        instance.delete_run(run_id)
        _remove_files(instance, run_id)
    return len(forgotten)


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


@dg.op(description="Write the warehouse anew where much of its file is free, and publish that.")
def compact_warehouse(context: dg.OpExecutionContext, runtime: RuntimeResource) -> None:
    """Compact; the sizes stand in the run's log and in the output's metadata."""
    done = compact_and_publish(runtime)
    if done is not None:
        context.add_output_metadata({"bytes": done.after, "bytes_before": done.before, "free": done.free})


@dg.op(description=f"Forget runs of more than {KEEP_DAYS} days ago, but never the newest {KEEP_RUNS}.")
def prune_runs(context: dg.OpExecutionContext) -> None:
    """Prune; how many runs were forgotten stands in the output's metadata."""
    forgotten, leftovers = forget_old_runs(context.instance), remove_leftovers(context.instance)
    context.add_output_metadata({"runs_forgotten": forgotten, "leftovers_removed": leftovers})


@dg.job(
    name="maintain",
    executor_def=dg.in_process_executor,
    description="Compact the warehouse where it is bloated, forget old runs and their files.",
)
def MAINTAIN() -> None:  # noqa: N802 - a constant beside the other jobs
    """Two ops that do not wait for each other."""
    compact_warehouse()
    prune_runs()
