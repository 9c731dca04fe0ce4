"""`sync` and `backfill`: Dagster runs in this process or in the daemon, with progress, and what came of them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from braket_etl import holdups, stopping
from braket_etl.aws.errors import AwsProblem, BadConfiguration, MissingCredentials
from braket_etl.cli.output import err, fail, is_quiet, printable, say, show_table, warn
from braket_etl.orchestration.outside_dagster import publish_what_came, publishing_when_stopped, what_came
from braket_etl.pull.outcome import News
from braket_etl.pull.puller import Progress as PullProgress
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.tables import MAIN
from braket_etl.warehouse import runs
from braket_etl.warehouse.door import held_back, refusal
from braket_etl.warehouse.errors import HeldBackError, WarehouseError
from braket_etl.warehouse.publish import check_group

if TYPE_CHECKING:  # Dagster takes most of a second to load
    from dagster import DagsterEvent, DagsterInstance

    from braket_etl.orchestration.backfill import Backfill


#: How often a run looks whether it was terminated in the UI.
_GLANCE_SECONDS = 2
#: After so long without a record the progress bar says what is waited for.
_STILL_SECONDS = 2.0


def run_sync(accounts: Sequence[str], *, is_part: bool, as_json: bool) -> int:
    """Pull what is due; `is_part` where flags narrow the settings for this run."""
    from braket_etl.orchestration.due import due_range

    runtime = _checked(Runtime())
    if not accounts and not is_part:
        with suppress(News):
            return _quiet_sync(runtime, as_json=as_json)
    first, last = due_range(runtime, runtime.targets(accounts))
    return run_job(runtime, "sync", first, last, accounts, is_part=is_part, as_json=as_json)


def _quiet_sync(runtime: Runtime, *, as_json: bool) -> int:
    """Ask whether there is anything new; the exit code where there is not. Raises News where a whole run is due."""
    from braket_etl.orchestration.instance import ready_instance
    from braket_etl.orchestration.quiet import close_quiet_run, in_order, looked

    run_id, known = str(uuid4()), in_order(runtime)
    instance = ready_instance(runtime.settings)
    with (
        publishing_when_stopped(runtime.warehouse, run_id, group=runtime.settings.group),
        _progress(runtime, "sync: looking for news"),
    ):
        found = looked(instance, runtime, run_id, known)
        close_quiet_run(instance, runtime, run_id, found)
    if not as_json:
        since = f"{known.since:%H:%M} UTC"
        say(f"nothing is new: statistics, checks and report are as the sync of {since} left them")
    steps = {step: outcome.summary() for step, outcome in found.steps.items()}
    return _told(runtime, [steps], [], {"run_id": run_id, "steps": steps} if as_json else None)


def run_backfill(
    first: date,
    last: date,
    accounts: Sequence[str],
    regions: str | None,
    *,
    again: bool,
    here: bool,
    detach: bool,
    as_json: bool,
) -> int:
    """Search the days again, both ends in: through the daemon where one runs, else (or with `here`) in this process.

    `again` gets also what is stored in a final state.
    `detach` does not wait for the daemon. The daemon uses its own settings and credentials, for the accounts and
    Regions that are named.
    """
    from braket_etl.orchestration.instance import daemon_serves, ready_instance
    from braket_etl.orchestration.jobs import pull_config

    runtime = Runtime()
    runtime.targets(accounts)
    _check_days(first, last)
    instance = ready_instance(runtime.settings)
    if not here and daemon_serves(instance, runtime.settings):
        chosen = runtime.settings.regions if regions else ()
        config = pull_config(accounts=accounts, regions=chosen, again=again)
        return _submit(runtime, instance, first, last, config, detach=detach, as_json=as_json)
    if detach:
        raise SettingsError(
            "--detach needs a running daemon of this home: start `braket-etl ui` or `braket-etl service install`"
        )
    return run_job(
        _checked(runtime),
        "backfill",
        first,
        last,
        accounts,
        again=again,
        is_part=regions is not None,
        as_json=as_json,
    )


def run_job(
    runtime: Runtime,
    name: str,
    first: date,
    last: date,
    accounts: Sequence[str],
    *,
    again: bool = False,
    is_part: bool = False,
    as_json: bool = False,
) -> int:
    """Run a job for a range of days as a Dagster run of this process; its exit code."""
    from braket_etl.orchestration.build import build_defs
    from braket_etl.orchestration.instance import process_tags, ready_instance, report_canceled
    from braket_etl.orchestration.jobs import pull_config, run_here
    from braket_etl.orchestration.resources import KIND_TAG

    run_id = str(uuid4())
    config = {
        **pull_config(
            accounts=accounts, days=(first, last), only_due=name == "sync", again=again, is_part=is_part
        ),
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},  # this module tells the user itself
    }
    instance = ready_instance(runtime.settings)
    job = build_defs(runtime=runtime).resolve_job_def(name)
    tags = {KIND_TAG: name, **process_tags(run_id)}
    try:
        with _heeding_the_ui(instance, run_id), _progress(runtime, f"{name} {first} to {last}"):
            result = run_here(instance, job, run_id, config, tags)
        if not stopping.requested():
            steps = _published_steps(runtime, run_id)
            told = {"run_id": run_id, "steps": steps} if as_json else None
            return _told(runtime, [steps], result.get_step_failure_events(), told)
    except KeyboardInterrupt:  # Dagster lets it out before and after a run
        pass
    with stopping.ending():
        report_canceled(instance, run_id)
        told_what = what_came(runtime.warehouse, run_id, group=runtime.settings.group)
        if as_json:
            steps = _steps(runtime, run_id)
            print(json.dumps({"run_id": run_id, "steps": steps, "exit_code": stopping.exit_code()}))
        raise stopping.Stop(f"{told_what}; the next run goes on from there")


def _submit(
    runtime: Runtime,
    instance: DagsterInstance,
    first: date,
    last: date,
    config: dict[str, Any],
    *,
    detach: bool,
    as_json: bool,
) -> int:
    """Have the daemon run the backfill, and follow it to its end unless detached; the exit code."""
    from braket_etl.orchestration import backfill
    from braket_etl.orchestration.failures import step_failures

    backfill_id = backfill.submit(instance, runtime.settings, first, last, config)
    if detach:
        print(json.dumps({"backfill_id": backfill_id}) if as_json else backfill_id)
        return 0
    say(f"backfill {backfill_id} runs in the daemon; Ctrl-C cancels it")
    try:
        ended = _followed(instance, backfill_id, (last - first).days + 1)
    except KeyboardInterrupt:
        with stopping.ending():
            backfill.cancel(instance, backfill_id)
            raise stopping.Stop(
                f"backfill {backfill_id} is cancelled; its run publishes what it has stored, and `braket-etl backfill` "
                "again goes on from there"
            ) from None
    if ended is None:
        fail(
            f"the daemon has stopped; backfill {backfill_id} goes on when it runs again (`braket-etl ui`, or "
            "`braket-etl service status`)"
        )
        return 1
    steps: dict[str, Any] = {}
    with (
        suppress(WarehouseError),
        runtime.warehouse.reading() as connection,
    ):  # no run may have come to publishing
        steps = {run.run_id: runs.run_summary(connection, run.run_id) or {} for run in ended.runs}
    failures = [event for run in ended.runs for event in step_failures(instance, run)]
    told = {"backfill_id": backfill_id, "runs": steps} if as_json else None
    code = _told(runtime, list(steps.values()), failures, told)
    if ended.status.name in ("CANCELED", "FAILED"):
        fail(f"backfill {backfill_id}: {ended.error or 'it was cancelled'}")
        return 1
    return code


def _followed(instance: DagsterInstance, backfill_id: str, days: int) -> Backfill | None:
    """The backfill when it has ended; None where the daemon stopped before."""
    from braket_etl.orchestration import backfill
    from braket_etl.orchestration.instance import daemon_is_alive

    with _bar() as bar:
        task = bar.add_task("backfill: days", total=days)
        while True:
            now = backfill.look_up(instance, backfill_id)
            bar.update(task, completed=now.days_done)
            if now.has_ended:
                return now
            if not daemon_is_alive(instance):
                return None
            time.sleep(1)


def _check_days(first: date, last: date) -> None:
    from braket_etl.facts import LAUNCH

    today = datetime.now(UTC).date()
    if last < first:
        raise SettingsError(f"--to {last} is before --from {first}")
    if first < LAUNCH:
        raise SettingsError(f"--from {first} is before Amazon Braket began, {LAUNCH}")
    if last > today:
        raise SettingsError(f"--to {last} has not begun yet; today is {today} in UTC")


def _checked(runtime: Runtime) -> Runtime:
    """The runtime, where at least one account has credentials; raises what makes a run pointless."""
    runtime.targets()
    try:
        runtime.warehouse.check()
        check_group(runtime.settings.group)
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


class _WaitColumn(ProgressColumn):
    """What is waited for, while nothing else happens."""

    def render(self, task: Task) -> Text:
        """In words."""
        is_moving = time.monotonic() - task.fields.get("moved_at", 0.0) < _STILL_SECONDS
        return Text("" if is_moving else printable(holdups.told()), "yellow")


class _RateColumn(ProgressColumn):
    """How many a second, as of late."""

    def render(self, task: Task) -> Text:
        """The rate, once there is one."""
        return Text(f"{task.speed:,.1f}/s" if task.speed else "", "progress.data.speed")


_COLUMNS = (
    SpinnerColumn(),
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    _RateColumn(),
    TimeRemainingColumn(),
    _WaitColumn(),
)


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress bar on standard error, which shows itself on terminals only.

    It has a file descriptor of its own: while a step runs, Dagster turns the one of standard error to a file.
    """
    if is_quiet() or not err.is_terminal:
        with Progress(*_COLUMNS, console=err, disable=True) as bar:
            yield bar
        return
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=err.encoding) as terminal:
        console = Console(file=terminal, force_terminal=True, highlight=False)
        with Progress(*_COLUMNS, console=console, transient=True) as bar:
            yield bar


