"""A sync that asks first: where Braket has nothing new and nothing else is due, models, checks and report stay as they are.

What a sync fetches, it first asks whether there is any of it. Only after a sync that left everything in order on the same
UTC day, of the same program and settings, and only while nobody else wrote: all else raises News, and a whole run follows.
So everything that depends on the date (which days are over, the price list, what is due on another day) is computed at
least once a day, and whenever a day comes to stand otherwise or a reservation or limit begins or ends. While a record is
open, how long it waits and what it costs grow by themselves: then it is computed at least once an hour.

Dagster is told of the tables as they were found: each is materialized again with the data version that it had, and its
checks say what they said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import uuid4

import dagster as dg
from dagster._core.events import (
    DagsterEvent,
    DagsterEventBatchMetadata,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

from braket_etl.costs.load import is_fresh
from braket_etl.costs.owner_files import not_taken_over
from braket_etl.costs.seed import SEED_FILE
from braket_etl.crew import Crew
from braket_etl.orchestration.due import first_wanted_day
from braket_etl.orchestration.instance import process_tags
from braket_etl.orchestration.resources import CALLER_LOOKUPS, KIND_TAG, OPEN_RECORDS, PUBLISHED
from braket_etl.pull.callers import look_up_callers
from braket_etl.pull.feed import read_feed
from braket_etl.pull.outcome import News, Outcome, refuse_news
from braket_etl.pull.plan import DAY, days_between
from braket_etl.pull.reference import pull_devices, pull_spending_limits
from braket_etl.pull.refresh import refresh
from braket_etl.pull.resources import RESOURCES
from braket_etl.pull.results import read_results
from braket_etl.runtime import Runtime
from braket_etl.settings import Settings
from braket_etl.tables import JOB_EVENTS, MAIN, PRICES
from braket_etl.warehouse import runs, unchanged, unsettled
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.coverage import states_since
from braket_etl.warehouse.door import STEP, let_run_through
from braket_etl.warehouse.publish import publish
from braket_etl.warehouse.results import Results, present
from braket_etl.warehouse.unchanged import DisturbedError, Unchanged, Watched

#: Seconds that a question is asked again while Braket throttles it; then the run that follows has more patience.
_PATIENCE = 10.0
#: What a tick of a schedule may take; Dagster gives it up after 60 seconds.
_TICK_SECONDS = 30.0
#: So long what a whole sync computed is taken to be true of what is open; with an hourly schedule that is each hour.
_OPEN_IS_TRUE = timedelta(minutes=50)
_SYNC = "sync"
#: Whether anything runs up a cost: a job on its instances, a task on a simulator.
_RUNS = (
    "SELECT EXISTS (FROM jobs WHERE NOT is_terminal AND started_at IS NOT NULL) "
    "OR EXISTS (FROM quantum_tasks WHERE status IN ('RUNNING', 'CANCELLING'))"
)
T = TypeVar("T")
_QUIET = "Braket has nothing new, and nothing else is due: what the last whole sync computed is passed over."
_DONE = f'Finished execution of run for "{_SYNC}".'
#: The tables that a run is expected to look at, whatever it finds: those with a freshness policy.
LOOKED_AT = frozenset(
    {
        OPEN_RECORDS,
        PUBLISHED,
        *(table.name for table in MAIN if table.operation and table.name != PRICES.name),
        JOB_EVENTS.name,
    }
)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a sync found that found nothing new: by step, and the sync after which nothing changed."""

    warehouse: Watched
    steps: Mapping[str, Outcome]
    known: Unchanged
    repeated: Sequence[dg.AssetMaterialization | dg.AssetCheckEvaluation]
    """What Dagster is told of the tables."""


def looked(instance: dg.DagsterInstance, runtime: Runtime, run_id: str, known: Unchanged) -> Looked:
    """Ask Braket whether a sync would bring or tell anything; raises News where it would, or where that cannot be told.

    What is stored on the way (how devices stand, that days were searched) is stored for good.
    """
    last = instance.get_run_by_id(known.run_id)
    if last is None or last.status is not dg.DagsterRunStatus.SUCCESS:
        raise News("the last whole sync did not end well")
    repeated = list(_repeated(instance, known))
    warehouse = Watched.of(runtime.warehouse, known)
    try:
        steps = dict(_asked(runtime, warehouse, run_id, known))
    except DisturbedError as error:
        raise News(str(error)) from None
    return Looked(warehouse, steps, known, repeated)


