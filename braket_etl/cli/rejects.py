"""`rejects`: look at the responses that could not become a row, ask for them again, or forget them.

A payload is as untrusted as anything can be: it is shown with every control character as an escape.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer

from braket_etl.aws.errors import MissingCredentials
from braket_etl.cli.output import fail, is_quiet, printable, say, show_table, warn
from braket_etl.json_text import read_json
from braket_etl.orchestration.outside_dagster import close_run, open_run, publishing_when_stopped
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.rejects import (
    Retried,
    RetryPlan,
    plan_retry,
    purge_rejects,
    retry_rejects,
    stored_rejects,
)
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.warehouse.errors import HeldBackError

_KIND = "rejects"
_SHOWN = ("operation", "arn", "error", "attempts", "first_seen_at", "last_seen_at")


def run_list(*, as_json: bool) -> int:
    """Print the rejects of the published copy, without their payloads."""
    with Runtime().warehouse.reading() as connection:
        rejects = stored_rejects(connection)
    if as_json:
        print(
            json.dumps(
                [{**reject, "payload": len(reject["payload"] or "")} for reject in rejects], default=str
            )
        )
    elif rejects:
        show_table("", _SHOWN, [[reject[name] for name in _SHOWN] for reject in rejects])
        say("`braket-etl rejects show ARN` prints a response, `rejects retry` asks for all of them again")
    else:
        say("there are no rejects")
    return 0


def run_show(arn: str, *, as_json: bool) -> int:
    """Print one record's rejects with their payloads; 1 where there is none."""
    with Runtime().warehouse.reading() as connection:
        rejects = stored_rejects(connection, [arn])
    if as_json:
        print(json.dumps(rejects, default=str))
    for reject in rejects if not as_json else ():
        for name, value in reject.items():
            if name != "payload":
                print(f"{name}: {printable(value).replace(chr(10), ' ')}")
        print(_readable(reject["payload"] or "(no payload)"))
    if not rejects:
        fail(f"{arn} is not among the rejects: `braket-etl rejects list` shows them")
    return 0 if rejects else 1


def run_retry(arns: Sequence[str], *, as_json: bool) -> int:
    """Ask for rejected records again and publish; 1 where one could not be asked for."""
    runtime = Runtime()
    plan = plan_retry(runtime.warehouse, runtime.sessions, arns)
    _check_known(arns, plan)
    if not plan.attempts and not as_json:
        say("there are no rejects")
        return 0
    check_credentials(runtime, plan)
    run_id = open_run(runtime.warehouse, _KIND)
    with publishing_when_stopped(runtime.warehouse, run_id, group=runtime.settings.group):
        done = retry_rejects(runtime.puller(run_id), plan, naming=runtime.naming)
        try:
            close_run(runtime.warehouse, run_id, _KIND, done.outcome, group=runtime.settings.group)
        except HeldBackError as held:
            return _told(run_id, done, held, as_json=as_json)
    return _told(run_id, done, None, as_json=as_json)


def run_purge(arns: Sequence[str], *, yes: bool) -> int:
    """Forget all rejects, or the named ones, after asking, and publish."""
    runtime = Runtime()
    if not yes:
        if not sys.stdin.isatty():
            raise SettingsError("nobody can be asked here: add --yes to forget rejects")
        what = f"{len(arns)} rejects" if arns else "all rejects"
        if not typer.confirm(f"Forget {what}, payloads included?", err=True):
            say("nothing was changed")
            return 0
    run_id = open_run(runtime.warehouse, _KIND)
    say(f"{purge_rejects(runtime.warehouse, arns)} rejects forgotten")
    close_run(runtime.warehouse, run_id, _KIND, Outcome(), group=runtime.settings.group)
    return 0


def _check_known(arns: Sequence[str], plan: RetryPlan) -> None:
    if unknown := sorted(set(arns) - {arn for _, arn in plan.attempts}):
        raise SettingsError(f"not among the rejects: {', '.join(unknown)}")


def check_credentials(runtime: Runtime, plan: RetryPlan) -> None:
    """Raise what makes the run pointless: that no account which would be asked has credentials."""
    without: list[MissingCredentials] = []
    for account in plan.accounts:
        try:
            runtime.sessions.check_credentials(account)
        except MissingCredentials as missing:
            without.append(missing)
    if without and len(without) == len(plan.accounts):
        raise without[0]


def _told(run_id: str, done: Retried, held: HeldBackError | None, *, as_json: bool) -> int:
    """Say what came of it, and why it is not published; the exit code."""
    outcome = done.outcome
    code = 1 if outcome.problems or held else 0
    counts = {
        "healed": done.healed,
        "still_rejected": done.still_rejected,
        "unanswered": done.unanswered,
    }
    if as_json:
        told = {"run_id": run_id, "exit_code": code, **counts, "outcome": outcome.summary()}
        print(json.dumps(told | {"held_back": str(held) if held else None}))
    elif not is_quiet():
        show_table("", [name.replace("_", " ") for name in counts], [list(counts.values())])
    for warning in outcome.warnings:
        warn(warning)
    for problem in outcome.problems:
        fail(str(problem))
    if held is not None:
        fail(str(held))
    if done.still_rejected:
        warn("some responses are still no rows: `braket-etl rejects show ARN` says why")
    if done.unanswered and not outcome.problems:
        warn("Braket no longer knows some of the records; `braket-etl rejects purge --arn ARN` forgets them")
    return code


def _readable(payload: str) -> str:
    """The payload over several lines where it is JSON, else as it came; escapes for what is not printable."""
    try:
        parsed: Any = read_json(payload)
        return json.dumps(parsed, indent=2, ensure_ascii=True)
    except ValueError:
        return printable(payload)