@contextmanager
def _progress(runtime: Runtime, title: str) -> Iterator[None]:
    """Show how far the pull of the runtime is."""
    with _bar() as bar:
        task = bar.add_task(title, total=None, moved_at=time.monotonic())
        expected = done = 0

        def show() -> None:
            total = max(expected, done)  # what is asked for again may not be counted yet
            bar.update(
                task,
                completed=done,
                total=total or None,
                description=f"{title}: records",
                moved_at=time.monotonic(),
            )

        def expect(more: int) -> None:
            nonlocal expected
            expected += more
            show()

        def advance(more: int) -> None:
            nonlocal done
            done += more
            if more:
                show()

        runtime.progress = PullProgress(expect, advance)
        yield


@contextmanager
def _heeding_the_ui(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """End the run of this process as Ctrl-C does when it is terminated in the UI, which reaches no process by itself."""
    is_over = Event()

    def watch() -> None:
        while not is_over.wait(_GLANCE_SECONDS) and not stopping.requested():
            if _is_canceled(instance, run_id):
                stopping.request("since its run was terminated in the Dagster UI")
                return

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _is_canceled(instance: DagsterInstance, run_id: str) -> bool:
    """Whether a run is, or shall be; not known to be where Dagster's storage cannot be asked just now."""
    from dagster import DagsterRunStatus

    try:
        run = instance.get_run_by_id(run_id)
    except Exception:  # noqa: BLE001 - each storage has its own; the next glance may do
        return False
    return run is not None and run.status in (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED)


def _told(
    runtime: Runtime,
    run_steps: Sequence[Mapping[str, Any]],
    failed_steps: Sequence[DagsterEvent],
    as_json: dict[str, Any] | None,
) -> int:
    """Say what came of runs, from the summaries of their steps; the exit code. `as_json` is printed with it instead."""
    from braket_etl.orchestration.failures import failure_lines

    steps = [step for run in run_steps for step in run.values()]
    problems = runs.problems_of(steps)
    warnings = list(
        dict.fromkeys(text for step in steps for text in (*step["warnings"], *step.get("notes", ())))
    )
    rejected = sum(step["rejected"] for step in steps)
    drift = sum(step["drift"] for step in steps)
    held = held_back(runtime.warehouse)
    refused = [refusal(runtime.warehouse, held)] if held else []
    failures = [
        line
        for line in failure_lines(failed_steps, problems)
        if held is None or held.summary not in line  # told once
    ]
    code = 1 if problems or failures or refused else 0
    if as_json is not None:
        print(json.dumps({**as_json, "held_back": refused[0] if refused else None, "exit_code": code}))
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
    for text in (*problems, *failures, *refused):
        fail(text)
    if as_json is None and steps and not refused:
        say(f"published {runtime.warehouse.place}")
    return code


def _published_steps(runtime: Runtime, run_id: str) -> dict[str, Any]:
    """What the steps of a run did; a run that failed before it published is published now."""
    with suppress(WarehouseError), runtime.warehouse.reading() as connection:
        if runs.has_ended(connection, run_id):
            return runs.run_summary(connection, run_id) or {}
    try:
        publish_what_came(runtime.warehouse, run_id, group=runtime.settings.group)
    except HeldBackError:  # told of with all else, see `_told`
        with runtime.warehouse.writing("looking up what came") as connection:
            return runs.run_summary(connection, run_id) or {}
    return _steps(runtime, run_id)


def _steps(runtime: Runtime, run_id: str) -> dict[str, Any]:
    """What the steps of a run did, by the published copy; nothing where there is none."""
    with suppress(WarehouseError), runtime.warehouse.reading() as connection:
        return runs.run_summary(connection, run_id) or {}
    return {}


def _show_rows(steps: Sequence[Mapping[str, Any]]) -> None:
    rows = []
    for table in MAIN:
        found = [step["rows"][table.name] for step in steps if table.name in step["rows"]]
        if found:
            rows.append(
                [table.name, *(sum(part[what] for part in found) for what in ("new", "changed", "unchanged"))]
            )
    show_table("", ["table", "new", "changed", "unchanged"], rows)
