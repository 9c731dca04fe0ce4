"""Asset checks. Only a check of corruption blocks what comes after it; completeness and availability never do."""

import dagster as dg

from braket_etl.costs import checks as costs
from braket_etl.orchestration.resources import RuntimeResource
from braket_etl.tables import JOB_EVENTS, JOBS, QUANTUM_TASKS
from braket_etl.tables.declaration import Table


def unique_key_check(table: Table) -> dg.AssetChecksDefinition:
    """No key stands twice: there is no index that would refuse it."""
    keys = ", ".join(table.key)

    @dg.asset_check(
        name="unique_key",
        asset=table.name,
        blocking=True,
        description=f"One row for each {keys}",
    )
    def check(runtime: RuntimeResource) -> dg.AssetCheckResult:
        with runtime.warehouse.writing(f"checking {table.name}") as connection:
            doubled = connection.execute(
                f"SELECT count(*) FROM (SELECT {keys} FROM {table.qualified_name} GROUP BY ALL HAVING count(*) > 1)"
            ).fetchall()[0][0]
        return dg.AssetCheckResult(passed=doubled == 0, metadata={"keys_with_several_rows": doubled})

    return check


def cost_check(check: costs.CostCheck) -> dg.AssetChecksDefinition:
    """One of the questions to ask before the costs are believed; it never blocks."""

    @dg.asset_check(name=check.name, asset=check.model, description=check.description)
    def run(runtime: RuntimeResource) -> dg.AssetCheckResult:
        with runtime.warehouse.writing(f"checking {check.model}") as connection:
            finding = costs.run_check(connection, check)
        severity = dg.AssetCheckSeverity.ERROR if check.is_error else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(
            passed=finding.passed,
            severity=severity,
            description=finding.summary,
            metadata=dict(finding.metadata),
        )

    return run


CHECKS = [
    *(unique_key_check(table) for table in (QUANTUM_TASKS, JOBS, JOB_EVENTS)),
    *(cost_check(check) for check in costs.CHECKS),
]
