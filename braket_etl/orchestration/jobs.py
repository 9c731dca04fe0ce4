"""The jobs: what runs together. Each begins with what asks Braket and ends with the published copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.execution.execute_in_process import core_execute_in_process

from braket_etl.orchestration.assets import OPEN_RECORDS, PUBLISHED, STATEMENTS
from braket_etl.orchestration.assets.source import SYNC_NAME
from braket_etl.orchestration.executors import EXECUTOR
from braket_etl.orchestration.maintenance import MAINTAIN
from braket_etl.orchestration.partitions import CREATION_DAYS, MONTHS
from braket_etl.tables import DEVICE_OBSERVATIONS, DEVICES, JOB_OBSERVATIONS, TASK_OBSERVATIONS

#: All that a pull brings, and what is made of it.
_ALL = dg.AssetSelection.all() - dg.AssetSelection.assets(STATEMENTS)

SYNC = dg.define_asset_job(
    SYNC_NAME,
    selection=_ALL,
    partitions_def=CREATION_DAYS,
    executor_def=EXECUTOR,
    description="Pull the days that are due and every open record, compute the models, publish.",
    config={"ops": {"pull": {"config": {"only_due": True}}}},
)

BACKFILL = dg.define_asset_job(
    "backfill",
    selection=_ALL,
    partitions_def=CREATION_DAYS,
    executor_def=EXECUTOR,
    description="Search the chosen days again, whatever is known of them; records stored in a final state are kept.",
)

OBSERVE_CONFIG = {
    "ops": {
        "pull_devices": {"config": {"only_in_use": True}},
        "refresh_open_records": {"config": {"only_open": True}},
    }
}

#: The assets that a poll of what is open makes.
OBSERVED = (
    OPEN_RECORDS,
    TASK_OBSERVATIONS.name,
    JOB_OBSERVATIONS.name,
    DEVICES.name,
    DEVICE_OBSERVATIONS.name,
    PUBLISHED,
)

OBSERVE = dg.define_asset_job(
    "observe",
    selection=dg.AssetSelection.assets(*OBSERVED),
    config=OBSERVE_CONFIG,
    executor_def=EXECUTOR,
    description="Poll the open records, keep what was seen of their queue positions, publish.",
)

MONTHLY = dg.define_asset_job(
    "statements_of_a_month",
    selection=dg.AssetSelection.assets(STATEMENTS),
    partitions_def=MONTHS,
    executor_def=EXECUTOR,
    description="Make the statements of a month by the keys of the settings.",
)

JOBS: list[dg.JobDefinition | UnresolvedAssetJobDefinition] = [
    SYNC,
    BACKFILL,
    OBSERVE,
    MAINTAIN,
    MONTHLY,
]


def pull_config(
    *,
    accounts: Sequence[str] = (),
    regions: Sequence[str] = (),
    days: tuple[date, date] | None = None,
    only_due: bool = False,
    again: bool = False,
    is_part: bool = False,
) -> dict[str, Any]:
    """Run config of `sync` and `backfill`: for which accounts and Regions, and for which days, both ends in.

    Without days the run takes those of its partitions; with `only_due` and neither, those that are due. `again` fetches
    what is stored afresh. `is_part` where flags of this run stand for the settings.
    """
    part = {"accounts": list(accounts), "regions": list(regions)}
    first, last = (day.isoformat() for day in days) if days else (None, None)
    pull = {
        **part,
        "only_due": only_due,
        "again": again,
        "first_day": first,
        "last_day": last,
        "is_part": is_part,
    }
    return {
        "ops": {
            "pull": {"config": {name: value for name, value in pull.items() if value is not None}},
            "refresh_open_records": {"config": part},
            "read_task_results": {"config": part},
            "look_up_callers": {"config": part},
        }
    }


def run_here(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    run_id: str,
    run_config: Mapping[str, Any],
    tags: Mapping[str, str],
) -> dg.ExecuteInProcessResult:
    """A run of a job in this process, by the executor of all its runs, so that it is stopped as they are.

    `JobDefinition.execute_in_process` would take an executor of Dagster's own.
    """
    return core_execute_in_process(
        job=InMemoryJob(job),
        run_config={**run_config, "execution": {"config": {"in_process": {}}}},
        instance=instance,
        output_capturing_enabled=False,
        raise_on_error=False,
        run_tags=tags,
        run_id=run_id,
        asset_selection=frozenset(),
    )
