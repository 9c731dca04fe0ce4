"""`backfill --arn`: get named tasks and jobs afresh, whatever is stored of them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from braket_etl.cli.output import fail, is_quiet, show_table, warn
from braket_etl.cli.rejects import check_credentials
from braket_etl.orchestration.outside_dagster import close_run, open_run, publishing_when_stopped
from braket_etl.pull.rejects import get_again, operation_of, plan_gets
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError

_KIND = "backfill"


def run_again(arns: Sequence[str], *, as_json: bool) -> int:
    """Get the records and publish; 1 where one could not be had."""
    if unknown := [arn for arn in arns if operation_of(arn) is None]:
        raise SettingsError(f"no ARN of a quantum task or hybrid job: {', '.join(unknown)}")
    runtime = Runtime()
    plan = plan_gets(runtime.warehouse, runtime.sessions, list(dict.fromkeys(arns)))
    check_credentials(runtime, plan)
    run_id = open_run(runtime.warehouse, _KIND)
    warehouse, group = runtime.warehouse, runtime.settings.group
    with publishing_when_stopped(warehouse, run_id, group=group):
        outcome = get_again(runtime.puller(run_id), plan)
        close_run(warehouse, run_id, _KIND, outcome, group=group)
    not_had = len(set(arns)) - outcome.fetched
    if as_json:
        code = 1 if not_had else 0
        print(json.dumps({"run_id": run_id, "exit_code": code, "outcome": outcome.summary()}))
    elif not is_quiet():
        rows = [[table, c.new, c.changed, c.unchanged] for table, c in sorted(outcome.counts.items())]
        show_table("", ["table", "new", "changed", "unchanged"], rows)
    for warning in outcome.warnings:
        warn(warning)
    for problem in outcome.problems:
        fail(str(problem))
    if not_had:
        fail(f"{not_had} of {len(set(arns))} records could not be had; what is stored of them stays")
    return 1 if not_had else 0
