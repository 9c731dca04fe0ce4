"""The schedules. They run as soon as a daemon does."""

import dagster as dg

from braket_etl.orchestration.due import due_range
from braket_etl.orchestration.jobs import OBSERVE, SYNC
from braket_etl.orchestration.resources import RuntimeResource

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


_DEMO = dg.SkipReason("this is the demo's home: it is filled by `braket-etl demo` alone")


@dg.schedule(
    job=SYNC,
    cron_schedule="7 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: the days that are due, every open record, the models, the published copy.",
)
def hourly_sync(
    context: dg.ScheduleEvaluationContext, runtime: RuntimeResource
) -> dg.RunRequest | dg.SkipReason:
    """One run for the range of due days; the key keeps a tick that is evaluated twice from running twice."""
    if runtime.settings.is_demo:
        return _DEMO
    first, last = due_range(runtime, runtime.targets())
    return dg.RunRequest(
        run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}",
        tags={RANGE_START: first.isoformat(), RANGE_END: last.isoformat()},
    )


@dg.schedule(
    job=OBSERVE,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every five minutes: where the open records stand in their queues.",
)
def observe_open_records(
    context: dg.ScheduleEvaluationContext, runtime: RuntimeResource
) -> dg.RunRequest | dg.SkipReason:
    """Nothing is asked of Braket while nothing is open."""
    if runtime.settings.is_demo:
        return _DEMO
    if not runtime.warehouse.published.exists():
        return dg.SkipReason("nothing was pulled yet")
    with runtime.warehouse.reading() as connection:
        still_open = connection.execute(
            "SELECT (SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal AND expired_at IS NULL) "
            "+ (SELECT count(*) FROM jobs WHERE NOT is_terminal AND expired_at IS NULL)"
        ).fetchall()[0][0]
    if not still_open:
        return dg.SkipReason("no task and no job is open")
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}")


SCHEDULES = [hourly_sync, observe_open_records]
