"""The assets that end every run: the copy of the warehouse that analysts open, and the report made from it."""

from collections.abc import Iterator

import dagster as dg

from braket_etl.analysis.stored import STATISTICS
from braket_etl.orchestration.assets.common import FRESHNESS, OWNERS, under_own_keys
from braket_etl.orchestration.assets.report import RENDERS, REPORT, made_report, report_spec
from braket_etl.orchestration.quiet import note_unchanged
from braket_etl.orchestration.resources import OPEN_RECORDS, PUBLISHED, RuntimeResource
from braket_etl.runtime import Runtime
from braket_etl.tables import DEVICE_OBSERVATIONS, JOB_OBSERVATIONS, SPENDING_LIMITS, TASK_OBSERVATIONS
from braket_etl.warehouse import runs
from braket_etl.warehouse.door import STEP, let_run_through
from braket_etl.warehouse.models import models
from braket_etl.warehouse.publish import publish
from braket_etl.warehouse.results import Results

_PUBLISHED_SPEC = dg.AssetSpec(
    PUBLISHED,
    description="The copy of the warehouse that analysts open, replaced as a whole after each run.",
    group_name="publish",
    kinds={"duckdb"},
    owners=OWNERS,
    freshness_policy=FRESHNESS,
    deps=[
        OPEN_RECORDS,
        TASK_OBSERVATIONS.name,
        JOB_OBSERVATIONS.name,
        DEVICE_OBSERVATIONS.name,
        SPENDING_LIMITS.name,
        *STATISTICS,
        *(model.name for model in models()),
    ],
)


@dg.multi_asset(
    name=PUBLISHED,
    specs=[_PUBLISHED_SPEC, report_spec(PUBLISHED)],
    check_specs=[
        dg.AssetCheckSpec(
            "everything_was_reached",
            asset=PUBLISHED,
            description="Every Region and account could be searched, and every listed record is stored or rejected",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            "copy_equals_writer",
            asset=PUBLISHED,
            description="Every table of the copy, opened where analysts open it, has as many rows as the writer's",
        ),
        RENDERS,
    ],
    can_subset=True,
)
@under_own_keys
def published_warehouse(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Publish, then report; only then a run fails for what could not be had."""
    selected = {key.path[-1] for key in context.selected_asset_keys}
    if PUBLISHED in selected:
        yield _published(context, runtime)
    if REPORT in selected:
        yield made_report(context, runtime)


def _published(context: dg.AssetExecutionContext, runtime: Runtime) -> dg.MaterializeResult:
    """Close the run's row and publish."""
    with runtime.warehouse.writing("publishing") as connection:
        results = Results(connection, STEP)
        let_run_through(runtime.warehouse, connection, context.run_id, results)
        verdict = runs.finish(connection, context.run_id)
        steps = runs.run_summary(connection, context.run_id) or {}
        counts = publish(runtime.warehouse, connection, group=runtime.settings.group, results=results)
        unequal = runtime.warehouse.differences(connection)
        if verdict != "failure" and not unequal:
            note_unchanged(context, runtime, connection, steps)
    problems = runs.problems_of(steps.values())
    for problem in problems:
        context.log.error(problem)
    reached = dg.AssetCheckResult(
        asset_key=PUBLISHED,
        check_name="everything_was_reached",
        passed=verdict != "failure",
        metadata={"problems": dg.MetadataValue.md("\n".join(f"- `{p}`" for p in problems) or "none")},
    )
    equal = dg.AssetCheckResult(
        asset_key=PUBLISHED,
        check_name="copy_equals_writer",
        passed=not unequal,
        metadata={
            table: f"{written} written, {copied} in the copy" for table, (written, copied) in unequal.items()
        },
    )
    return dg.MaterializeResult(
        asset_key=PUBLISHED,
        metadata={
            "path": dg.MetadataValue.path(runtime.warehouse.place),
            "megabytes": round(runtime.warehouse.size / 1e6, 1),
            **{f"rows/{table}": n for table, n in counts.items()},
        },
        check_results=[reached, equal],
    )
