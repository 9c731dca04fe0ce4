"""What Dagster is told of each day of a pull: green, red, or so far neither.

A day is green where it is whole in every account and Region that is wanted. What a step returns is recorded alike for
every day of its run, so a run whose days do not all stand well makes the events of its days itself.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from braket_etl.orchestration.partitions import CREATION_DAYS
from braket_etl.orchestration.resources import own_key
from braket_etl.pull.day_counts import DayCounts

#: An output that bears it makes no event: the one way to let what comes after a step go on without turning its days green.
_NO_EVENT = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
_MOST_PLACES = 20


def has_partitions(context: dg.AssetExecutionContext) -> bool:
    """Whether a run was started for days."""
    return bool(context.has_partition_key or context.has_partition_key_range)


def red_days(context: dg.AssetExecutionContext, asset: str, days: Sequence[date]) -> frozenset[date]:
    """Those of the days that a run failed and none has materialized since."""
    keys = {day.isoformat(): day for day in days}
    known = context.instance.get_status_by_partition(own_key(context, asset), list(keys), CREATION_DAYS) or {}
    return frozenset(keys[key] for key, status in known.items() if status is AssetPartitionStatus.FAILED)


def tell_days(
    context: dg.AssetExecutionContext,
    asset: str,
    by_day: Mapping[date, DayCounts],
    red: Collection[date],
    of_run: Mapping[str, Any],
    *,
    will_fail: bool,
) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
    """Tell of each day how many rows it has, what this run's searches found and whether it is whole; the step's output.

    A run without partitions makes an event for each day that it searched, and for each that was red and is whole by now: a
    Region that it waited for may have been left out. `will_fail` where something could not be had: then days that are over
    and not whole turn red with the run.
    """
    by_partition, key = has_partitions(context), own_key(context, asset)
    told = {
        day: counts
        for day, counts in by_day.items()
        if by_partition or counts.places or (day in red and counts.state == "whole")
    }
    is_each_whole = all(counts.state == "whole" for counts in by_day.values())
    for day, counts in told.items():
        partition, of_day = day.isoformat(), _of_day(counts)
        if counts.state != "whole":
            context.log_event(dg.AssetObservation(key, partition=partition, metadata=of_day))
        elif by_partition and is_each_whole:
            context.add_asset_metadata(of_day, asset_key=key, partition_key=partition)
        else:
            metadata = {**of_day, **of_run} if by_partition else of_day
            context.log_event(dg.AssetMaterialization(key, partition=partition, metadata=metadata))
    if by_partition and not is_each_whole:
        yield dg.Output(None, output_name=asset, metadata=_NO_EVENT)
        return
    if will_fail:  # a day stays red until it is materialized, so it is told once
        failed = [day for day, counts in by_day.items() if counts.state == "not_whole"]
        _turn_red(context, asset, [day for day in failed if day not in red])
    yield dg.MaterializeResult(asset_key=asset, metadata=of_run)


def _of_day(counts: DayCounts) -> dict[str, Any]:
    told: dict[str, Any] = {
        "dagster/partition_row_count": counts.rows,
        "state": counts.state.replace("_", " "),
    }
    if counts.places:
        told |= {
            "records_listed": counts.listed,
            "records_rejected": counts.rejected,
            "places_searched": counts.places,
        }
    if counts.missing:
        told["missing"] = dg.MetadataValue.md(
            "\n".join(f"- `{place}`" for place in counts.missing[:_MOST_PLACES])
        )
    return told


def _turn_red(context: dg.AssetExecutionContext, asset: str, days: Sequence[date]) -> None:
    """Let the run fail these days: planned and not materialized, as those of a run that was started for them are."""
    for day in days:
        planned = dg.DagsterEvent.build_asset_materialization_planned_event(
            context.job_name,
            context.op_execution_context.op.name,
            AssetMaterializationPlannedData(own_key(context, asset), day.isoformat()),
        )
        context.instance.report_dagster_event(planned, context.run_id, logging.DEBUG)
