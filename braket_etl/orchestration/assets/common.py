"""What the assets share: how a table becomes an asset, and how a step tells what it did."""

import functools
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from braket_etl.facts import STALE
from braket_etl.orchestration import metadata
from braket_etl.orchestration.instance import run_process
from braket_etl.orchestration.resources import KIND_TAG, ROUTINE_TAG, own_key
from braket_etl.pull.outcome import Outcome
from braket_etl.runtime import Runtime
from braket_etl.tables.declaration import Table
from braket_etl.warehouse import runs
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.results import Results
from braket_etl.warehouse.upsert import Counts

OWNERS = ["team:platform"]
#: A sync runs every hour: three that brought nothing want a look, a day without one is a failure.
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=STALE, warn_window=timedelta(hours=3))


#: Jobs that repeat by themselves. Whoever runs something else wants it computed.
_ROUTINE = frozenset({"sync", "observe"})


def is_routine(run: dg.DagsterRun) -> bool:
    """Whether a run may answer with what an earlier one made, where nothing has changed since."""
    return run.job_name in _ROUTINE or ROUTINE_TAG in run.tags


def under_own_keys(step: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """The step; its results, told by the names of their assets, bear the keys that these have in the project."""

    @functools.wraps(step)
    def told(context: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for each in step(context, *args, **kwargs):
            if not isinstance(each, dg.MaterializeResult) or each.asset_key is None:
                yield each
                continue
            key = own_key(context, each.asset_key.path[-1])
            checks = [one._replace(asset_key=key) for one in each.check_results or ()]
            yield each._replace(asset_key=key, check_results=checks)

    return told


def results_of(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, connection: Connection, step: str
) -> Results:
    """The last results of a step."""
    return Results(connection, step, anew=not is_routine(context.run))


def source_spec(table: Table, deps: Sequence[str] = ()) -> dg.AssetSpec:
    """The asset of a table that is filled from the Braket API."""
    return dg.AssetSpec(
        table.name,
        description=table.description,
        group_name="source",
        kinds={"aws", "duckdb"},
        owners=OWNERS,
        deps=deps,
        metadata=metadata.table_metadata(table),
        freshness_policy=FRESHNESS,
    )


def reference_spec(table: Table, deps: Sequence[str] = ()) -> dg.AssetSpec:
    """The asset of a table that gives records their context."""
    return source_spec(table, deps).replace_attributes(group_name="reference")


def result_of(table: Table, outcome: Outcome) -> dg.MaterializeResult:
    """What a step did with a table, for its asset."""
    counts = outcome.counts.get(table.name, Counts())
    return dg.MaterializeResult(asset_key=table.name, metadata=metadata.count_metadata(counts, outcome))


def note(context: dg.AssetExecutionContext, runtime: Runtime, step: str, outcome: Outcome) -> None:
    """Write what a step did to etl.runs and to the run's log."""
    with runtime.warehouse.writing("noting a step") as connection:
        note_in(connection, context, runtime, step, outcome)


def note_in(
    connection: Connection, context: dg.AssetExecutionContext, runtime: Runtime, step: str, outcome: Outcome
) -> None:
    """The same, where the warehouse is open already."""
    kind = context.run.tags.get(KIND_TAG, context.job_name)
    process = run_process(context.run, runtime.settings)
    runs.note_step(connection, context.run_id, kind, step, outcome.summary(), process=process)
    for problem, times in outcome.problems.items():
        context.log.error(f"{problem}{f' ({times} times)' if times > 1 else ''}")
    for warning in outcome.warnings:
        context.log.warning(warning)


def problems_metadata(outcome: Outcome) -> dict[str, dg.MetadataValue]:
    """The problems of a step as a list, where there are any."""
    if not outcome.problems:
        return {}
    return {"problems": dg.MetadataValue.md("\n".join(f"- `{problem}`" for problem in outcome.problems))}
