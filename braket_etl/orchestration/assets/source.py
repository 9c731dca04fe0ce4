"""The assets of what Braket says of tasks and jobs: pulled by day, refreshed while open, with their results."""

import time
from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg
from pydantic import Field

from braket_etl.aws.sessions import Target
from braket_etl.orchestration import metadata
from braket_etl.orchestration.assets.common import (
    FRESHNESS,
    OWNERS,
    is_routine,
    note,
    note_in,
    problems_metadata,
    result_of,
    source_spec,
    under_own_keys,
)
from braket_etl.orchestration.days import has_partitions, red_days, tell_days
from braket_etl.orchestration.due import due_range, first_wanted_day
from braket_etl.orchestration.instance import refuse_another_home, sign_run
from braket_etl.orchestration.partitions import CREATION_DAYS
from braket_etl.orchestration.resources import OPEN_RECORDS, RuntimeResource
from braket_etl.pull.day_counts import counts_by_day
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.plan import days_between
from braket_etl.pull.refresh import refresh
from braket_etl.pull.resources import HYBRID_JOBS, TASKS
from braket_etl.pull.results import read_results
from braket_etl.pull.wanted import Want, note_searched, note_wanted
from braket_etl.runtime import Runtime
from braket_etl.tables import (
    JOB_EVENTS,
    JOB_OBSERVATIONS,
    JOBS,
    QUANTUM_TASKS,
    TASK_OBSERVATIONS,
    TASK_RESULTS,
)
from braket_etl.warehouse.upsert import Counts

#: The job that pulls what is due, whatever its config leaves out.
SYNC_NAME = "sync"


class PullConfig(dg.Config):
    """Which part to pull; left out means everything that the settings name."""

    accounts: list[str] = Field(default_factory=list)
    regions: list[str] = Field(default_factory=list)
    only_due: bool | None = None
    """Leave out days that are complete, other than today and yesterday; left out means yes in `sync` alone."""
    again: bool = False
    """Fetch everything that is listed, also what is stored in a final state."""
    first_day: str | None = None
    """First UTC day, instead of the run's partitions: then only days that were searched become events."""
    last_day: str | None = None
    """Last UTC day, in as well."""
    is_part: bool = False
    """Whether a flag of this run stands for the settings: what else they name stays wanted. So it does where accounts or
    regions are named here."""


class RefreshConfig(dg.Config):
    """Whose records to refresh; left out means everything that the settings name."""

    accounts: list[str] = Field(default_factory=list)
    regions: list[str] = Field(default_factory=list)
    only_open: bool = False
    """Leave out what ended and is due for its second get, and rejects that are due."""


@dg.multi_asset(
    name="pull",
    specs=[source_spec(QUANTUM_TASKS), source_spec(JOBS), source_spec(JOB_EVENTS)],
    can_subset=True,
    partitions_def=CREATION_DAYS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=31),
)
@under_own_keys
def pull(
    context: dg.AssetExecutionContext, config: PullConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
    """Search the days that are asked for and fetch what is not stored in a final state.

    A day is green where it is whole in every account and Region that is wanted, and red where it is over and is not.
    """
    began = time.monotonic()
    sign_run(context.instance, context.run, runtime.settings)
    refuse_another_home(context.run, runtime.settings)
    targets = runtime.targets(config.accounts, config.regions)
    only_due = is_routine(context.run) if config.only_due is None else config.only_due
    days = _days(context, config, runtime, targets, only_due=only_due)
    selected = {key.path[-1] for key in context.selected_asset_keys}
    resources = [TASKS] if QUANTUM_TASKS.name in selected else []
    resources += [HYBRID_JOBS] if selected & {JOBS.name, JOB_EVENTS.name} else []
    with runtime.warehouse.writing("noting what is wanted") as connection:
        want = _wanted(config, runtime, targets)
        principals = {target: runtime.sessions.principal(target.account) for target in want.targets}
        note_wanted(connection, want, principals, runtime.settings.today)
    puller = runtime.puller(context.run_id)
    outcome = puller.pull_days(targets, resources, days, only_due=only_due, again=config.again)
    tables = [table for table in (QUANTUM_TASKS, JOBS, JOB_EVENTS) if table.name in selected]
    red = {table: red_days(context, table.name, _judged(context, runtime, days)) for table in tables}
    with runtime.warehouse.writing("noting what was pulled") as connection:
        outcome.warnings.update(note_searched(connection, targets, resources, outcome, context.run_id))
        note_in(connection, context, runtime, "pull", outcome)
        counted = {
            table: counts_by_day(connection, table, sorted({*days, *red[table]}), context.run_id, targets)
            for table in tables
        }
    for table, by_day in counted.items():
        of_run = {
            **metadata.count_metadata(outcome.counts.get(table.name, Counts()), outcome),
            "days": len(days),
            "seconds": round(time.monotonic() - began, 1),
            **problems_metadata(outcome),
        }
        yield from tell_days(
            context,
            table.name,
            by_day,
            red[table],
            {f"run/{name}": value for name, value in of_run.items()},
            will_fail=bool(outcome.problems),
        )


def _wanted(config: PullConfig, runtime: Runtime, targets: Sequence[Target]) -> Want:
    """What is wanted: all that the settings name, or where a part is pulled, that part beside what was wanted before."""
    is_part = bool(config.is_part or config.accounts or config.regions)
    return Want(
        targets if is_part else runtime.targets(),
        first_wanted_day(runtime),
        is_all=not is_part,
        moves=runtime.settings.start_date is None,
    )


def _judged(context: dg.AssetExecutionContext, runtime: Runtime, days: Sequence[date]) -> Sequence[date]:
    """The days whose colour a run may change: its own where it was started for days, else all that are wanted."""
    if has_partitions(context):
        return days
    return days_between(first_wanted_day(runtime), runtime.settings.today)


def _days(
    context: dg.AssetExecutionContext,
    config: PullConfig,
    runtime: Runtime,
    targets: Sequence[Target],
    *,
    only_due: bool,
) -> list[date]:
    """The days of the config or of the run's partitions; those that are due where neither names any."""
    if config.first_day:
        last = config.last_day or config.first_day
        return days_between(date.fromisoformat(config.first_day), date.fromisoformat(last))
    if has_partitions(context):
        window = context.partition_time_window
        return days_between(window.start.date(), window.end.date())[:-1]
    if only_due:
        return days_between(*due_range(runtime, targets))
    raise dg.Failure(
        "no days: choose partitions, or give first_day and last_day in the config", allow_retries=False
    )


@dg.multi_asset(
    name="refresh_open_records",
    specs=[
        dg.AssetSpec(
            OPEN_RECORDS,
            description=(
                "Every stored record that can still change, fetched again, and what is due for another get: it updates "
                "rows of quantum_tasks, jobs and job_events whatever their day, without marking that day as pulled."
            ),
            group_name="source",
            kinds={"aws", "duckdb"},
            owners=OWNERS,
            deps=[QUANTUM_TASKS.name, JOBS.name, JOB_EVENTS.name],
            freshness_policy=FRESHNESS,
        ),
        source_spec(TASK_OBSERVATIONS, [QUANTUM_TASKS.name]),
        source_spec(JOB_OBSERVATIONS, [JOBS.name]),
    ],
)
@under_own_keys
def open_records(
    context: dg.AssetExecutionContext, config: RefreshConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Refresh what is open, and observe status and queue position on the way; get again what is due."""
    sign_run(context.instance, context.run, runtime.settings)
    targets = runtime.targets(config.accounts, config.regions)
    outcome = refresh(runtime.puller(context.run_id), targets, only_open=config.only_open)
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
@under_own_keys
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