def close_quiet_run(instance: dg.DagsterInstance, runtime: Runtime, run_id: str, found: Looked) -> None:
    """Make a run of it: in etl.runs, which is published, and in Dagster. Raises News, and WarehouseError."""
    try:
        with found.warehouse.writing("publishing") as connection:
            results = Results(connection, STEP)
            for step, outcome in found.steps.items():
                runs.note_step(connection, run_id, _SYNC, step, outcome.summary())
            let_run_through(found.warehouse, connection, run_id, results)
            runs.finish(connection, run_id)
            publish(found.warehouse, connection, group=runtime.settings.group, results=results)
            unchanged.note(found.warehouse, found.known)
    except DisturbedError as error:
        raise News(str(error)) from None
    _begin(instance, run_id, found.known)
    _tell(instance, run_id, found.repeated)
    _report(instance, run_id, [DagsterEvent(DagsterEventType.RUN_SUCCESS.value, _SYNC, message=_DONE)])


def quiet_tick(instance: dg.DagsterInstance, runtime: Runtime) -> str:
    """Why no sync has to run: it would find nothing, which Dagster is told; raises News where one has to."""

    def look(run_id: str) -> Looked:
        found = looked(instance, runtime, run_id, in_order(runtime))
        _publish_what_runs(runtime, found.warehouse)
        _note_again(found.warehouse, found.known)
        return found

    found = _within(runtime, look)
    _tell(instance, RUNLESS_RUN_ID, found.repeated)
    return f"Braket has nothing new since the sync of {found.known.since:%H:%M} UTC, and nothing else is due"


def quiet_poll(runtime: Runtime) -> str:
    """Why no poll of the open records has to run: it was done here and saw nothing new; raises News where it did.

    What was seen is stored. It is published with what comes next, by then each bound of a wait is as true as it was; at
    once where something runs, which has cost more by now.
    """

    def poll(run_id: str) -> Outcome:
        known: Unchanged | None = None
        with suppress(News):
            known = in_order(runtime)
        watched = Watched.of(runtime.warehouse, known) if known else None
        warehouse = watched or runtime.warehouse
        puller = replace(runtime.puller(run_id), warehouse=warehouse, patience=_PATIENCE)
        outcome = refresh(puller, runtime.targets(), only_open=True)
        outcome += pull_devices(puller, runtime.targets(), only_in_use=True)
        _refuse_news(outcome, ())
        _publish_what_runs(runtime, warehouse)
        if watched and known:
            _note_again(watched, known)
        return outcome

    outcome = _within(runtime, poll)
    return f"{outcome.fetched:,} open records were polled: none has changed"


def _publish_what_runs(runtime: Runtime, warehouse: Warehouse) -> None:
    """Let readers see what was seen last, where something runs: it has cost more by now."""
    with warehouse.writing("publishing what runs") as connection:
        if connection.execute(_RUNS).fetchall()[0][0]:
            publish(warehouse, connection, group=runtime.settings.group, results=Results(connection, STEP))


def _note_again(warehouse: Watched, known: Unchanged) -> None:
    """Note that what the last whole sync left still holds; raises DisturbedError where somebody else wrote."""
    with warehouse.locked("noting that nothing is new"):
        warehouse.check_undisturbed()
        unchanged.note(warehouse, known)


def _within(runtime: Runtime, work: Callable[[str], T]) -> T:
    """What `work` gives, told a run's id, in the time that a tick has; raises News where it fails or takes longer.

    A run then does the same, and tells what is wrong.
    """
    run_id = str(uuid4())
    with Crew(1, "looking") as crew:
        try:
            return crew.submit(work, run_id).result(_TICK_SECONDS)
        except News:
            raise
        except TimeoutError:
            raise News("it takes longer than a tick may") from None
        except Exception as error:  # noqa: BLE001 - of any kind: see above
            raise News(str(error)) from None
        finally:
            runtime.forget(run_id)


