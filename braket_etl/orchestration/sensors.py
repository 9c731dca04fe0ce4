"""The sensors: who is told that a run failed or that money was spent. They run as soon as a daemon does.

A message always stands in the tick's log; it is also sent to the addresses of the settings. An address that fails is a
warning there and breaks nothing.
"""

import functools
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from logging import Logger

import dagster as dg
import duckdb

from braket_etl.analysis.stored import as_of
from braket_etl.notify import Message, tell
from braket_etl.orchestration.anomaly_alerts import anomaly_message, unusual
from braket_etl.orchestration.budget_alerts import budgets
from braket_etl.orchestration.digest import digest, week_before
from braket_etl.orchestration.failures import failure_lines, step_failures
from braket_etl.orchestration.resources import RuntimeResource
from braket_etl.orchestration.spend_alerts import Watched, watched
from braket_etl.runtime import Runtime
from braket_etl.warehouse import runs
from braket_etl.warehouse.errors import DamagedError, NotPublishedError

_DEMO = dg.SkipReason("this is the demo's home: no message is sent")
#: Problems that a message names; the run's log has them all.
_MOST_LINES = 20


@dg.run_failure_sensor(
    name="tell_of_failed_runs",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of each run that a daemon started and that failed: what failed, where, and what to do next.",
)
def tell_of_failed_runs(
    context: dg.RunFailureSensorContext, runtime: RuntimeResource
) -> dg.SkipReason | None:
    """One message a run; one a day where each run of a job fails with the same words as the one before.

    A run on the command line has told whoever started it, and is not seen here.
    """
    if runtime.settings.is_demo:
        return _DEMO
    run = context.dagster_run
    lines, is_published = _lines(context.instance, runtime, run)
    before = _run_before(context.instance, run)
    if before and _lines(context.instance, runtime, before)[0] == lines:
        return dg.SkipReason(f"failed as run {before.run_id} did, of which people were told today")
    _told(context.log, runtime, failure_message(runtime, run, lines, is_published=is_published))
    return None


def _where_there_is_a_copy(
    tell: Callable[[dg.SensorEvaluationContext, Runtime], dg.SensorResult | dg.SkipReason],
) -> Callable[[dg.SensorEvaluationContext, Runtime], dg.SensorResult | dg.SkipReason]:
    """The evaluation, passed over in the demo's home, and with the reason where the published copy cannot be asked."""

    @functools.wraps(tell)
    def evaluated(context: dg.SensorEvaluationContext, runtime: Runtime) -> dg.SensorResult | dg.SkipReason:
        if runtime.settings.is_demo:
            return _DEMO
        try:
            return tell(context, runtime)
        except (NotPublishedError, DamagedError, duckdb.Error) as error:
            return dg.SkipReason(f"the published copy cannot be asked: {error}")

    return evaluated


@dg.sensor(
    name="tell_of_spend",
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells when the spend of a day or month, open tasks included, reaches an amount of the settings.",
)
@_where_there_is_a_copy
def tell_of_spend(
    context: dg.SensorEvaluationContext, runtime: RuntimeResource
) -> dg.SensorResult | dg.SkipReason:
    """One message an alert and period; the cursor holds what was told, by alert as it was then and period."""
    settings = runtime.settings
    if not settings.spend_alerts:
        return dg.SkipReason("no amount is set in BRAKET_ETL_SPEND_ALERTS")
    with runtime.warehouse.reading() as connection:
        found = list(watched(connection, settings.spend_alerts, settings.today))
    told = set(json.loads(context.cursor or "[]"))
    news = [each for each in found if each.is_reached and each.key not in told]
    reached = [each for each in news if _told(context.log, runtime, spend_message(each))]
    cursor = sorted(told & {each.key for each in found} | {each.key for each in reached})
    return dg.SensorResult(
        skip_reason=f"{len(reached)} of {len(found)} spends told, {len(cursor)} in all have been reached",
        cursor=json.dumps(cursor),
    )


