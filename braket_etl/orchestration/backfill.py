"""A backfill through the running instance: the daemon runs it, a month at a time, and survives whoever asked for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from dagster import RunsFilter
from dagster._core.execution.backfill import (
    BULK_ACTION_TERMINAL_STATUSES,
    BulkActionStatus,
    PartitionBackfill,
)
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemotePartitionSetOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.utils import make_new_backfill_id

from braket_etl.orchestration.instance import UNFINISHED, code_location, filled
from braket_etl.orchestration.jobs import BACKFILL
from braket_etl.orchestration.resources import HOME_TAG
from braket_etl.pull.plan import days_between
from braket_etl.settings import Settings

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
_BACKFILL_TAG = "dagster/backfill"


@dataclass(frozen=True, slots=True)
class Backfill:
    """How far a backfill is; a run that was repeated is left out, the repetition counts."""

    status: BulkActionStatus
    runs: list[dg.DagsterRun]
    error: str | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is still to come."""
        return self.status in BULK_ACTION_TERMINAL_STATUSES

    @property
    def days_done(self) -> int:
        """Days whose run has ended."""
        return sum(_days_of(run) for run in self.runs if run.status not in UNFINISHED)


def submit(
    instance: dg.DagsterInstance, settings: Settings, first: date, last: date, run_config: Mapping[str, Any]
) -> str:
    """Ask the daemon to pull the days, both ends in; the backfill's id.

    It is a backfill of the job, not of assets, so that every run also computes the models and publishes. Dagster
    cuts the days as the backfill policy of `pull` says.
    """
    definitions = RemoteRepositoryOrigin(
        code_location_origin=RegisteredCodeLocationOrigin(code_location()), repository_name="__repository__"
    )
    backfill = PartitionBackfill(
        backfill_id=make_new_backfill_id(),
        status=BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={HOME_TAG: filled(settings)},
        backfill_timestamp=time.time(),
        title=f"{first} to {last}",
        run_config=run_config,
        partition_set_origin=RemotePartitionSetOrigin(
            repository_origin=definitions, partition_set_name=f"{BACKFILL.name}_partition_set"
        ),
        partition_names=[day.isoformat() for day in days_between(first, last)],
    )
    instance.add_backfill(backfill)
    return backfill.backfill_id


def look_up(instance: dg.DagsterInstance, backfill_id: str) -> Backfill:
    """How far that backfill is."""
    found = instance.get_backfill(backfill_id)
    if found is None:
        raise LookupError(f"no backfill is called {backfill_id}")
    runs = instance.get_runs(RunsFilter(tags={_BACKFILL_TAG: backfill_id}))
    repeated = {run.parent_run_id for run in runs}
    error = found.error.message.strip().splitlines()[0] if found.error else None
    return Backfill(found.status, [run for run in runs if run.run_id not in repeated], error)


def cancel(instance: dg.DagsterInstance, backfill_id: str) -> None:
    """Ask the daemon to end its runs and to start no more; what was pulled is kept."""
    found = instance.get_backfill(backfill_id)
    if found is not None and found.status not in BULK_ACTION_TERMINAL_STATUSES:
        canceling: PartitionBackfill = found.with_status(BulkActionStatus.CANCELING)  # type: ignore[no-untyped-call]
        instance.update_backfill(canceling)


def _days_of(run: dg.DagsterRun) -> int:
    first, last = run.tags.get(RANGE_START), run.tags.get(RANGE_END)
    return (date.fromisoformat(last) - date.fromisoformat(first)).days + 1 if first and last else 1