def note_unchanged(
    context: dg.AssetExecutionContext, runtime: Runtime, connection: Connection, steps: Mapping[str, Any]
) -> None:
    """Note that a sync left everything in order; under the writer lock, right after it published."""
    asked = cast("Any", context.run.run_config).get("ops", {}).get("pull", {}).get("config", {})
    is_whole = not any(asked.get(part) for part in ("accounts", "regions", "is_part", "again"))
    record = context.instance.get_run_record_by_id(context.run_id)
    if context.job_name != _SYNC or not is_whole or record is None or record.start_time is None:
        return
    told = {unchanged.numberless(warning) for step in steps.values() for warning in step.get("warnings", ())}
    began = datetime.fromtimestamp(record.start_time, UTC)
    settings = runtime.settings
    made_with = _made_with(settings)  # first: what changes after the files are compared is another then
    differ = not_taken_over(connection, settings.allocations_file, settings.budgets_file)
    if not {unchanged.numberless(remark) for remark in differ} <= told:
        return  # a file was changed since it was taken over
    known = Unchanged(
        mark="",
        made_with=made_with,
        since=began,
        run_id=context.run_id,
        seen=_seen(connection, began.date()),
        told=tuple(sorted(told)),
    )
    unchanged.note(runtime.warehouse, known)


def in_order(runtime: Runtime) -> Unchanged:
    """The last whole sync, where nothing changed since as far as this machine can tell; else raises News."""
    settings, known = runtime.settings, unchanged.noted(runtime.warehouse)
    if known is None or known.mark != runtime.warehouse.mark():
        raise News("something was stored or published since the last whole sync")
    if known.since.date() != settings.today:
        raise News("it is the first sync of the day")
    if known.made_with != _made_with(settings):
        raise News("the program or its settings are others than those of the last whole sync")
    if not settings.report_file.exists() or settings.report_file.stat().st_mtime < known.since.timestamp():
        raise News("the report is not there")
    if runtime.warehouse.held_back_note():
        raise News("publishing is held back")
    return known


def _made_with(settings: Settings) -> str:
    """What changes when the program or its settings do; where the home lies is nothing that anything is made of."""
    kept = (file for file in (settings.allocations_file, settings.budgets_file) if file.is_file())
    return unchanged.made_with(repr(settings.model_dump(exclude={"home"})), settings.home, SEED_FILE, *kept)


def _asked(
    runtime: Runtime, warehouse: Watched, run_id: str, known: Unchanged
) -> Iterator[tuple[str, Outcome]]:
    """What each step of a sync that only looks finds."""
    settings, targets = runtime.settings, runtime.targets()
    puller = replace(runtime.puller(run_id), warehouse=warehouse, only_looks=True, patience=_PATIENCE)
    if datetime.now(UTC) - known.since >= _OPEN_IS_TRUE:
        with warehouse.writing("looking what is open") as connection:
            if any(unsettled.open_records(connection, resource.table) for resource in RESOURCES):
                raise News(f"something is open, and what is told of it is of {known.since:%H:%M} UTC")

    def quiet(step: str, outcome: Outcome) -> tuple[str, Outcome]:
        _refuse_news(outcome, known.told)
        return step, outcome

    if settings.price_list != "off" and not is_fresh(warehouse):
        raise News("the price list is to be read")
    yield "prices", Outcome()
    days = days_between(first_wanted_day(runtime), settings.today)
    yield quiet("pull", puller.pull_days(targets, RESOURCES, days, only_due=True))
    if settings.results != "off":
        yield quiet("task_results", read_results(warehouse, runtime.sessions, runtime.chosen_accounts()))
    yield quiet("devices", pull_devices(puller, targets))
    yield quiet("spending_limits", pull_spending_limits(puller, targets))
    if settings.events:
        yield quiet(
            "state_change_events",
            read_feed(
                warehouse,
                runtime.sessions,
                runtime.accounts[0],
                settings.events,
                run_id,
                naming=runtime.naming,
                redactor=puller.redactor,
            ),
        )
    if (naming := runtime.naming) is not None:
        yield quiet(CALLER_LOOKUPS, look_up_callers(puller, targets, naming, seconds=_PATIENCE))
    with warehouse.writing("looking at days") as connection:
        if _seen(connection, known.since.date()) != known.seen:
            raise News("a day, a device, a spending limit or a reservation stands otherwise than it did")
    # last, so that what any of the others finds costs no request twice
    yield quiet("open_records", refresh(puller, targets, only_open=False))


