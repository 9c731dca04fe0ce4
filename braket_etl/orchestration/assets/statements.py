"""The statements of a month that has ended, a page a key of the settings, kept as they are where the settings say so."""

import re
import shutil
from calendar import monthrange
from datetime import date
from pathlib import Path

import dagster as dg

from braket_etl.orchestration.assets.common import OWNERS
from braket_etl.orchestration.partitions import MONTHS
from braket_etl.orchestration.resources import PUBLISHED, RuntimeResource
from braket_etl.report.statement import Period, Statement, close_statement, page, statement
from braket_etl.runtime import Runtime
from braket_etl.warehouse.connection import replaced_atomically
from braket_etl.warehouse.publish import publish

STATEMENTS = "statements"


@dg.asset(
    name=STATEMENTS,
    partitions_def=MONTHS,
    deps=[PUBLISHED],
    group_name="publish",
    kinds={"html", "python"},
    owners=OWNERS,
    description="The statements of a month by the keys of BRAKET_ETL_STATEMENTS, as pages in a folder of the home.",
)
def statements(context: dg.AssetExecutionContext, runtime: RuntimeResource) -> dg.MaterializeResult:
    """Make the month's pages; raises StatementError where one is to be closed and cannot be."""
    first = date.fromisoformat(context.partition_key)
    period = Period(first, first.replace(day=monthrange(first.year, first.month)[1]))
    made = [_made(runtime, key, period) for key in runtime.settings.statements]
    files = [_written(runtime, each) for each in made]
    return dg.MaterializeResult(
        metadata={
            "files": dg.MetadataValue.json([str(file) for file in files]),
            **{f"usd/{each.key}": float(each.total_usd) for each in made},
            **{f"corrected_usd/{each.key}": float(each.corrected_usd) for each in made},
        }
    )


def _made(runtime: Runtime, key: str, period: Period) -> Statement:
    if not runtime.settings.close_statements:
        with runtime.warehouse.reading() as connection:
            return statement(connection, key, period)
    with runtime.warehouse.writing("closing a statement") as connection:
        made = statement(connection, key, period)
        if not made.is_somebodys:
            return made
        made = close_statement(connection, key, period)
        publish(runtime.warehouse, connection, group=runtime.settings.group)
        return made


def _written(runtime: Runtime, made: Statement) -> Path:
    """The page's file, named by month and key; whoever may read the copy may read it."""
    folder, group = runtime.settings.home / STATEMENTS, runtime.settings.group
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{made.period.first:%Y-%m}-{re.sub(r'[^A-Za-z0-9._-]', '_', made.key)}.html"
    replaced_atomically(file, page(made), mode=0o640 if group else 0o600)
    if group:
        for path, mode in ((folder, 0o750), (file, 0o640)):
            shutil.chown(path, group=group)
            path.chmod(mode)
    return file
