"""`status`: how things stand, on one screen, by the published copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

import duckdb
from rich.text import Text

from braket_etl.cli.output import as_json as to_json
from braket_etl.cli.output import duration, fail, printable, say, show_columns, warn
from braket_etl.facts import STALE
from braket_etl.health.schedules import Schedules, schedules
from braket_etl.health.standing import Budget, Run, Spent, Standing, Stored, Waiting, standing
from braket_etl.health.units import ago
from braket_etl.runtime import Runtime
from braket_etl.warehouse.connection import first_line
from braket_etl.warehouse.coverage import QUESTION, REMEDY
from braket_etl.warehouse.door import held_back, refusal
from braket_etl.warehouse.errors import NotPublishedError, WarehouseError

_STYLES = {"success": "green", "warning": "yellow", "failure": "bold red", "running": "cyan"}
_LISTED = 6  # devices that are listed; the rest is a line


def run_status(*, as_json: bool, may_fail: bool = False) -> int:
    """Show freshness, open records, problems, spending, waits, runs and schedules.

    0 also where something is wrong or nothing was pulled yet, unless it `may_fail`: then 1, and why.
    """
    runtime = Runtime()
    warehouse = runtime.warehouse
    held = held_back(warehouse)
    refused = {"held_back": asdict(held)} if held else {}
    try:
        with warehouse.reading() as connection:
            found = standing(connection)
    except NotPublishedError:
        wrong = ["nothing is published"]
        if as_json:
            print(to_json({"published": None, **refused, **({"wrong": wrong} if may_fail else {})}))
        if held is not None:
            warn(refusal(warehouse, held))
        else:
            say(
                f"nothing was pulled yet: there is no {warehouse.place}. Run `braket-etl sync`, or `braket-etl demo`."
            )
        return _told(wrong) if may_fail else 0
    except duckdb.Error as error:
        raise WarehouseError(
            f"{warehouse.place} is of another version of braket_etl ({first_line(error)}); "
            "the next `braket-etl sync` brings it up to date"
        ) from None
    if not as_json:
        if held is not None:
            warn(f"what is shown is not all that is stored. {refusal(warehouse, held)}")
        say(f"what is published as {warehouse.place}")
        _show(found)
    started = schedules(runtime.settings)
    wrong = [*(["publishing is held back"] if held else []), *_wrong(found, started)]
    if as_json:
        told = {"published": warehouse.place, **refused, **asdict(found), **asdict(started), "wrong": wrong}
        print(to_json(told, indent=2))
    elif started.schedules:
        show_columns(list(_schedule_rows(started, found.at)), "schedules")
    return _told(wrong) if may_fail else 0


def _wrong(found: Standing, started: Schedules) -> Iterator[str]:
    """What somebody has to look at: what is missing or out of date, a run or a schedule that failed."""
    yield from found.missing
    if found.rejects:
        yield f"{found.rejects:,} records could not become a row: `braket-etl rejects list` shows them"
    if found.searched and found.at - found.searched[0].at > STALE:
        oldest = found.searched[0]
        yield f"{oldest.account}/{oldest.region} was last searched {ago(oldest.at, found.at)}"
    ended = [each for each in found.runs if each.seconds is not None]
    if ended and ended[0].outcome == "failure":
        yield f"the last run, {ended[0].kind}, failed"
    for each in started.schedules:
        if each.last_tick == "failure":
            yield f"the last tick of the schedule {each.name} failed"


def _told(wrong: Sequence[str]) -> int:
    for line in wrong:
        fail(line)
    return 1 if wrong else 0


def _schedule_rows(started: Schedules, now: datetime) -> Iterator[Sequence[str | Text]]:
    alive = "the daemon is alive"
    if not started.daemon_is_alive:
        alive = f"no daemon runs, so none starts; it was last alive {ago(started.daemon_at or now, now)}"
    yield _head("schedule", "is", "last tick", f"which was ({alive})")
    for each in started.schedules:
        style = "" if each.last_tick != "failure" else "bold red"
        at = ago(each.last_tick_at, now) if each.last_tick_at else "never"
        yield each.name, "on" if each.is_on else "off", at, Text(each.last_tick, style)


def _show(found: Standing) -> None:
    if found.missing:
        lines = [Text(printable(line), "bold red") for line in found.missing]
        show_columns([(Text("missing", "bold"),), *((line,) for line in lines), (f"→ {REMEDY}",)])
    show_columns(list(_table_rows(found.tables, found.at)), "" if found.missing else None, numbers=(1, 2, 3))
    show_columns(list(_state_rows(found)), "")
    show_columns(list(_spent_rows(found.spent)), "spent, at list price", numbers=(1, 2, 3, 4, 5))
    if found.budgets:
        show_columns(list(_budget_rows(found.budgets)), "budgets", numbers=(2, 3, 4, 5))
    show_columns(list(_wait_rows(found.waiting)), "waiting now", numbers=(2, 4, 5))
    show_columns(list(_run_rows(found.runs, found.at)), "last runs", numbers=(3, 4, 5))


def _table_rows(tables: Sequence[Stored], now: datetime) -> Iterator[Sequence[str | Text]]:
    yield _head("table", "rows", "open", "rejected", "newest")
    for each in tables:
        if each.rows or each.open is not None:
            newest = ago(each.newest, now) if each.newest else "never"
            yield each.table, f"{each.rows:,}", _count(each.open), _count(each.rejected), newest


def _state_rows(found: Standing) -> Iterator[Sequence[str | Text]]:
    if found.searched:
        oldest = found.searched[0]
        which = f"{oldest.account}/{oldest.region} {ago(oldest.at, found.at)}"
        yield "searched", f"{len(found.searched)} accounts and Regions, longest ago {which}"
    wrong = [
        (found.rejects, "rejects: {}; `braket-etl rejects list` shows them"),
        (found.drift, "new or not believed: {} things that Braket said, in etl.schema_drift"),
        (found.days_not_whole, f"days not seen whole: {{}}; `braket-etl sql @{QUESTION}` lists them"),
        (
            found.days_lost,
            f"days lost: {{}}, which Braket forgot first; `braket-etl sql @{QUESTION}` lists them",
        ),
    ]
    told = [what.format(f"{count:,}") for count, what in wrong if count]
    if found.missing and not told:
        told = ["what is missing, see above"]
    yield "to look at", Text("\n".join(told), "yellow") if told else Text("nothing", "green")


def _spent_rows(months: Sequence[Spent]) -> Iterator[Sequence[str | Text]]:
    yield _head("month", "USD", "committed", "running", "tasks", "jobs", "")
    for each in months:
        unknown = f"and {each.n_unknown:,} of unknown cost" if each.n_unknown else ""
        yield (
            each.month,
            f"{each.cost_usd:,.2f}",
            f"{each.committed_usd:,.2f}",
            f"{each.accrued_usd:,.2f}",
            f"{each.n_tasks:,}",
            f"{each.n_jobs:,}",
            Text(unknown, "yellow"),
        )


def _budget_rows(budgets: Sequence[Budget]) -> Iterator[Sequence[str | Text]]:
    yield _head("budget", "days", "USD", "used", "", "forecast")
    for each in budgets:
        style = (
            "bold red" if each.used_share >= 1 else "yellow" if each.forecast_usd > each.amount_usd else ""
        )
        yield (
            printable(each.budget),
            f"{each.period_from} to {each.period_to}",
            f"{each.amount_usd:,.2f}",
            f"{each.used_usd:,.2f}",
            Text(f"{each.used_share:.0%}", style),
            f"{each.forecast_usd:,.2f}",
        )


def _wait_rows(waiting: Sequence[Waiting]) -> Iterator[Sequence[str | Text]]:
    if not waiting:
        yield ("nothing",)
        return
    yield _head("device", "of", "waiting", "longest", "ahead", "nine in ten start in")
    for each in waiting[:_LISTED]:
        device = each.device_arn.rsplit("/", 1)[-1]
        longest = f"over {duration(each.longest_seconds)}"
        start = each.most_start_in_seconds
        within = "" if start is None else duration(start)
        yield device, f"{each.kind}s", f"{each.n:,}", longest, _count(each.ahead), within
    if rest := waiting[_LISTED:]:
        yield f"{len(rest)} more", "", f"{sum(each.n for each in rest):,}"


def _run_rows(runs: Sequence[Run], now: datetime) -> Iterator[Sequence[str | Text]]:
    yield _head("run", "ended in", "began", "took", "new", "changed")
    for each in runs:
        took = duration(each.seconds) if each.seconds is not None else "…"
        outcome = Text(each.outcome, _STYLES.get(each.outcome, ""))
        yield each.kind, outcome, ago(each.started_at, now), took, f"{each.new:,}", f"{each.changed:,}"


def _head(*names: str) -> Sequence[Text]:
    return [Text(name, "dim") for name in names]


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