def _seen(connection: Connection, today: date) -> str:
    """What changes though no record does: how yesterday and today, devices, limits and reservations stand."""
    seen = f"{states_since(connection, today - DAY)} {present(connection)}"
    return hashlib.sha256(seen.encode()).hexdigest()


def _refuse_news(outcome: Outcome, told: Collection[str]) -> None:
    """Raise News where a step found something that is stored, or has something to tell that was not told before."""
    for problem in outcome.problems:
        raise News(str(problem))
    for warning in outcome.warnings:
        if unchanged.numberless(warning) not in told:
            raise News(warning)
    refuse_news(outcome)


def _repeated(
    instance: dg.DagsterInstance, known: Unchanged
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """What the last whole sync told of the tables that were looked at; raises News where something could not be computed.

    With the data version of then, nothing that is made of them is out of date.
    """
    kinds = {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_CHECK_EVALUATION}
    since = {"unchanged_since": dg.MetadataValue.timestamp(known.since)}
    for entry in instance.all_logs(known.run_id, of_type=kinds):
        told = entry.get_dagster_event().event_specific_data
        if isinstance(told, StepMaterializationData):
            last = told.materialization
            if last.asset_key.path[-1] in LOOKED_AT and last.partition is None:
                yield dg.AssetMaterialization(last.asset_key, metadata=since, tags=last.tags)
        elif isinstance(told, dg.AssetCheckEvaluation):
            if told.check_name == "computes" and not told.passed:
                raise News(f"{told.asset_key.path[-1]} could not be computed")
            if told.asset_key.path[-1] in LOOKED_AT:
                yield dg.AssetCheckEvaluation(
                    told.asset_key,
                    told.check_name,
                    told.passed,
                    {**told.metadata, **since},
                    severity=told.severity,
                    description=told.description,
                    blocking=told.blocking,
                )


def _begin(instance: dg.DagsterInstance, run_id: str, known: Unchanged) -> None:
    """A run of this process, with the graph of the last whole sync, whose steps it passes over."""
    last = instance.get_run_by_id(known.run_id)
    run = dg.DagsterRun(
        _SYNC,
        run_id,
        tags={KIND_TAG: _SYNC, **process_tags(run_id)},
        job_snapshot_id=last.job_snapshot_id if last else None,
        execution_plan_snapshot_id=last.execution_plan_snapshot_id if last else None,
    )
    instance.run_storage.add_run(run)
    _report(instance, run_id, [DagsterEvent(DagsterEventType.RUN_START.value, _SYNC, message=_QUIET)])


def _tell(
    instance: dg.DagsterInstance,
    run_id: str,
    told: Sequence[dg.AssetMaterialization | dg.AssetCheckEvaluation],
) -> None:
    """Tell Dagster of tables and checks; with RUNLESS_RUN_ID outside any run."""
    job = _SYNC if run_id else RUNLESS_JOB_NAME
    _report(
        instance,
        run_id,
        [
            DagsterEvent(
                DagsterEventType.ASSET_MATERIALIZATION.value,
                job,
                event_specific_data=StepMaterializationData(each),
            )
            if isinstance(each, dg.AssetMaterialization)
            else DagsterEvent(DagsterEventType.ASSET_CHECK_EVALUATION.value, job, event_specific_data=each)
            for each in told
        ],
    )


def _report(instance: dg.DagsterInstance, run_id: str, events: Sequence[DagsterEvent]) -> None:
    batch = str(uuid4())
    for n, event in enumerate(events, 1):
        instance.report_dagster_event(
            event, run_id, batch_metadata=DagsterEventBatchMetadata(batch, n == len(events))
        )
