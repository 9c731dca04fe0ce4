"""The jobs: what runs together. Each begins with what asks Braket and ends with the published copy."""

from __future__ import annotations

import dagster as dg

from braket_etl.orchestration.assets import OPEN_RECORDS, PUBLISHED
from braket_etl.orchestration.partitions import CREATION_DAYS
from braket_etl.tables import DEVICE_OBSERVATIONS, DEVICES, JOB_OBSERVATIONS, TASK_OBSERVATIONS

#: In one process: a process a step costs two seconds each.
_EXECUTOR = dg.in_process_executor

SYNC = dg.define_asset_job(
    "sync",
    selection=dg.AssetSelection.all(),
    partitions_def=CREATION_DAYS,
    executor_def=_EXECUTOR,
    description="Pull the days that are due and every open record, compute the models, publish.",
    config={"ops": {"pull": {"config": {"only_due": True}}}},
)

BACKFILL = dg.define_asset_job(
    "backfill",
    selection=dg.AssetSelection.all(),
    partitions_def=CREATION_DAYS,
    executor_def=_EXECUTOR,
    description="Search the chosen days again, whatever is known of them; records stored in a final state are kept.",
)

OBSERVE = dg.define_asset_job(
    "observe",
    selection=dg.AssetSelection.assets(
        OPEN_RECORDS,
        TASK_OBSERVATIONS.name,
        JOB_OBSERVATIONS.name,
        DEVICES.name,
        DEVICE_OBSERVATIONS.name,
        PUBLISHED,
    ),
    config={"ops": {"pull_devices": {"config": {"only_in_use": True}}}},
    executor_def=_EXECUTOR,
    description="Poll the open records, keep what was seen of their queue positions, publish.",
)

JOBS = [SYNC, BACKFILL, OBSERVE]