@dg.sensor(
    name="tell_of_budgets",
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells when a share of a budget of budgets.toml is used, or will be by forecast.",
)
@_where_there_is_a_copy
def tell_of_budgets(
    context: dg.SensorEvaluationContext, runtime: RuntimeResource
) -> dg.SensorResult | dg.SkipReason:
    """One message a budget for all that it newly reached; the cursor holds what was told, each threshold once a period."""
    told = set(json.loads(context.cursor or "[]"))
    with runtime.warehouse.reading() as connection:
        found = budgets(connection)
        news = [(each, each.message(connection)) for each in found if each.now.keys() - told]
    if not found:
        return dg.SkipReason(f"there is no budget in {runtime.settings.budgets_file}")
    reached = [each for each, message in news if _told(context.log, runtime, message)]
    known = {key for each in found for key, *_ in each.keys()}  # noqa: SIM118 - no mapping
    cursor = sorted(told & known | {key for each in reached for key in each.now})
    return dg.SensorResult(
        skip_reason=f"{len(reached)} of {len(found)} budgets told, {len(cursor)} thresholds in all have been reached",
        cursor=json.dumps(cursor),
    )


@dg.sensor(
    name="tell_of_unusual_spending",
    minimum_interval_seconds=1800,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of days that cost far more than such days do, at most once a day.",
)
@_where_there_is_a_copy
def tell_of_unusual_spending(
    context: dg.SensorEvaluationContext, runtime: RuntimeResource
) -> dg.SensorResult | dg.SkipReason:
    """One message a UTC day at most, for all that is new by then.

    The cursor holds that day, what was told, and the copy in which nothing new was found.
    """
    today = runtime.settings.today
    last = {"on": "", "told": [], "copy": "", **json.loads(context.cursor or "{}")}
    if last["on"] == today.isoformat():
        return dg.SkipReason("people were told today")
    with runtime.warehouse.reading() as connection:
        copy = f"{today} {runtime.warehouse.published_at or datetime.now(UTC)}"
        if copy == last["copy"]:
            return dg.SkipReason("nothing was published since it was looked for")
        found = unusual(connection, today)
    news = {key: each for key, each in found.items() if key not in last["told"]}
    if not news:
        nothing = "no day stands out of which nobody was told"
        return dg.SensorResult(skip_reason=nothing, cursor=json.dumps({**last, "copy": copy}))
    if not _told(context.log, runtime, anomaly_message(news.values())):
        return dg.SkipReason("nobody could be told; it is tried again")
    return dg.SensorResult(
        skip_reason=f"{len(news)} unusual sums told",
        cursor=json.dumps({"on": today.isoformat(), "told": sorted(found)}),
    )


@dg.sensor(
    name="tell_of_the_week",
    minimum_interval_seconds=1800,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells once a week, where the settings ask for it, of spending, budgets, waits and what is missing.",
)
@_where_there_is_a_copy
def tell_of_the_week(
    context: dg.SensorEvaluationContext, runtime: RuntimeResource
) -> dg.SensorResult | dg.SkipReason:
    """One message a week, once something was pulled after its end; the cursor holds the first day of the last one told."""
    if runtime.settings.digest == "off":
        return dg.SkipReason("nobody asks for it: BRAKET_ETL_DIGEST is off")
    with runtime.warehouse.reading() as connection:
        newest = as_of(connection)
        if newest is None:
            return dg.SkipReason("no task was pulled yet")
        week = week_before(newest.astimezone(UTC).date())
        if context.cursor and week.first.isoformat() <= context.cursor:
            return dg.SkipReason(f"the week from {context.cursor} was told")
        message = digest(connection, week)
    if not _told(context.log, runtime, message):
        return dg.SkipReason("nobody could be told; it is tried again")
    return dg.SensorResult(skip_reason=f"told of the week from {week.first}", cursor=week.first.isoformat())


