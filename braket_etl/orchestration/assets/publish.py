"""The asset that ends every run: the copy of the warehouse that analysts open."""

import dagster as dg

from braket_etl.orchestration.assets.common import OPEN_RECORDS, OWNERS
from braket_etl.orchestration.assets.models import STATISTICS
from braket_etl.orchestration.resources import RuntimeResource
from braket_etl.tables import DEVICE_OBSERVATIONS, JOB_OBSERVATIONS, SPENDING_LIMITS, TASK_OBSERVATIONS
from braket_etl.warehouse import runs
from braket_etl.warehouse.models import models
from braket_etl.warehouse.publish import publish

PUBLISHED = "published_warehouse"


@dg.asset(
    name=PUBLISHED,
    description="The copy of the warehouse that analysts open, replaced as a whole after each run.",
    group_name="publish",
    kinds={"duckdb"},
    owners=OWNERS,
    deps=[
        OPEN_RECORDS,
        TASK_OBSERVATIONS.name,
        JOB_OBSERVATIONS.name,
        DEVICE_OBSERVATIONS.name,
        SPENDING_LIMITS.name,
        *STATISTICS,
        *(model.name for model in models()),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "everything_was_reached",
            asset=PUBLISHED,
            description="Every Region and account could be searched, and every listed record is stored or rejected",
            blocking=True,
        )
    ],
)
def published_warehouse(context: dg.AssetExecutionContext, runtime: RuntimeResource) -> dg.MaterializeResult:
    """Close the run's row, publish, and only then let the run fail for what could not be had."""
    with runtime.warehouse.writing("publishing") as connection:
        verdict = runs.finish(connection, context.run_id)
        steps = runs.run_summary(connection, context.run_id) or {}
        counts = publish(runtime.warehouse, connection, group=runtime.settings.group)
    problems = [problem for step in steps.values() for problem in step.get("problems", ())]
    for problem in problems:
        context.log.error(problem)
    reached = dg.AssetCheckResult(
        check_name="everything_was_reached",
        passed=verdict != "failure",
        metadata={"problems": dg.MetadataValue.md("\n".join(f"- `{p}`" for p in problems) or "none")},
    )
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(runtime.warehouse.published),
            "megabytes": round(runtime.warehouse.published.stat().st_size / 1e6, 1),
            **{f"rows/{table}": n for table, n in counts.items()},
        },
        check_results=[reached],
    )
