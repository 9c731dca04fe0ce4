"""`sync` and `backfill`: Dagster runs in this process, with progress, and what came of them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from braket_etl.aws.errors import AwsProblem, BadConfiguration, MissingCredentials
from braket_etl.cli.output import err, fail, is_quiet, say, show_table, warn
from braket_etl.pull.pull import Progress as PullProgress
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.tables import MAIN
from braket_etl.warehouse import runs
from braket_etl.warehouse.errors import WarehouseError
from braket_etl.warehouse.publish import check_target, publish


def run_sync(accounts: Sequence[str], *, as_json: bool) -> int:
    """Pull what is due."""
    from braket_etl.orchestration.due import due_range

    runtime = _checked(Runtime())
    first, last = due_range(runtime, runtime.targets(accounts))
    return run_job(runtime, "sync", first, last, accounts, as_json=as_json)


def run_backfill(first: date, last: date, accounts: Sequence[str], *, as_json: bool) -> int:
    """Search the days again, both ends in."""
    from braket_etl.orchestration.partitions import LAUNCH

    runtime = _checked(Runtime())
    today = datetime.now(UTC).date()
    if last < first:
        raise SettingsError(f"--to {last} is before --from {first}")
    if first < date.fromisoformat(LAUNCH):
        raise SettingsError(f"--from {first} is before Amazon Braket began, {LAUNCH}")
    if last > today:
        raise SettingsError(f"--to {last} has not begun yet; today is {today} in UTC")
    return run_job(runtime, "backfill", first, last, accounts, as_json=as_json)


def run_job(
    runtime: Runtime, name: str, first: date, last: date, accounts: Sequence[str], *, as_json: bool = False
) -> int:
    """Run a job for a range of days as a Dagster run of this process; its exit code."""
    from braket_etl.orchestration.build import build_defs
    from braket_etl.orchestration.instance import ready_instance
    from braket_etl.orchestration.resources import HOST_TAG, KIND_TAG, PID_TAG
    from braket_etl.orchestration.schedules import RANGE_END, RANGE_START

    tags = {
        RANGE_START: first.isoformat(),
        RANGE_END: last.isoformat(),
        KIND_TAG: name,
        HOST_TAG: socket.gethostname(),
        PID_TAG: str(os.getpid()),
    }
    ours = {"accounts": list(accounts)}
    config: dict[str, Any] = {
        "ops": {
            "pull": {"config": {**ours, "only_due": name == "sync"}},
            "refresh_open_records": {"config": ours},
            "read_task_results": {"config": ours},
        },
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},  # this module tells the user itself
    }
    instance = ready_instance(runtime.settings)
    with runtime.warehouse.writing("closing dead runs") as connection:
        runs.close_dead_runs(connection)
    with _progress(runtime, f"{name} {first} to {last}"):
        result = (
            build_defs(runtime=runtime)
            .resolve_job_def(name)
            .execute_in_process(run_config=config, instance=instance, tags=tags, raise_on_error=False)
        )
    return _told(runtime, result, as_json=as_json)


def _checked(runtime: Runtime) -> Runtime:
    """The runtime, where at least one account has credentials; raises what makes a run pointless."""
    runtime.targets()
    try:
        check_target(runtime.settings.published_warehouse)
    except WarehouseError as error:
        raise SettingsError(str(error)) from None
    useless: list[AwsProblem] = []
    for account in runtime.accounts:
        try:
            runtime.sessions.check_credentials(account)
        except (MissingCredentials, BadConfiguration) as problem:
            useless.append(problem)
        except AwsProblem:
            continue  # it may pass; the run names every account and Region that stays out of reach
    if len(useless) == len(runtime.accounts):
        raise useless[0]
    return runtime


@contextmanager
def _progress(runtime: Runtime, title: str) -> Iterator[None]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.speed}"),
        TimeRemainingColumn(),
    )
    if is_quiet() or not err.is_terminal:
        yield
        return
    with Progress(*columns[:4], columns[5], console=err, transient=True) as bar:
        task = bar.add_task(title, total=None)
        expected = 0

        def expect(more: int) -> None:
            nonlocal expected
            expected += more
            bar.update(task, total=expected or None, description=f"{title}: records")

        runtime.progress = PullProgress(expect, lambda done: bar.advance(task, done))
        yield


def _told(runtime: Runtime, result: Any, *, as_json: bool) -> int:
    """Say what came of a run; its exit code."""
    steps = _published_steps(runtime, result.run_id)
    if _was_interrupted(result):
        raise KeyboardInterrupt
    problems = [text for step in steps.values() for text in step["problems"]]
    warnings = [text for step in steps.values() for text in step["warnings"]]
    rejected = sum(step["rejected"] for step in steps.values())
    drift = sum(step["drift"] for step in steps.values())
    failures = [
        event
        for event in result.get_step_failure_events()
        if event.step_key != "published_warehouse" or not problems
    ]
    code = 1 if problems or failures else 0
    if as_json:
        print(json.dumps({"run_id": result.run_id, "exit_code": code, "steps": steps}))
    elif not is_quiet():
        _show_rows(steps)
    if rejected:
        warn(f"{rejected} responses could not become a row: `braket-etl rejects list` shows them")
    if drift:
        warn(
            f"{drift} members or values of the API are new to this version; they are stored, see etl.schema_drift"
        )
    for text in warnings:
        warn(text)
    for text in problems:
        fail(text)
    for event in failures:
        fail(_first_line(event))
    if not as_json:
        say(f"published {runtime.warehouse.published}")
    return code


def _published_steps(runtime: Runtime, run_id: str) -> dict[str, Any]:
    """What the steps of a run did; a run that was stopped before it published is published now."""
    with suppress(WarehouseError), runtime.warehouse.reading() as connection:
        steps = runs.run_summary(connection, run_id)
        if steps is not None and runs.has_ended(connection, run_id):
            return steps
    with runtime.warehouse.writing("publishing what came") as connection:
        runs.close(connection, run_id, "failure")
        publish(runtime.warehouse, connection, group=runtime.settings.group)
        return runs.run_summary(connection, run_id) or {}


def _first_line(event: Any) -> str:
    """What went wrong in a step, by the innermost error."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {error.message.strip().splitlines()[0]}" if error else str(event.step_key)


def _was_interrupted(result: Any) -> bool:
    """Whether Ctrl-C ended the run: Dagster makes a failed step of it."""
    names = set()
    for event in result.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None:
            names.add(error.cls_name)
            if (
                "interrupted" in error.message.lower()
            ):  # in the middle of a query DuckDB says it in its own words
                return True
            error = error.cause
    return bool(names & {"KeyboardInterrupt", "DagsterExecutionInterruptedError", "InterruptException"})


def _show_rows(steps: dict[str, Any]) -> None:
    rows = []
    for table in MAIN:
        found = [step["rows"][table.name] for step in steps.values() if table.name in step["rows"]]
        if found:
            rows.append(
                [table.name, *(sum(part[what] for part in found) for what in ("new", "changed", "unchanged"))]
            )
    show_table("", ["table", "new", "changed", "unchanged"], rows)
