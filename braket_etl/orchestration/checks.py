"""Asset checks: those of sql/checks, asked in two steps so that each opens the file once.

Only a key that stands twice holds back what comes after it (see `warehouse.checks`): completeness, drift, prices and
sums are shown beside what is right. The published copy has its checks in the step that publishes. In a sync, a check
whose tables have not changed answers with what it found last; a check that someone runs is always asked.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from braket_etl.orchestration.assets import OPEN_RECORDS
from braket_etl.orchestration.assets.common import results_of
from braket_etl.orchestration.resources import RuntimeResource
from braket_etl.pull.moved import unite_moved
from braket_etl.tables import JOBS, QUANTUM_TASKS
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.checks import (
    Check,
    CheckResult,
    Rows,
    blocking_checks,
    last_or_new,
    model_checks,
    record_checks,
)
from braket_etl.warehouse.coverage import places_not_whole
from braket_etl.warehouse.door import STEP, let_run_through
from braket_etl.warehouse.results import Results
from braket_etl.warehouse.settled import settle

YESTERDAY = "yesterday_is_present"
#: Tables whose assets are partitioned by day of creation and searched by day.
_BY_DAY = (QUANTUM_TASKS, JOBS)


def spec_of(check: Check) -> dg.AssetCheckSpec:
    """The asset check of a question; those of records wait for the refresh, which writes to the same tables."""
    after = [OPEN_RECORDS] if check in record_checks() and check.table != OPEN_RECORDS else []
    return dg.AssetCheckSpec(
        check.name,
        asset=check.table,
        description=check.description,
        blocking=check.is_blocking,
        additional_deps=after,
    )


def yesterday_spec(table: Table) -> dg.AssetCheckSpec:
    """The asset check that looks at one partition, yesterday's."""
    return dg.AssetCheckSpec(
        YESTERDAY,
        asset=table.name,
        description="Yesterday (UTC) is whole in every account and Region that is wanted, once it has been over for an hour",
        additional_deps=[OPEN_RECORDS],
    )


def _selected(context: dg.AssetCheckExecutionContext) -> set[dg.AssetCheckKey]:
    """The checks that are asked for, by the names of their assets alone: a project may have put a prefix before them."""
    return {
        dg.AssetCheckKey(dg.AssetKey(key.asset_key.path[-1]), key.name)
        for key in context.selected_asset_check_keys
    }


def _under_own_keys(
    step: Callable[..., Iterator[dg.AssetCheckResult]],
) -> Callable[..., Iterator[dg.AssetCheckResult]]:
    """The step; its results bear the keys that their assets have in the project."""

    @functools.wraps(step)
    def told(
        context: dg.AssetCheckExecutionContext, *args: Any, **kwargs: Any
    ) -> Iterator[dg.AssetCheckResult]:
        keys = {key.asset_key.path[-1]: key.asset_key for key in context.selected_asset_check_keys}
        for each in step(context, *args, **kwargs):
            yield each._replace(asset_key=keys[each.asset_key.path[-1]]) if each.asset_key else each

    return told


@dg.multi_asset_check(
    name="check_records",
    specs=[*map(spec_of, record_checks()), *map(yesterday_spec, _BY_DAY)],
    can_subset=True,
)
@_under_own_keys
def check_records(
    context: dg.AssetCheckExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.AssetCheckResult]:
    """Look at what was pulled and refreshed, before anything is made of it; fails where that may not be published."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    selected = _selected(context)
    with runtime.warehouse.writing("checking records") as connection:
        results = results_of(context, connection, STEP)
        known: Rows = {}
        if moved := unite_moved(runtime.warehouse, connection, results, context.run.run_id, known):
            context.log.info(f"{len(moved):,} records moved to another time of creation: {moved[0].arn}")
        yield from _asked(results, record_checks(), selected, known)
        for table in _BY_DAY:
            if dg.AssetCheckKey(dg.AssetKey(table.name), YESTERDAY) in selected:
                missing = places_not_whole(connection, table.name, yesterday)
                yield dg.AssetCheckResult(
                    asset_key=table.name,
                    check_name=YESTERDAY,
                    passed=not missing,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"day": yesterday.isoformat(), "missing": "\n".join(missing)},
                )
        if any(_key_of(check) in selected for check in blocking_checks()):
            # no later step closes the run of one that is refused
            let_run_through(runtime.warehouse, connection, context.run.run_id, results)


@dg.multi_asset_check(name="check_models", specs=[*map(spec_of, model_checks())], can_subset=True)
@_under_own_keys
def check_models(
    context: dg.AssetCheckExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.AssetCheckResult]:
    """Look at waits and costs before they are believed."""
    with runtime.warehouse.writing("checking models") as connection:
        settle(connection)
        results = results_of(context, connection, "check_models")
        yield from _asked(results, model_checks(), _selected(context), {})


def _asked(
    results: Results, checks: Sequence[Check], selected: set[dg.AssetCheckKey], known: Rows
) -> Iterator[dg.AssetCheckResult]:
    for check in checks:
        if _key_of(check) in selected:
            yield _result_of(*last_or_new(results, check, known), results.contents.has_many)
    results.save(results.connection)


def _key_of(check: Check) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(check.table), check.name)


def _result_of(finding: CheckResult, found_at: datetime | None, has_many: bool) -> dg.AssetCheckResult:
    """The finding for Dagster; `found_at` where it was found by an earlier run and nothing has changed since.

    Where many records are stored, a daily check only says when it was asked.
    """
    check = finding.check
    since = "asked_at" if check.is_daily and has_many else "unchanged_since"
    unchanged = {} if found_at is None else {since: dg.MetadataValue.timestamp(found_at)}
    return dg.AssetCheckResult(
        asset_key=check.table,
        check_name=check.name,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.is_error else dg.AssetCheckSeverity.WARN,
        description=finding.summary,
        metadata={**finding.metadata, **unchanged},
    )


CHECKS = [check_records, check_models]
