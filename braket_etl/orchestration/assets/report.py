"""The report that lies beside the published copy, made from it by the step that publishes.

In a step of its own it would be skipped whenever a Region could not be reached: that check fails what comes after it.
"""

import dagster as dg

from braket_etl.orchestration.assets.common import OWNERS, is_routine
from braket_etl.report.page import write_report
from braket_etl.runtime import Runtime

REPORT = "report"

RENDERS = dg.AssetCheckSpec(
    "renders", asset=REPORT, description="The report could be made; if not, the last one stays"
)


def report_spec(published: str) -> dg.AssetSpec:
    """The asset of the report."""
    return dg.AssetSpec(
        REPORT,
        description="One HTML file of costs, waits and failures over the last 90 days, with the SQL behind every number.",
        group_name="publish",
        kinds={"html", "python"},
        owners=OWNERS,
        deps=[published],
    )


def made_report(context: dg.AssetExecutionContext, runtime: Runtime) -> dg.MaterializeResult:
    """Write the report; one that cannot be made is a warning, for the data are published."""
    target = runtime.settings.report_file
    error = ""
    try:
        write_report(
            runtime.warehouse, target, group=runtime.settings.group, anew=not is_routine(context.run)
        )
    except Exception as problem:  # noqa: BLE001 - of any kind: see above
        error = str(problem)
        context.log.warning(f"the report could not be made: {error}")
    return dg.MaterializeResult(
        asset_key=REPORT,
        metadata={
            "path": dg.MetadataValue.path(target),
            "megabytes": round(target.stat().st_size / 1e6, 2) if target.exists() else 0.0,
        },
        check_results=[
            dg.AssetCheckResult(
                asset_key=REPORT,
                check_name=RENDERS.name,
                passed=not error,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"error": error} if error else {},
            )
        ],
    )
