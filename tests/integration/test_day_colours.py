"""What Dagster shows of days that one run pulled and that do not all stand well; and that what follows goes on."""

from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from braket_etl.orchestration.days import red_days, tell_days
from braket_etl.orchestration.partitions import CREATION_DAYS
from braket_etl.pull.day_counts import DayCounts, State

DAYS = [date(2026, 11, day) for day in (16, 17, 18, 19)]
MIXED: dict[date, State] = dict(zip(DAYS, ("whole", "not_whole", "lost", "so_far"), strict=True))
WHOLE: dict[date, State] = dict.fromkeys(DAYS, "whole")


def ran(
    instance: dg.DagsterInstance, states: Mapping[date, State], *, by_partition: bool, fails: bool
) -> set[str]:
    """Run a step that tells of the days, one after it, and one that fails if asked to; the steps that were done."""

    @dg.multi_asset(
        name="pull",
        specs=[dg.AssetSpec("quantum_tasks")],
        can_subset=True,
        partitions_def=CREATION_DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def pull(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        by_day = {day: DayCounts(rows=1, places=1, state=state) for day, state in states.items()}
        red = red_days(context, "quantum_tasks", DAYS)
        yield from tell_days(context, "quantum_tasks", by_day, red, {"run/new": 1}, will_fail=fails)

    @dg.asset(deps=["quantum_tasks"])
    def publish() -> None:
        if fails:
            raise dg.Failure("not everything was reached", allow_retries=False)

    tags = {
        "dagster/asset_partition_range_start": str(DAYS[0]),
        "dagster/asset_partition_range_end": str(DAYS[-1]),
    }
    job = dg.define_asset_job("job", partitions_def=CREATION_DAYS)
    done = (
        dg.Definitions([pull, publish], jobs=[job])
        .resolve_job_def("job")
        .execute_in_process(instance=instance, tags=tags if by_partition else {}, raise_on_error=False)
    )
    assert done.success is not fails
    return {event.step_key or "" for event in done.all_events if event.is_step_start}


def colours(instance: dg.DagsterInstance) -> dict[date, AssetPartitionStatus | None]:
    keys = {str(day): day for day in DAYS}
    found = instance.get_status_by_partition(dg.AssetKey("quantum_tasks"), list(keys), CREATION_DAYS) or {}
    return {keys[key]: state for key, state in found.items()}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.mark.parametrize("by_partition", [True, False])
def test_only_what_is_whole_is_green_and_the_rest_goes_on(
    instance: dg.DagsterInstance, *, by_partition: bool
) -> None:
    assert ran(instance, MIXED, by_partition=by_partition, fails=False) == {"pull", "publish"}
    assert colours(instance) == {**dict.fromkeys(DAYS), DAYS[0]: AssetPartitionStatus.MATERIALIZED}


def test_in_a_run_without_days_that_fails_what_is_over_and_not_whole_is_red(
    instance: dg.DagsterInstance,
) -> None:
    assert ran(instance, MIXED, by_partition=False, fails=True) == {"pull", "publish"}
    expected = {
        DAYS[0]: AssetPartitionStatus.MATERIALIZED,
        DAYS[1]: AssetPartitionStatus.FAILED,
        DAYS[2]: None,
        DAYS[3]: None,
    }
    assert colours(instance) == expected
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    ran(instance, MIXED, by_partition=False, fails=True)
    again = instance.all_logs(next(iter(instance.get_runs(limit=1))).run_id, of_type=planned)
    assert not [log for log in again if log.dagster_event and log.dagster_event.partition]  # it is told once
    assert colours(instance) == expected


def test_in_a_run_for_days_that_fails_what_is_whole_is_green(instance: dg.DagsterInstance) -> None:
    ran(instance, MIXED, by_partition=True, fails=True)
    assert colours(instance)[DAYS[0]] is AssetPartitionStatus.MATERIALIZED
    assert colours(instance)[DAYS[1]] is AssetPartitionStatus.FAILED


def test_a_green_day_turns_red_and_green_again(instance: dg.DagsterInstance) -> None:
    """As when an account is added that refuses, and then answers."""
    ran(instance, WHOLE, by_partition=True, fails=False)
    assert set(colours(instance).values()) == {AssetPartitionStatus.MATERIALIZED}
    ran(instance, dict.fromkeys(DAYS, "not_whole"), by_partition=False, fails=True)
    assert set(colours(instance).values()) == {AssetPartitionStatus.FAILED}
    ran(instance, WHOLE, by_partition=False, fails=False)
    assert set(colours(instance).values()) == {AssetPartitionStatus.MATERIALIZED}


def test_each_day_of_a_run_has_its_own_numbers(instance: dg.DagsterInstance) -> None:
    ran(instance, MIXED, by_partition=True, fails=False)
    for day, state in MIXED.items():
        asked = dg.AssetRecordsFilter(dg.AssetKey("quantum_tasks"), asset_partitions=[str(day)])
        records = [
            *instance.fetch_materializations(asked, limit=5).records,
            *instance.fetch_observations(asked, limit=5).records,
        ]
        [told] = [record.asset_materialization or record.asset_observation for record in records]
        assert told is not None
        assert told.metadata["state"].value == state.replace("_", " ")
        assert told.metadata["dagster/partition_row_count"].value == 1
