"""`recover`: tasks that Braket has forgotten, from the results that a bucket or folder still holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from braket_etl.aws.sessions import Account
from braket_etl.cli.output import err, fail, is_quiet, say, show_table, warn
from braket_etl.cli.verb import exit_code_of
from braket_etl.costs.load import install_seed
from braket_etl.orchestration.outside_dagster import close_run, open_run, publishing_when_stopped
from braket_etl.pull.recover import Recovery, Source, Tally, recover
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.warehouse.errors import HeldBackError

_KIND = "recover"
_MOST_NAMED = 5  # files that gave nothing, on the screen; the worst first


def run_recover(path: str, account: str | None, copy_of: str | None, *, restart: bool, as_json: bool) -> int:
    """Take what the files below a path know into the warehouse and publish; the exit code."""
    runtime = Runtime()
    source = Source.of(path, copy_of or "")
    client = _client(runtime, account) if source.is_s3 else None
    warehouse, group = runtime.warehouse, runtime.settings.group
    run_id = open_run(warehouse, _KIND)
    with publishing_when_stopped(warehouse, run_id, group=group):
        with _progress(f"recover {path}") as progress:
            most_named = None if as_json else _MOST_NAMED
            done = recover(
                warehouse, source, client=client, restart=restart, most_named=most_named, progress=progress
            )
        install_seed(warehouse)  # nobody may have pulled with this home yet, and costs need prices
        try:
            close_run(warehouse, run_id, _KIND, done.outcome(source), group=group)
        except HeldBackError as held:
            return _told(path, run_id, done, published=held, as_json=as_json)
    return _told(path, run_id, done, published=warehouse.place, as_json=as_json)


def _client(runtime: Runtime, name: str | None) -> Any:
    """The S3 client of the account that reads; raises for one that is not known, not named or cannot be used."""
    account = _account(runtime.accounts, name)
    runtime.sessions.check_credentials(account)
    return runtime.sessions.s3(account, None)


def _account(accounts: Sequence[Account], name: str | None) -> Account:
    names = ", ".join(sorted(account.name for account in accounts))
    found = [account for account in accounts if name in (None, account.name)]
    if not found:
        raise SettingsError(f"no account is called {name}; there is {names}")
    if len(found) > 1:
        raise SettingsError(f"several accounts are configured: choose who reads with --account ({names})")
    return found[0]


@contextmanager
def _progress(title: str) -> Iterator[Callable[[Tally], None]]:
    if is_quiet() or not err.is_terminal:
        yield lambda tally: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=None)  # how many there are is known at the end only

        def show(tally: Tally) -> None:
            bar.update(task, description=f"{title}: {tally.read:,} files read, {tally.taken:,} tasks taken")

        yield show


def _name_not_taken(done: Recovery) -> None:
    """Name the first files that gave nothing, what is lost before what is no task."""
    kinds = ("not_opened", "unreadable", "not_a_task")
    named = sorted(done.not_taken, key=lambda each: kinds.index(each.outcome))[:_MOST_NAMED]
    for each in named:
        tell = say if each.outcome == "not_a_task" else warn
        tell(f"{each.file}: {each.reason}")
    if (more := sum(getattr(done.tally, kind) for kind in kinds) - len(named)) > 0:
        say(f"and {more:,} more files that gave no task; --json names all")


def _told(path: str, run_id: str, done: Recovery, *, published: str | HeldBackError, as_json: bool) -> int:
    """Say what came of it, and where it is published or why it is not; the exit code."""
    tally, problem = done.tally, done.problem
    held = published if isinstance(published, HeldBackError) else None
    code = 1 if tally.not_opened or held else 0
    if problem is not None:
        code = exit_code_of(problem) or 1
    if as_json:
        told = {
            "run_id": run_id,
            "exit_code": code,
            **asdict(tally),
            "resumed_after": done.resumed_after or None,
            "not_taken": [asdict(each) for each in done.not_taken],
            "problem": str(problem) if problem else None,
            "held_back": str(held) if held else None,
        }
        print(json.dumps(told))
    elif not is_quiet():
        if not tally.read and not tally.not_opened and problem is None:
            say(
                f"there is no file named results.json below {path}; one of another name can be given by itself"
            )
        show_table(
            "",
            ["files read", *(name.replace("_", " ") for name in list(asdict(tally))[1:])],
            [[f"{count:,}" for count in asdict(tally).values()]],
        )
    if done.resumed_after:
        say(f"went on after {done.resumed_after}, where an earlier run ended; --restart starts over")
    _name_not_taken(done)
    if tally.not_opened:
        fail(f"{tally.not_opened:,} files could not be opened; the tasks in them are not recovered")
    if problem is not None:
        fail(f"{problem}; what came before is kept, and the next `recover` goes on from there")
    if held is not None:
        fail(str(held))
    elif not as_json:
        say(f"published {published}")
    return code