def spend_message(reached: Watched) -> Message:
    """What people are told of a spend that reached its alert's amount."""
    alert, period, spend = reached.alert, reached.period, reached.spend
    account = f"account {alert.account}" if alert.account else "all accounts"
    tag = f", tag {alert.tag}" if alert.tag else ""
    lines = [
        f"{alert.name} ({account}{tag}), {alert.period} {period.name} UTC: {spend.usd:,.2f} USD.",
        f"Ended: {spend.net_usd:,.2f} USD, at list price less agreed discounts. Open tasks and coming reservations: "
        f"{spend.committed_usd:,.2f} USD more. What runs has cost {spend.accrued_usd:,.2f} USD so far.",
    ]
    if spend.unknown:
        lines.append(f"Not counted: {spend.unknown} records whose cost is not known.")
    lines.append(
        "An estimate, no bill. Where it went: braket-etl sql "
        f"\"from daily_costs where charge_date between '{period.first}' and '{period.last}'\""
    )
    return Message(
        f"Braket spend: {alert.name} has reached {spend.usd:,.2f} of {alert.usd:,f} USD", tuple(lines)
    )


def failure_message(
    runtime: Runtime, run: dg.DagsterRun, lines: Sequence[str], *, is_published: bool
) -> Message:
    """What people are told of a failed run."""
    more = [f"… and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    return Message(
        f"Braket: {run.job_name} failed",
        (
            f"The run {run.run_id} of {run.job_name} failed, for the warehouse {runtime.settings.home}:",
            *(f"- {line}" for line in lines[:_MOST_LINES]),
            *more,
            "What arrived is published; the next sync asks again for what is missing."
            if is_published
            else "The last published copy stays; the next sync begins where this run ended.",
            f"Next: `braket-etl doctor` says what is out of reach; the run's log is in the UI under {run.run_id[:8]}.",
        ),
    )


def _lines(instance: dg.DagsterInstance, runtime: Runtime, run: dg.DagsterRun) -> tuple[list[str], bool]:
    """The problems of a run by account and Region, and the steps that failed; whether the run came to publish."""
    problems = _problems(runtime, run.run_id)
    failures = failure_lines(step_failures(instance, run), problems or ())
    return [*(problems or ()), *failures], problems is not None


def _problems(runtime: Runtime, run_id: str) -> list[str] | None:
    """The problems in a run's row of the published copy; None where the run did not come to publish."""
    try:
        with runtime.warehouse.reading() as connection:
            steps = runs.run_summary(connection, run_id) if runs.has_ended(connection, run_id) else None
    except (NotPublishedError, DamagedError, duckdb.Error):
        return None
    return None if steps is None else runs.problems_of(steps.values())


def _run_before(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun | None:
    """The run of the same job before this one, if it began on the same UTC day and failed too.

    Those of the command line are passed over: nobody was told of them here. A daemon's run has a remote origin.
    """
    record = instance.get_run_record_by_id(run.run_id)
    if record is None:
        return None
    midnight = record.create_timestamp.replace(hour=0, minute=0, second=0, microsecond=0)
    earlier = instance.get_run_records(
        dg.RunsFilter(job_name=run.job_name, created_after=midnight, created_before=record.create_timestamp)
    )
    alike = (each.dagster_run for each in earlier if _is_of_daemon(each.dagster_run) == _is_of_daemon(run))
    before = next(alike, None)
    return before if before and before.status is dg.DagsterRunStatus.FAILURE else None


def _is_of_daemon(run: dg.DagsterRun) -> bool:
    return run.remote_job_origin is not None


def _told(log: Logger, runtime: Runtime, message: Message) -> bool:
    """Log the message and send it; whether somebody was told, which without addresses is the log's reader."""
    log.warning(f"{message.title}\n{message.body}")
    addresses = runtime.settings.notify
    problems = tell(addresses, message) if addresses else []
    for problem in problems:
        log.warning(f"BRAKET_ETL_NOTIFY: {problem}")
    return not addresses or len(problems) < len(addresses)


SENSORS = [tell_of_failed_runs, tell_of_spend, tell_of_budgets, tell_of_unusual_spending, tell_of_the_week]
