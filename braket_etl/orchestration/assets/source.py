"""The assets of what Braket says of tasks and jobs: pulled by day, refreshed while open, with their results."""

import time
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from braket_etl.orchestration import metadata
from braket_etl.orchestration.assets.common import (
    OPEN_RECORDS,
    OWNERS,
    note,
    problems_metadata,
    result_of,
    source_spec,
)
from braket_etl.orchestration.partitions import CREATION_DAYS
from braket_etl.orchestration.resources import RuntimeResource
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.plan import days_between
from braket_etl.pull.resources import HYBRID_JOBS, RESOURCES, TASKS
from braket_etl.pull.results import read_results
from braket_etl.tables import (
    JOB_EVENTS,
    JOB_OBSERVATIONS,
    JOBS,
    QUANTUM_TASKS,
    TASK_OBSERVATIONS,
    TASK_RESULTS,
)
from braket_etl.warehouse.upsert import Counts


class PullConfig(dg.Config):
    """Which part to pull; left out means everything that the settings name."""

    accounts: list[str] = Field(default_factory=list)
    regions: list[str] = Field(default_factory=list)
    only_due: bool = False
    """Leave out days that are complete, other than today and yesterday."""


@dg.multi_asset(
    name="pull",
    specs=[source_spec(QUANTUM_TASKS), source_spec(JOBS), source_spec(JOB_EVENTS)],
    can_subset=True,
    partitions_def=CREATION_DAYS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=31),
)
def pull(
    context: dg.AssetExecutionContext, config: PullConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Search the days of the partition range and fetch what is not stored in a final state."""
    began = time.monotonic()
    window = context.partition_time_window
    days = days_between(window.start.date(), window.end.date())[:-1]
    selected = {key.path[-1] for key in context.selected_asset_keys}
    resources = [TASKS] if QUANTUM_TASKS.name in selected else []
    resources += [HYBRID_JOBS] if selected & {JOBS.name, JOB_EVENTS.name} else []
    outcome = runtime.puller(context.run_id).pull_days(
        runtime.targets(config.accounts, config.regions), resources, days, only_due=config.only_due
    )
    note(context, runtime, "pull", outcome)
    for table in (QUANTUM_TASKS, JOBS, JOB_EVENTS):
        if table.name in selected:
            yield dg.MaterializeResult(
                asset_key=table.name,
                metadata={
                    **metadata.count_metadata(outcome.counts.get(table.name, Counts()), outcome),
                    "days": len(days),
                    "seconds": round(time.monotonic() - began, 1),
                    **problems_metadata(outcome),
                },
            )


@dg.multi_asset(
    name="refresh_open_records",
    specs=[
        dg.AssetSpec(
            OPEN_RECORDS,
            description=(
                "Every stored record that can still change, fetched again: it updates rows of quantum_tasks, "
                "jobs and job_events whatever their day, without marking that day as pulled."
            ),
            group_name="source",
            kinds={"aws", "duckdb"},
            owners=OWNERS,
            deps=[QUANTUM_TASKS.name, JOBS.name, JOB_EVENTS.name],
        ),
        source_spec(TASK_OBSERVATIONS, [QUANTUM_TASKS.name]),
        source_spec(JOB_OBSERVATIONS, [JOBS.name]),
    ],
)
def open_records(
    context: dg.AssetExecutionContext, config: PullConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Refresh what is open, and observe status and queue position on the way."""
    outcome = runtime.puller(context.run_id).refresh_open(
        runtime.targets(config.accounts, config.regions), RESOURCES
    )
    note(context, runtime, "open_records", outcome)
    refreshed = outcome.counts.get(QUANTUM_TASKS.name, Counts()) + outcome.counts.get(JOBS.name, Counts())
    yield dg.MaterializeResult(
        asset_key=OPEN_RECORDS,
        metadata={**metadata.count_metadata(refreshed, outcome), **problems_metadata(outcome)},
    )
    for table in (TASK_OBSERVATIONS, JOB_OBSERVATIONS):
        yield result_of(table, outcome)


@dg.multi_asset(
    name="read_task_results", specs=[source_spec(TASK_RESULTS, [QUANTUM_TASKS.name, OPEN_RECORDS])]
)
def task_results(
    context: dg.AssetExecutionContext, config: PullConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Read results.json of tasks that ended since; what S3 refuses is a warning."""
    outcome = Outcome()
    if runtime.settings.results != "off":
        outcome = read_results(
            runtime.warehouse,
            runtime.sessions,
            runtime.chosen_accounts(config.accounts),
            progress=runtime.progress,
        )
    note(context, runtime, "task_results", outcome)
    yield result_of(TASK_RESULTS, outcome)
