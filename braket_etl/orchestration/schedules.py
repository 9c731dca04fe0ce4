"""The schedules. They run as soon as a daemon does."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg
from dagster import RunsFilter

from braket_etl.orchestration.instance import UNFINISHED, close_dead_runs
from braket_etl.orchestration.jobs import MAINTAIN, MONTHLY, OBSERVE, OBSERVE_CONFIG, SYNC, pull_config
from braket_etl.orchestration.quiet import quiet_poll, quiet_tick
from braket_etl.orchestration.resources import RuntimeResource
from braket_etl.pull.outcome import News
from braket_etl.runtime import Runtime

#: Open records that a tick polls itself: at half the quota, seconds.
_MOST_POLLED = 200
_schedule = partial(dg.schedule, execution_timezone="UTC", default_status=dg.DefaultScheduleStatus.RUNNING)
_DEMO = dg.SkipReason("this is the demo's home: it is filled by `braket-etl demo` alone")


@_schedule(
    job=SYNC,
    cron_schedule="7 * * * *",
    description="Every hour: the days that are due, every open record, the models, the published copy.",
)
def hourly_sync(
    context: dg.ScheduleEvaluationContext, runtime: RuntimeResource
) -> dg.RunRequest | dg.SkipReason:
    """One run at a time for the days that are due; none where a look finds that it would find nothing."""
    if runtime.settings.is_demo:
        return _DEMO
    wanted = unless_running(context, SYNC.name, pull_config(only_due=True))
    return _unless_quiet(context, wanted, lambda: quiet_tick(context.instance, runtime))


@_schedule(
    job=OBSERVE,
    cron_schedule="*/5 * * * *",
    description="Every five minutes: where the open records stand in their queues.",
)
def observe_open_records(
    context: dg.ScheduleEvaluationContext, runtime: RuntimeResource
) -> dg.RunRequest | dg.SkipReason:
    """Nothing is asked of Braket while nothing is open; what is open is polled here, and by a run once it has changed."""
    if runtime.settings.is_demo:
        return _DEMO
    still_open = open_records(runtime)
    if nothing := nothing_to_observe(still_open):
        return nothing
    wanted = unless_running(context, OBSERVE.name, OBSERVE_CONFIG)
    if still_open and still_open > _MOST_POLLED:
        return wanted
    return _unless_quiet(context, wanted, lambda: quiet_poll(runtime))


@_schedule(
    job=MAINTAIN,
    cron_schedule="37 3 * * *",
    description="Every night: compact the warehouse where it is bloated, forget old runs and their files.",
)
def nightly_maintenance(
    context: dg.ScheduleEvaluationContext, runtime: RuntimeResource
) -> dg.RunRequest | dg.SkipReason:
    """One run at a time."""
    return _DEMO if runtime.settings.is_demo else unless_running(context, MAINTAIN.name)


@_schedule(
    job=MONTHLY,
    cron_schedule="17 5 3 * *",
    description="On the third of a month: the statements of the month before, where the settings name keys.",
)
def monthly_statements(
    context: dg.ScheduleEvaluationContext, runtime: RuntimeResource
) -> dg.RunRequest | dg.SkipReason:
    """One run a month: two days after its end each record has had its last look."""
    settings = runtime.settings
    if settings.is_demo:
        return _DEMO
    if not settings.statements:
        return dg.SkipReason("no key is named in BRAKET_ETL_STATEMENTS")
    month = (context.scheduled_execution_time.replace(day=1) - timedelta(days=1)).strftime("%Y-%m-01")
    return dg.RunRequest(run_key=month, partition_key=month)


def open_records(runtime: Runtime) -> int | None:
    """How many records the published copy shows as open; None where nothing was published."""
    if not runtime.warehouse.is_published:
        return None
    with runtime.warehouse.reading() as connection:
        count: int = connection.execute(
            "SELECT (SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal AND expired_at IS NULL) "
            "+ (SELECT count(*) FROM jobs WHERE NOT is_terminal AND expired_at IS NULL)"
        ).fetchall()[0][0]
    return count


def nothing_to_observe(still_open: int | None) -> dg.SkipReason | None:
    """Why none of so many open records need be polled; None where one has to be."""
    if still_open is None:
        return dg.SkipReason("nothing was pulled yet")
    return None if still_open else dg.SkipReason("no task and no job is open")


def unless_running(
    context: dg.ScheduleEvaluationContext, job: str, run_config: Mapping[str, Any] | None = None
) -> dg.RunRequest | dg.SkipReason:
    """A run of the job, unless one waits or runs: a first sync of hours would fill the queue, and nothing could poll.

    The key keeps a tick that is evaluated twice from running twice. A run that hangs for a day stops none.
    """
    close_dead_runs(context.instance)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    if context.instance.get_runs(
        RunsFilter(job_name=job, statuses=UNFINISHED, created_after=yesterday), limit=1
    ):
        return dg.SkipReason(f"a run of {job} has not ended yet")
    return dg.RunRequest(
        run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}", run_config=run_config or {}
    )


def _unless_quiet(
    context: dg.ScheduleEvaluationContext, wanted: dg.RunRequest | dg.SkipReason, look: Callable[[], str]
) -> dg.RunRequest | dg.SkipReason:
    """The run that is wanted, unless a look tells why none is needed; the tick's log has why one is."""
    if isinstance(wanted, dg.SkipReason):
        return wanted
    try:
        return dg.SkipReason(look())
    except News as news:
        context.log.info(f"a run is due: {news}")
        return wanted


SCHEDULES = [hourly_sync, observe_open_records, nightly_maintenance, monthly_statements]
